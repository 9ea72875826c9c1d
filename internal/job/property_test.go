package job

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/wire"
)

// world is agents and submitters that do what may happen to them, in any order.
type world struct {
	t      *testing.T
	r      *rig
	queue  atomic.Pointer[Queue]
	agents []*agent

	mu      sync.Mutex
	jobs    map[cloud.JobID]*cloud.Job
	started map[cloud.JobID]int
	leases  map[wire.JobRef]bool // that were started
	busy    map[string]cloud.JobID
	waits   []*waiter
}

// TestRaces runs agents that drop answers, die, start anew and use two
// connections against submitters and cancels, over controllers that are
// replaced. At the end each job has ended once; those that must not start twice
// did not; no two jobs of a key ran together; each exchange had one end.
func TestRaces(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		w := &world{
			t: t, r: r, jobs: map[cloud.JobID]*cloud.Job{}, started: map[cloud.JobID]int{},
			leases: map[wire.JobRef]bool{}, busy: map[string]cloud.JobID{},
		}
		w.queue.Store(r.Queue)
		for range 4 {
			w.agents = append(w.agents, r.agent(cloud.RoleRunner))
		}
		var live sync.WaitGroup
		stop := make(chan struct{})
		for i, a := range w.agents {
			live.Go(func() { w.live(a, rand.New(rand.NewPCG(seed, uint64(i))), stop) })
		}
		var load sync.WaitGroup
		for i := range 3 {
			load.Go(func() { w.submit(rand.New(rand.NewPCG(seed, uint64(100+i)))) })
		}
		load.Go(func() {
			for range 3 {
				q := w.queue.Load()
				next := NewQueue(r.db, q.me, q.log, q.hooks)
				time.Sleep(150 * time.Millisecond) // the load goes on meanwhile
				q.Close()
				w.queue.Store(next)
			}
		})
		load.Wait()
		deadline := time.Now().Add(60 * time.Second)
		for left := w.left(); len(left) > 0; left = w.left() {
			if time.Now().After(deadline) {
				t.Fatalf("seed %d: %d jobs have not ended: %+v", seed, len(left), left[0])
			}
			time.Sleep(5 * time.Millisecond) // between two looks at the state
		}
		close(stop)
		w.queue.Load().Close()
		live.Wait()
		w.check(seed)
	})
}

func (w *world) submit(rnd *rand.Rand) {
	for range 25 {
		batch := make([]*cloud.Job, 1+rnd.IntN(20))
		for i := range batch {
			j := w.agents[rnd.IntN(len(w.agents))].job()
			if rnd.IntN(3) == 0 {
				j = roleJob(cloud.RoleRunner)
			}
			if rnd.IntN(3) == 0 {
				j.Key = fmt.Sprint("key-", rnd.IntN(4))
				j.Supersede = rnd.IntN(8) == 0
			}
			if rnd.IntN(2) == 0 {
				j.Idempotent, j.MaxAttempts = true, 50
			}
			j.Priority = int64(rnd.IntN(3))
			batch[i] = j
		}
		q := w.queue.Load()
		w.mu.Lock()
		for _, j := range batch {
			w.jobs[j.ID] = j
		}
		w.mu.Unlock()
		for {
			err := w.r.db.Update(context.Background(), func(tx *store.Tx) error { return q.Add(tx, batch...) })
			if err == nil {
				break
			}
			if !cloud.Is(err, cloud.Conflict) { // serialisation of superseding ones on PostgreSQL
				w.t.Errorf("add: %v", err)
				return
			}
		}
		w.notify(q)
		if rnd.IntN(3) == 0 {
			id := batch[rnd.IntN(len(batch))].ID
			q := w.queue.Load()
			err := w.r.db.Update(context.Background(), func(tx *store.Tx) error { return q.Cancel(tx, id, "test") })
			if err != nil && !cloud.Is(err, cloud.Conflict) {
				w.t.Errorf("cancel: %v", err)
			}
		}
	}
}

// notify tells the controller that replaced q, if one did, that q committed
// something, as the database does.
func (w *world) notify(q *Queue) {
	if now := w.queue.Load(); now != q {
		if err := now.Reload(context.Background()); err != nil {
			w.t.Errorf("reload: %v", err)
		}
	}
}

