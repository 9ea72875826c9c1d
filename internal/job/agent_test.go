package job

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/wire"
)

// rig is a queue on a real store, with nodes whose agents follow a script.
type rig struct {
	t     testing.TB
	db    *store.DB
	hooks Hooks
	*Queue

	mu    sync.Mutex
	ended map[cloud.JobID]int // how often each job was told to have ended
}

func newRig(t testing.TB, db *store.DB) *rig {
	r := &rig{t: t, db: db, ended: map[cloud.JobID]int{}}
	r.hooks = Hooks{
		Finished: func(tx *store.Tx, jobs []cloud.Job) error {
			tx.OnCommit(func() {
				r.mu.Lock()
				defer r.mu.Unlock()
				for i := range jobs {
					r.ended[jobs[i].ID]++
				}
			})
			return nil
		},
		Script: func(_ *store.Tx, id cloud.ScriptID) (*wire.Script, error) {
			return nil, cloud.Errorf(cloud.NotFound, "there is no script %s", id)
		},
		StoreLog:  func(context.Context, wire.LogChunk) error { return nil },
		LogStored: func(wire.LogChunk) {},
		Trust:     []string{"key"},
	}
	r.update(func(tx *store.Tx) error { return tx.CreateLocation(&cloud.Location{ID: here, Name: "here"}) })
	r.restart()
	return r
}

const here, elsewhere = cloud.LocationID("here"), cloud.LocationID("elsewhere")

// restart puts a new controller on the store; the old one is as if killed.
func (r *rig) restart() {
	r.Queue = NewQueue(r.db, cloud.NewID[cloud.ControllerID](), slog.New(slog.DiscardHandler), r.hooks)
}

func (r *rig) update(fn func(tx *store.Tx) error) {
	r.t.Helper()
	if err := r.db.Update(context.Background(), fn); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) add(jobs ...*cloud.Job) {
	r.t.Helper()
	r.update(func(tx *store.Tx) error { return r.Add(tx, jobs...) })
}

// stored returns the job as the store has it.
func (r *rig) stored(j *cloud.Job) *cloud.Job {
	r.t.Helper()
	var got *cloud.Job
	err := r.db.View(context.Background(), func(tx *store.Tx) (err error) { got, err = tx.Job(j.ID); return err })
	if err != nil {
		r.t.Fatal(err)
	}
	return got
}

func (r *rig) want(j *cloud.Job, state cloud.JobState) *cloud.Job {
	r.t.Helper()
	got := r.stored(j)
	if got.State != state {
		r.t.Fatalf("job is %s (%s), want %s", got.State, got.Error, state)
	}
	return got
}

// waiter is the connection of one exchange. It notices a second call.
type waiter struct {
	t     testing.TB
	calls atomic.Int32
	done  chan struct{}
	got   *wire.Answer // nil after Drop
}

func (w *waiter) Answer(a *wire.Answer) { w.end(a) }
func (w *waiter) Drop()                 { w.end(nil) }

func (w *waiter) end(a *wire.Answer) {
	if w.calls.Add(1) > 1 {
		w.t.Error("an exchange was answered twice")
		return
	}
	w.got = a
	close(w.done)
}

func (w *waiter) held() bool { return w.calls.Load() == 0 }

// answer waits for the answer and fails the test if there is none soon, sooner
// than the loops that repair things would make one.
func (w *waiter) answer() *wire.Answer {
	w.t.Helper()
	select {
	case <-w.done:
	case <-time.After(5 * time.Second):
		w.t.Fatal("the exchange was not answered within 5 s")
	}
	return w.got
}

// agent is a node's agent that does what the test says.
type agent struct {
	r       *rig
	peer    Peer
	session string
	number  int64
	answer  int64
	running map[wire.JobRef]bool
	room    int
	free    map[string]int
}

func (r *rig) agent(roles ...cloud.Role) *agent {
	r.t.Helper()
	id := cloud.NewID[cloud.NodeID]()
	a := &agent{
		r: r, peer: Peer{Node: id, Roles: roles, Location: here}, session: string(cloud.NewID[cloud.SessionID]()),
		running: map[wire.JobRef]bool{}, room: 1000, free: map[string]int{"*": 2},
	}
	n := &cloud.Node{ID: id, Name: "n-" + string(id), LocationID: here, Roles: roles, State: cloud.NodeOnline, CPUOvercommit: 100, LastSeenAt: cloud.Now()}
	r.update(func(tx *store.Tx) error { return tx.CreateNode(n) })
	return a
}

// takes has the agent take n more jobs bound to its node, and no more.
func (a *agent) takes(n int) { a.room, a.free = n, map[string]int{"*": n} }

// next makes the next exchange.
func (a *agent) next(results ...wire.Result) *wire.Exchange {
	a.number++
	x := &wire.Exchange{Version: 1, Session: a.session, Number: a.number, Answer: a.answer, Results: results, Room: a.room, Free: maps.Clone(a.free)}
	for _, res := range results {
		delete(a.running, res.JobRef)
	}
	for ref := range a.running {
		x.Running = append(x.Running, ref)
	}
	return x
}

func (a *agent) send(x *wire.Exchange) *waiter {
	a.r.t.Helper()
	w := &waiter{t: a.r.t, done: make(chan struct{})}
	if err := a.r.Exchange(context.Background(), a.peer, x, w); err != nil {
		a.r.t.Fatalf("exchange: %v", err)
	}
	return w
}

func (a *agent) say(results ...wire.Result) *waiter {
	a.r.t.Helper()
	return a.send(a.next(results...))
}

// take notes an answer as received.
func (a *agent) take(w *waiter) *wire.Answer {
	a.r.t.Helper()
	got := w.answer()
	if got == nil {
		a.r.t.Fatal("the exchange was dropped, not answered")
	}
	a.answer = got.Number
	for i := range got.Jobs {
		a.running[got.Jobs[i].JobRef] = true
	}
	return got
}

// ask says nothing and takes what comes.
func (a *agent) ask() *wire.Answer {
	a.r.t.Helper()
	return a.take(a.say())
}

func ok(ref wire.JobRef) wire.Result {
	return wire.Result{JobRef: ref, State: cloud.JobSucceeded, StartedAt: cloud.Now()}
}

func oks(jobs []wire.Job) []wire.Result {
	out := make([]wire.Result, len(jobs))
	for i := range jobs {
		out[i] = ok(jobs[i].JobRef)
	}
	return out
}

func (a *agent) job() *cloud.Job {
	return &cloud.Job{ID: cloud.NewID[cloud.JobID](), Action: cloud.ActionNoop, TargetNode: a.peer.Node}
}

func roleJob(role cloud.Role) *cloud.Job {
	return &cloud.Job{ID: cloud.NewID[cloud.JobID](), Action: cloud.ActionNoop, TargetRole: role}
}

func refs(jobs []wire.Job) []cloud.JobID {
	out := make([]cloud.JobID, len(jobs))
	for i := range jobs {
		out[i] = jobs[i].ID
	}
	return out
}

// until waits for a state that another goroutine makes.
func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}
