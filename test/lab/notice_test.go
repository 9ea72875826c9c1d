package lab

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/control"
	"atoll/internal/sal/sim"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
)

// heard is what a reader of the feed was told.
type heard struct {
	mu   sync.Mutex
	list []control.Notice
}

// hear follows notices at the controller until the test ends, and returns once
// it is told all that is committed.
func (l *Lab) hear(c *Controller) *heard {
	l.T.Helper()
	h := &heard{}
	ctx, cancel := context.WithCancel(l.T.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		err := c.Control.FollowEvents(ctx, l.Admin, control.Following{
			After: -1, Notices: true,
			Send: func(_ []cloud.Event, list []control.Notice) error {
				h.mu.Lock()
				defer h.mu.Unlock()
				h.list = append(h.list, list...)
				return nil
			},
			Recheck: func(context.Context) (*control.Request, error) { return l.Admin, nil },
		})
		if err != nil {
			l.T.Error(err)
		}
	})
	l.T.Cleanup(func() { cancel(); wg.Wait() })
	l.Until("the feed begins", func() bool { return len(h.of("")) == 2 })
	return h
}

// of returns what was told of an object, or with "" of many.
func (h *heard) of(id string) []control.Notice {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(h.list), func(n control.Notice) bool { return n.ID != id })
}

// jobs returns the jobs of the operation that were told of, with their last states.
func (h *heard) jobs(o cloud.OperationID) map[string]string {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := map[string]string{}
	for _, n := range h.list {
		if n.Kind == cloud.KindJob && n.OperationID == o {
			out[n.ID] = n.State
		}
	}
	return out
}

// end waits until the reader was told the end of the operation and of its jobs,
// and checks that what it was told is in order.
func (h *heard) end(l *Lab, o *cloud.Operation) {
	l.T.Helper()
	l.Until("the reader is told the end of the operation", func() bool {
		list := h.of(string(o.ID))
		return len(list) > 0 && list[len(list)-1].State == string(cloud.OperationSucceeded)
	})
	list := h.of(string(o.ID))
	for i, n := range list {
		if i > 0 && (n.Progress < list[i-1].Progress || list[i-1].State != string(cloud.OperationRunning)) {
			l.T.Errorf("told %+v after %+v", n, list[i-1])
		}
	}
	if last := list[len(list)-1]; last.Progress != 100 || last.SubjectID != o.SubjectID {
		l.T.Errorf("told last %+v", last)
	}
	jobs, err := l.Control.OperationJobs(l.T.Context(), l.Admin, o.ID)
	if err != nil || len(jobs) == 0 {
		l.T.Fatalf("jobs of the operation: %v, %v", jobs, err)
	}
	l.Until("the reader is told the end of each job", func() bool {
		states := h.jobs(o.ID)
		return !slices.ContainsFunc(jobs, func(j cloud.Job) bool { return states[string(j.ID)] != string(j.State) })
	})
}

func TestProgressOfACreateIsTold(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		l := New(t, db, 1, sim.Config{})
		l.image("disk")
		h := l.hear(l.Controller)
		_, o, err := l.Control.CreateMachine(t.Context(), l.Admin, control.NewMachine{
			Account: "default", Cloudspace: "default", Name: "web-1", Image: "disk", Size: "tiny",
		})
		o = l.Done(o, err)
		h.end(l, o)
	})
}

// TestNoticesOfAnotherController: the reader is at A; the operation is B's, on a
// node whose agent B holds.
func TestNoticesOfAnotherController(t *testing.T) {
	t.Parallel()
	l, b := twoControllers(t)
	h := l.hear(l.Controller)
	for range 3 {
		o, err := b.Control.StartRun(t.Context(), l.Admin, control.Run{Command: []string{"true"}, Nodes: []string{"sim-2"}})
		o = l.Done(o, err)
		ended := time.Now()
		h.end(l, o)
		if took := time.Since(ended); took > 5*time.Second {
			t.Errorf("the reader at the other controller was told after %s", took)
		}
	}
	j := l.command(b, "sim-2", "true") // of no operation
	l.jobEnds(b, j.ID)
	l.Until("the reader is told of the job", func() bool {
		list := h.of(string(j.ID))
		return len(list) > 0 && list[len(list)-1].State == string(cloud.JobSucceeded)
	})
	told := len(h.of(""))
	b.Stop()
	l.Until("the reader is told that B is gone", func() bool { return len(h.of("")) >= told+2 })
}

// TestRevocationReachesAReaderAtAnotherController: the reader is at A, his token is
// taken at B.
func TestRevocationReachesAReaderAtAnotherController(t *testing.T) {
	t.Parallel()
	l, b := twoControllers(t)
	u := &cloud.User{Name: "ada", Role: cloud.InstallationAdmin}
	if err := l.Control.CreateUser(t.Context(), l.Admin, u, "correct horse battery"); err != nil {
		t.Fatal(err)
	}
	own := *l.Admin
	own.User = u
	token := &cloud.Token{Name: "feed"}
	secret, err := l.Control.CreateToken(t.Context(), &own, u.ID, token)
	if err != nil {
		t.Fatal(err)
	}
	r, err := l.Control.Authenticate(t.Context(), secret)
	if err != nil {
		t.Fatal(err)
	}
	began, ended := make(chan struct{}, 1), make(chan error, 1)
	go func() {
		ended <- l.Control.FollowEvents(t.Context(), r, control.Following{
			After: -1, Notices: true,
			Send: func([]cloud.Event, []control.Notice) error {
				select {
				case began <- struct{}{}:
				default:
				}
				return nil
			},
			Recheck: func(ctx context.Context) (*control.Request, error) { return l.Control.Authenticate(ctx, secret) },
		})
	}()
	<-began
	if err := b.Control.DeleteToken(t.Context(), l.Admin, token.ID); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if !cloud.Is(err, cloud.Unauthenticated) {
			t.Errorf("the feed ends with %v", err)
		}
	case <-time.After(3 * time.Second): // on a busy machine; by itself it looks after five
		t.Error("the feed goes on")
	}
}