// live is the life of one agent.
func (w *world) live(a *agent, rnd *rand.Rand, stop chan struct{}) {
	var pending []wire.Result
	done := map[wire.JobRef]bool{} // the journal
	for {
		select {
		case <-stop:
			return
		default:
		}
		a.room, a.free = 1+rnd.IntN(30), map[string]int{"*": rnd.IntN(5)}
		x := a.next()
		x.Results = pending
		held := x.Running[:0]
		for _, ref := range x.Running {
			if !done[ref] {
				held = append(held, ref)
			}
		}
		x.Running = held
		c := &waiter{t: w.t, done: make(chan struct{})}
		q := w.queue.Load()
		err := q.Exchange(context.Background(), a.peer, x, c)
		w.notify(q)
		if err != nil {
			if !cloud.Is(err, cloud.Unavailable) {
				w.t.Errorf("exchange: %v", err)
			}
			continue
		}
		w.mu.Lock()
		w.waits = append(w.waits, c)
		w.mu.Unlock()
		pending = nil
		canceled := map[wire.JobRef]bool{}
		select {
		case <-c.done:
			if c.got != nil && rnd.IntN(6) > 0 { // else the answer is lost
				w.take(a, c.got, done, canceled)
			}
		case <-time.After(time.Duration(1+rnd.IntN(30)) * time.Millisecond): // it has something to say and replaces it
		}
		for ref := range a.running {
			if rnd.IntN(3) == 0 && !canceled[ref] {
				continue // it takes longer
			}
			res := ok(ref)
			if canceled[ref] {
				res.State = cloud.JobCanceled
			}
			w.end(ref)
			done[ref] = true
			delete(a.running, ref)
			pending = append(pending, res)
		}
		if rnd.IntN(15) == 0 { // it dies: what ran is gone, the journal stays
			for ref := range a.running {
				w.end(ref)
				done[ref] = true
				pending = append(pending, wire.Result{JobRef: ref, State: cloud.JobLost})
			}
			a.restartAgent()
		}
	}
}

func (w *world) take(a *agent, got *wire.Answer, done, canceled map[wire.JobRef]bool) {
	a.answer = got.Number
	for _, ref := range got.Cancel {
		canceled[ref] = true
	}
	for i := range got.Jobs {
		if ref := got.Jobs[i].JobRef; !a.running[ref] && !done[ref] {
			a.running[ref] = true
			w.start(ref)
		}
	}
}

func (w *world) start(ref wire.JobRef) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.started[ref.ID]++
	if w.leases[ref] {
		w.t.Errorf("lease %v was started twice", ref)
	}
	w.leases[ref] = true
	j := w.jobs[ref.ID]
	if j.Key == "" {
		return
	}
	if other := w.busy[j.Key]; other != "" {
		w.t.Errorf("jobs %s and %s of %s run together", other, j.ID, j.Key)
	}
	w.busy[j.Key] = j.ID
}

func (w *world) end(ref wire.JobRef) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if key := w.jobs[ref.ID].Key; key != "" {
		delete(w.busy, key)
	}
}

// left are the jobs that have not ended.
func (w *world) left() []cloud.Job {
	var out []cloud.Job
	err := w.r.db.View(context.Background(), func(tx *store.Tx) error {
		list, _, err := tx.Jobs(store.Query{
			Limit: 10, Visible: store.Everything,
			Filter: []string{"state!=succeeded", "state!=canceled", "state!=failed", "state!=lost", "state!=timed_out"},
		})
		out = list
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func (w *world) check(seed uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.r.mu.Lock()
	defer w.r.mu.Unlock()
	n := 0
	for id, j := range w.jobs {
		now := w.r.stored(j)
		if !now.State.Final() || w.r.ended[id] != 1 {
			w.t.Errorf("job %s is %s and its end was told %d times", id, now.State, w.r.ended[id])
		}
		if !j.Idempotent && w.started[id] > 1 {
			w.t.Errorf("job %s was started %d times", id, w.started[id])
		}
		if w.started[id] > 0 {
			n++
		}
	}
	for _, c := range w.waits {
		if c.calls.Load() != 1 {
			w.t.Errorf("an exchange had %d ends", c.calls.Load())
		}
	}
	w.t.Logf("seed %d: %d jobs, %d started, %d exchanges", seed, len(w.jobs), n, len(w.waits))
}
