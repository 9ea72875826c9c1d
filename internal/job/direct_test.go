package job

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/store"
)

// awakeAgent is an agent whose lane is known, so that new jobs go to it at once.
// It returns its held exchange.
func awakeAgent(r *rig) (*agent, *waiter) {
	r.t.Helper()
	a := r.agent()
	w := a.say()
	first := a.job()
	r.add(first)
	ref := a.take(w).Jobs[0].JobRef
	w = a.say(ok(ref))
	r.want(first, cloud.JobSucceeded)
	return a, w
}

func TestNewJobIsLeasedAsItIsInserted(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		a, w := awakeAgent(r)
		j := a.job()
		r.update(func(tx *store.Tx) error {
			if err := r.Add(tx, j); err != nil {
				return err
			}
			got, err := tx.Job(j.ID)
			if err == nil && (got.State != cloud.JobLeased || got.NodeID != a.peer.Node || got.Token != 1 || got.Attempt != 1 || got.LeasedAt == 0) {
				t.Errorf("inserted job = %+v", got)
			}
			return err
		})
		got := a.take(w)
		if len(got.Jobs) != 1 || got.Jobs[0].ID != j.ID || got.Jobs[0].Token != 1 {
			t.Fatalf("answer = %+v", got)
		}
		a.say(ok(got.Jobs[0].JobRef))
		r.want(j, cloud.JobSucceeded)
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.ended[j.ID] != 1 {
			t.Errorf("the end was told %d times", r.ended[j.ID])
		}
	})
}

func TestUndoneTransactionGivesThePlaceBack(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		a, w := awakeAgent(r)
		a.takes(1)
		w2 := a.say() // says that there is one place
		w.answer()
		dry := errors.New("dry run")
		for range 3 {
			err := r.db.Update(context.Background(), func(tx *store.Tx) error {
				if err := r.Add(tx, a.job()); err != nil {
					t.Error(err)
				}
				return dry
			})
			if !errors.Is(err, dry) {
				t.Fatal(err)
			}
		}
		if !w2.held() {
			t.Fatalf("answer = %+v; want nothing of jobs that are not there", w2.got)
		}
		j, k := a.job(), a.job()
		r.add(j, k)
		if got := a.take(w2); !slices.Equal(refs(got.Jobs), []cloud.JobID{j.ID}) {
			t.Errorf("jobs = %v; want the one that has a place", got.Jobs)
		}
		r.want(k, cloud.JobQueued)
	})
}

func TestNewJobsWaitBehindOlderOnes(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		a, w := awakeAgent(r)
		a.takes(0)
		w2 := a.say()
		w.answer()
		old := a.job()
		r.add(old)
		r.Queue.mu.Lock()
		r.sessions[a.peer.Node].room = 5 // a place came free and the older job is about to be picked
		r.Queue.mu.Unlock()
		j := a.job()
		r.update(func(tx *store.Tx) error {
			if err := r.Add(tx, j); err != nil {
				return err
			}
			got, err := tx.Job(j.ID)
			if err == nil && got.State != cloud.JobQueued {
				t.Errorf("the newer job is %s as it is inserted", got.State)
			}
			return err
		})
		if got := refs(a.take(w2).Jobs); !slices.Equal(got, []cloud.JobID{old.ID, j.ID}) {
			t.Errorf("jobs = %v, want %v", got, []cloud.JobID{old.ID, j.ID})
		}
	})
}

func TestJobsOfADeadAgentStayQueued(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		a, _ := awakeAgent(r)
		r.Queue.mu.Lock()
		s := r.sessions[a.peer.Node]
		s.wait, s.heard = nil, cloud.Now().Add(-awake-time.Second) // its connection ended
		r.Queue.mu.Unlock()
		j := a.job()
		r.add(j)
		r.want(j, cloud.JobQueued)
	})
}

func TestJobLentToAnEndedSessionReachesTheNext(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		a, _ := awakeAgent(r)
		j := a.job()
		b := *a
		b.session, b.number, b.answer = string(cloud.NewID[cloud.SessionID]()), 0, 0
		r.update(func(tx *store.Tx) error {
			if err := r.Add(tx, j); err != nil {
				return err
			}
			r.Queue.mu.Lock() // the agent starts anew while the transaction is under way
			defer r.Queue.mu.Unlock()
			delete(r.sessions, a.peer.Node)
			return nil
		})
		r.want(j, cloud.JobLeased)
		if got := b.ask(); len(got.Jobs) != 1 || got.Jobs[0].ID != j.ID {
			t.Errorf("answer = %+v; want the job that the older session was to get", got)
		}
	})
}

func TestAnswersAreBounded(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		a, w := awakeAgent(r)
		var jobs []*cloud.Job
		args, err := json.Marshal(strings.Repeat("x", 60<<10))
		if err != nil {
			t.Fatal(err)
		}
		for range maxHandoverArgs/(60<<10) + 10 {
			j := a.job()
			j.Args = args
			jobs = append(jobs, j)
		}
		r.add(jobs...)
		last := jobs[len(jobs)-1]
		r.update(func(tx *store.Tx) error { return r.Cancel(tx, last.ID, "test") })
		first := a.take(w)
		size := 0
		for i := range first.Jobs {
			size += len(first.Jobs[i].Args)
		}
		if size > maxHandoverArgs || len(first.Cancel) > 0 {
			t.Errorf("the first answer has %d bytes of arguments and cancels %v of jobs that come later", size, first.Cancel)
		}
		second := a.ask()
		if n := len(first.Jobs) + len(second.Jobs); n != len(jobs) {
			t.Errorf("two answers carry %d of %d jobs", n, len(jobs))
		}
		if len(second.Cancel) != 1 || second.Cancel[0].ID != last.ID {
			t.Errorf("cancels of the second answer: %v", second.Cancel)
		}
	})
}

func TestGivenUpJobIsNotHandedOver(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		a, w := awakeAgent(r)
		r.Queue.mu.Lock()
		s := r.sessions[a.peer.Node]
		s.wait = nil // an exchange is on its way
		r.Queue.mu.Unlock()
		j, kept := a.job(), a.job()
		r.add(j, kept)
		r.want(j, cloud.JobLeased)
		r.want(kept, cloud.JobLeased)
		r.Queue.mu.Lock()
		s.heard = cloud.Now().Add(-time.Hour) // it never came, for long
		r.Queue.mu.Unlock()
		r.update(func(tx *store.Tx) error {
			held, err := tx.Job(j.ID)
			if err != nil {
				return err
			}
			return r.lose(tx, held, "its node is silent")
		})
		r.want(j, cloud.JobLost)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if err := r.Exchange(gone, a.peer, a.next(), w); err == nil {
			t.Fatal("an exchange that could not be stored was taken")
		}
		if got := a.ask().Jobs; len(got) != 1 || got[0].ID != kept.ID {
			t.Errorf("jobs = %+v; want the one that was not given up", got)
		}
		w.Drop()
	})
}
