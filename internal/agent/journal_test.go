package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"atoll/internal/cloud"
	"atoll/internal/wire"
)

func ref(n int) wire.JobRef {
	return wire.JobRef{ID: cloud.JobID(fmt.Sprintf("j%d", n)), Token: int64(n)}
}

func started(j *journal, ref wire.JobRef, at cloud.Time) error {
	n, err := j.start(ref, at)
	if err != nil {
		return err
	}
	return j.sync(n)
}

func reopen(t *testing.T, j *journal) *journal {
	t.Helper()
	if err := j.close(); err != nil {
		t.Fatal(err)
	}
	next, err := openJournal(j.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { next.close() }) //nolint:errcheck // a second close does nothing
	return next
}

func TestJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j, err := openJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= 3; n++ {
		if err := started(j, ref(n), cloud.Time(n)); err != nil {
			t.Fatal(err)
		}
	}
	done := &wire.Result{JobRef: ref(2), State: cloud.JobSucceeded, StartedAt: 2, Output: "x\n"}
	if err := j.result(done); err != nil {
		t.Fatal(err)
	}
	if err := j.forget([]wire.JobRef{ref(3)}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		tail string
	}{
		{"whole", ""},
		{"torn", `deadbeef {"forget":[{"id":"j2","tok`},
		{"changed", "00000000 {\"forget\":[{\"id\":\"j2\",\"token\":2}]}\n"},
		{"garbage", "\x00\x00\x00\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			copied := filepath.Join(t.TempDir(), "journal")
			if err := os.WriteFile(copied, append(text, tt.tail...), 0o600); err != nil {
				t.Fatal(err)
			}
			j, err := openJournal(copied)
			if err != nil {
				t.Fatal(err)
			}
			j = reopen(t, j) // what was compacted says the same
			left := j.left()
			if len(left) != 2 || left[0].JobRef != ref(1) || left[0].State != cloud.JobLost {
				t.Fatalf("left() = %+v, want job 1 lost and the result of job 2", left)
			}
			if diff := cmp.Diff(*done, left[1]); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
			// The journal goes on behind a torn tail.
			if err := j.forget([]wire.JobRef{ref(1)}); err != nil {
				t.Fatal(err)
			}
			if left := reopen(t, j).left(); len(left) != 1 {
				t.Errorf("left() = %+v after forgetting job 1", left)
			}
		})
	}
	if err := j.close(); err != nil {
		t.Error(err)
	}
	if err := started(j, ref(9), 9); err == nil {
		t.Error("start() on a closed journal = nil")
	}
}

func TestJournalCompacts(t *testing.T) {
	j, err := openJournal(filepath.Join(t.TempDir(), "journal"))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for n := range 300 {
				r := ref(w*1000 + n)
				if err := started(j, r, 1); err != nil {
					t.Error(err)
				}
				if err := j.result(&wire.Result{JobRef: r, State: cloud.JobSucceeded, Output: string(make([]byte, 200))}); err != nil {
					t.Error(err)
				}
				if n%100 == 0 {
					continue // never forgotten
				}
				if err := j.forget([]wire.JobRef{r}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if j.size > compactAt+4<<10 {
		t.Errorf("the journal has %d bytes; it was not compacted", j.size)
	}
	if left := reopen(t, j).left(); len(left) != 24 {
		t.Errorf("%d results left, want 24", len(left))
	}
}

// A job that may be started again does not wait for the disk; its record is written
// all the same.
func TestOnlyWhatMustNotRunTwiceWaitsForTheDisk(t *testing.T) {
	j, err := openJournal(filepath.Join(t.TempDir(), "journal"))
	if err != nil {
		t.Fatal(err)
	}
	for i, again := range []bool{true, false} {
		task := &task{job: wire.Job{JobRef: ref(i + 1), Idempotent: again}}
		if task.record, task.noted = j.start(task.job.JobRef, 1); task.noted != nil {
			t.Fatal(task.noted)
		}
		if err := task.safe(j); err != nil {
			t.Fatal(err)
		}
		if synced := j.synced >= task.record; synced == again {
			t.Errorf("idempotent %v: the record is synced: %v", again, synced)
		}
	}
	if left := reopen(t, j).left(); len(left) != 2 {
		t.Errorf("the next agent finds %v, want both jobs", left)
	}
	closed := &task{job: wire.Job{JobRef: ref(3), Idempotent: true}}
	closed.record, closed.noted = j.start(ref(3), 1)
	if err := closed.safe(j); err == nil {
		t.Error("a job that is not in the journal may start")
	}
}
