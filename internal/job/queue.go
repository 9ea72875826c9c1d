// Package job hands jobs to agents. The store is the truth; in front of it this
// package keeps, for each lane (a node's or a role's queue), the next jobs in
// memory, so that a committed job goes to a waiting agent at once.
//
// It must never decide who may run what, nor what a job's end means: control and
// op do. It must never hold work that is not in the store.
package job

import (
	"context"
	"encoding/json"
	"iter"
	"log/slog"
	"slices"
	"sync"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/wire"
)

// Hooks are what the queue calls in others. All are set before Run.
type Hooks struct {
	// Finished is called inside each transaction that ends jobs.
	Finished func(tx *store.Tx, jobs []cloud.Job) error
	// Script names the scripts of jobs that are handed over.
	Script func(tx *store.Tx, id cloud.ScriptID) (*wire.Script, error)
	// Args completes the arguments of a job that is handed over by what its row
	// must not hold, since people read it; nil leaves all as they are.
	Args func(tx *store.Tx, j *cloud.Job) (json.RawMessage, error)
	// StoreLog keeps a chunk of output; it may be called twice for one chunk.
	StoreLog func(ctx context.Context, c wire.LogChunk) error
	// Trust is the keys that sign scripts, told to each agent once.
	Trust []string
	// LogStored tells live readers that a chunk is there.
	LogStored func(c wire.LogChunk)
	// Changed is called when a transaction has ended that gave jobs another state,
	// whether it was committed or not: that may be unknown. It gets each job's id
	// and whether it is known to be bare: to have no key, no operation and no
	// subject, and so no account.
	Changed func(jobs iter.Seq2[cloud.JobID, bool])
}

// Queue is the dispatcher of one controller. It is safe for concurrent use.
type Queue struct {
	// Hold is how long an exchange is held at most; set before Run. Agents count
	// on no more than wire.HoldSeconds.
	Hold time.Duration
	beat time.Duration // the unit of all that is done with time; see SetOffline

	db    *store.DB
	me    cloud.ControllerID
	log   *slog.Logger
	hooks Hooks

	mu        sync.Mutex
	lanes     map[string]*lane
	keys      map[string]map[*lane]bool // the lanes in which jobs wait for the key
	keysFreed uint64                    // how often a key became free
	sessions  map[cloud.NodeID]*session
	loans     map[*loan]bool
	seen      map[cloud.NodeID]cloud.Time // heard since the last flush
	asked     map[wire.JobRef]bool        // cancels of others that the sessions were told
	waiters   Waiters[cloud.JobID]
	ear       Ear // expire's
	pumps     sync.WaitGroup
	closed    bool
}

// NewQueue returns a queue over the store; call Run to start it.
func NewQueue(db *store.DB, me cloud.ControllerID, log *slog.Logger, hooks Hooks) *Queue {
	return &Queue{
		Hold: wire.HoldSeconds * time.Second, beat: time.Second,
		db: db, me: me, log: log, hooks: hooks,
		lanes:    map[string]*lane{},
		keys:     map[string]map[*lane]bool{},
		sessions: map[cloud.NodeID]*session{},
		loans:    map[*loan]bool{},
		seen:     map[cloud.NodeID]cloud.Time{},
	}
}

// SetOffline says how long a node may be silent before it counts as offline,
// instead of cloud.NodeOfflineAfter; before Run. All other times for silent nodes
// are in proportion to it.
func (q *Queue) SetOffline(d time.Duration) {
	q.beat = d / (cloud.NodeOfflineAfter / time.Second)
	q.Hold = min(wire.HoldSeconds*q.beat, wire.HoldSeconds*time.Second)
}

// Run keeps the queue until ctx ends: it answers exchanges that were held long
// enough, records which nodes were heard and frees jobs of silent nodes.
func (q *Queue) Run(ctx context.Context) error {
	tick := time.NewTicker(q.beat)
	defer tick.Stop()
	defer q.Close()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		q.answerOld(time.Now())
		if n%5 == 0 {
			q.flushSeen(ctx)
		}
		if n%60 == 0 {
			q.sweep(cloud.Now().Add(-gone * q.beat))
		}
		if n%10 == 0 {
			q.unblockAll()
			if err := q.expire(ctx); err != nil && ctx.Err() == nil {
				q.log.Error("free jobs of silent nodes", "err", err)
			}
		}
	}
}

