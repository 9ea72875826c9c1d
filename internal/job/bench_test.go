package job

import (
	"syscall"
	"testing"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/store/storetest"
	"atoll/internal/wire"
)

// BenchmarkNoops takes jobs from their creation in batches of 500 through one
// agent to stored results.
func BenchmarkNoops(b *testing.B) {
	r := newRig(b, storetest.SQLite(b))
	a := r.agent(cloud.RoleCompute)
	a.room = 4000
	done := make(chan struct{})
	go func() {
		defer close(done)
		var results []wire.Result
		for n := 0; n < b.N; n += len(results) {
			results = oks(a.take(a.say(results...)).Jobs)
		}
		a.say(results...)
	}()
	b.ResetTimer()
	before := cpu(b)
	for left := b.N; left > 0; left -= 500 {
		batch := make([]*cloud.Job, min(500, left))
		for i := range batch {
			batch[i] = a.job()
		}
		r.add(batch...)
	}
	<-done
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
	b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(b.N), "cpu-µs/job")
}

// cpu is the time that the process has computed, which says more than the clock
// on a machine that does other work too.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
