package control

import (
	"testing"
	"time"

	"atoll/internal/cloud"
)

func TestNextCheck(t *testing.T) {
	const interval, n = 15 * time.Second, 3000
	now := cloud.Now()
	perSecond := map[time.Duration]int{}
	for range n {
		id := cloud.NewID[cloud.DeploymentID]()
		next := nextCheck(id, now, interval)
		if wait := next.Sub(now); wait <= 0 || wait > interval {
			t.Fatalf("the next check of %s is in %s, want within %s", id, wait, interval)
		}
		for _, late := range []time.Duration{0, time.Microsecond, 700 * time.Millisecond, interval - time.Microsecond} {
			if got := nextCheck(id, next.Add(late), interval).Sub(next); got != interval {
				t.Fatalf("the check after one that began %s late is %s after when that was due, want %s", late, got, interval)
			}
		}
		perSecond[next.Sub(now)/time.Second]++
	}
	// Those that are due together now are spread over the interval then.
	for second, count := range perSecond {
		if mean := n / int(interval/time.Second); count < mean/2 || count > 2*mean {
			t.Errorf("%d of %d checks are in second %d; want about %d", count, n, second, mean)
		}
	}
}