// Close ends every held exchange and holds none from then on, so that agents turn
// to another controller. It may be called twice.
func (q *Queue) Close() {
	q.mu.Lock()
	for _, s := range q.sessions {
		if w := s.wait; w != nil && !q.closed {
			s.wait = nil
			q.pumps.Go(w.Drop) // one that is slow to write must not keep the others waiting
		}
	}
	q.closed = true
	q.mu.Unlock()
	q.pumps.Wait()
}

// Add inserts jobs in the caller's transaction; they are handed out once it is
// committed. A job with Supersede cancels the queued ones of its key.
func (q *Queue) Add(tx *store.Tx, jobs ...*cloud.Job) error {
	rest := jobs
	for i, j := range jobs {
		if j.ID == "" {
			j.ID = cloud.NewID[cloud.JobID]()
		}
		j.State, j.NodeID, j.Token, j.Attempt = "", "", 0, 0 // a transaction may be run again
		j.Normalise()
		if err := j.Validate(); err != nil {
			return err
		}
		if !j.Supersede || j.Key == "" {
			continue
		}
		// Those before it in the same call may be what it supersedes.
		before := rest[:len(rest)-(len(jobs)-i)]
		if err := tx.InsertJobs(before); err != nil {
			return err
		}
		rest = rest[len(before):]
		if err := q.supersede(tx, j); err != nil {
			return err
		}
	}
	if err := q.lend(tx, rest); err != nil {
		return err
	}
	if err := tx.InsertJobs(rest); err != nil {
		return err
	}
	q.changed(tx, changes(jobs))
	queued := slices.DeleteFunc(slices.Clone(jobs), func(j *cloud.Job) bool { return j.State != cloud.JobQueued })
	if len(queued) > 0 {
		tx.Notify()
		tx.OnCommit(func() { q.push(queued) })
	}
	return nil
}

func (q *Queue) supersede(tx *store.Tx, newer *cloud.Job) error {
	older, err := tx.QueuedWithKey(newer.Key)
	if err != nil {
		return err
	}
	for i := range older {
		if _, err := q.cancelQueued(tx, &older[i], "superseded by job "+string(newer.ID)); err != nil {
			return err
		}
	}
	return nil
}

// Cancel ends a queued job at once and asks the agent of a held one to end it.
// A finished job is a Conflict.
func (q *Queue) Cancel(tx *store.Tx, id cloud.JobID, why string) error {
	for {
		j, err := tx.Job(id)
		if err != nil {
			return err
		}
		if j.State.Final() {
			return cloud.StateErrorf(string(j.State), "job %s has ended already (%s)", id, j.State)
		}
		done := false
		if j.State == cloud.JobQueued {
			done, err = q.cancelQueued(tx, j, why)
		} else {
			done, err = q.cancelHeld(tx, j)
		}
		if done || err != nil {
			return err
		}
		// On PostgreSQL another transaction took it on between the two statements.
	}
}

func (q *Queue) cancelQueued(tx *store.Tx, j *cloud.Job, why string) (bool, error) {
	ok, err := tx.CancelQueued(j.ID, cloud.JobCanceled, why)
	if err != nil || !ok {
		return false, err
	}
	j.State, j.Error = cloud.JobCanceled, why
	return true, q.finished(tx, []cloud.Job{*j})
}

func (q *Queue) cancelHeld(tx *store.Tx, j *cloud.Job) (bool, error) {
	ok, err := tx.AskCancel(j.ID)
	if err != nil || !ok {
		return false, err
	}
	tx.Notify()
	q.changed(tx, changes([]*cloud.Job{j}))
	tx.OnCommit(func() { q.tellCancel(j.NodeID, wire.JobRef{ID: j.ID, Token: j.Token}) })
	return true, nil
}

func (q *Queue) tellCancel(node cloud.NodeID, ref wire.JobRef) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if s := q.sessions[node]; s != nil {
		s.cancels = append(s.cancels, ref)
		q.wake(s)
	}
}

// OpenStream asks the node's agent to open a stream. Unavailable if this
// controller does not hold the agent.
func (q *Queue) OpenStream(node cloud.NodeID, open wire.StreamOpen) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.sessions[node]
	if s == nil {
		return cloud.Errorf(cloud.Unavailable, "the agent of node %s is not connected to this controller", node)
	}
	s.streams = append(s.streams, open)
	q.wake(s)
	return nil
}

// Resend asks the node's agent for its facts and inventory, if this controller
// holds it.
func (q *Queue) Resend(node cloud.NodeID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if s := q.sessions[node]; s != nil {
		s.resend = true
		q.wake(s)
	}
}

// finished is called inside each transaction that ends jobs.
func (q *Queue) finished(tx *store.Tx, done []cloud.Job) error {
	if len(done) == 0 {
		return nil
	}
	if err := q.hooks.Finished(tx, done); err != nil {
		return err
	}
	q.changed(tx, func(yield func(cloud.JobID, bool) bool) {
		for i := range done {
			if !yield(done[i].ID, bare(&done[i])) {
				return
			}
		}
	})
	if slices.ContainsFunc(done, func(j cloud.Job) bool { return j.Key != "" }) {
		tx.Notify() // other controllers may have jobs that wait for the key
	}
	tx.OnCommit(func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		for i := range done {
			q.waiters.End(done[i].ID)
			q.freeKey(done[i].Key)
		}
	})
	return nil
}

// recheck is how often Wait looks at the store for what other controllers did.
const recheck = time.Second

// Wait returns the job when it has ended, or as it is when ctx ends first.
func (q *Queue) Wait(ctx context.Context, id cloud.JobID) (*cloud.Job, error) {
	ended, forget := q.Ended(id)
	defer forget()
	j, err := q.read(ctx, id)
	if err != nil || j.State.Final() || ctx.Err() != nil {
		return j, err
	}
	return q.Await(ctx, id, ended)
}

// Ended returns a channel for Await, and the function that gives it back.
func (q *Queue) Ended(id cloud.JobID) (ended <-chan struct{}, forget func()) {
	return q.waiters.Add(id)
}

// Await is Wait for who asked for the channel before the job was made: it cannot
// have ended unseen, and is read only when it has ended.
func (q *Queue) Await(ctx context.Context, id cloud.JobID, ended <-chan struct{}) (*cloud.Job, error) {
	tick := time.NewTicker(recheck)
	defer tick.Stop()
	for {
		select {
		case <-ended:
		case <-ctx.Done():
		case <-tick.C:
		}
		j, err := q.read(ctx, id)
		if err != nil || j.State.Final() || ctx.Err() != nil {
			return j, err
		}
	}
}

// read returns the job also when the ctx of a wait has ended.
func (q *Queue) read(ctx context.Context, id cloud.JobID) (j *cloud.Job, err error) {
	err = q.db.View(context.WithoutCancel(ctx), func(tx *store.Tx) (err error) { j, err = tx.Job(id); return err })
	return j, err
}

func (q *Queue) flushSeen(ctx context.Context) {
	q.mu.Lock()
	seen := q.seen
	q.seen = map[cloud.NodeID]cloud.Time{}
	q.mu.Unlock()
	if len(seen) == 0 {
		return
	}
	err := q.db.Update(ctx, func(tx *store.Tx) error {
		now, err := tx.Now() // who is silent is decided by the database's clock
		if err != nil {
			return err
		}
		ahead := now.Sub(cloud.Now())
		for id, at := range seen {
			if err := tx.TouchNode(id, at.Add(ahead)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil && ctx.Err() == nil {
		q.log.Error("record which nodes were heard", "err", err)
	}
}
