package op

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/job"
	"atoll/internal/store"
)

// DefaultLease is how long a controller's lease on its operations holds without
// being renewed.
const DefaultLease = 10 * time.Second

const (
	// waitCheck is how often a waiting step is called without a signal, for
	// signals that were lost.
	waitCheck = 15 * time.Second
	workers   = 8
)

// Engine runs the operations of one controller. It is safe for concurrent use.
type Engine struct {
	db   *store.DB
	jobs *job.Queue
	me   cloud.ControllerID
	log  *slog.Logger
	defs map[string]*Definition
	// Lease is set before Run. It is renewed six times as often, and as often those
	// of dead controllers are looked for.
	Lease time.Duration
	// Inject is for tests of faults: it is asked before and after each step, with
	// the step's name behind "do " or "undo "; an error stands for the step's,
	// ErrWait has the step called again (after it: although it was done), and
	// ErrCrash stands for a controller that dies there.
	Inject func(op *cloud.Operation, when string) error
	dead   atomic.Bool // ErrCrash came

	mu      sync.Mutex
	epochs  map[cloud.OperationID]int64
	ready   chan cloud.OperationID
	state   map[cloud.OperationID]int // 1 waits or runs, 2 runs and was signalled again
	failed  []cloud.OperationID       // to be tried again with the next look
	waiters job.Waiters[cloud.OperationID]
	// Event is called in the transaction that starts or ends an operation.
	Event func(tx *store.Tx, op *cloud.Operation) error
	// Changed is called when a transaction has ended that wrote the operation,
	// whether it was committed or not: that may be unknown.
	Changed func(id cloud.OperationID)
}

// ErrCrash is what Inject returns to make the engine do nothing more and leave
// its operations as if its controller had died.
var ErrCrash = errors.New("the controller dies here")

// NewEngine returns an engine; Define the kinds, then Run it.
func NewEngine(db *store.DB, jobs *job.Queue, me cloud.ControllerID, log *slog.Logger) *Engine {
	return &Engine{
		db: db, jobs: jobs, me: me, log: log,
		Lease:  DefaultLease,
		defs:   map[string]*Definition{},
		epochs: map[cloud.OperationID]int64{},
		ready:  make(chan cloud.OperationID, 1024),
		state:  map[cloud.OperationID]int{},
		Event:  func(*store.Tx, *cloud.Operation) error { return nil },

		Changed: func(cloud.OperationID) {},
	}
}

// Define adds a kind of operation.
func (e *Engine) Define(d Definition) { e.defs[d.Kind] = &d }

// Controller returns whose engine it is.
func (e *Engine) Controller() cloud.ControllerID { return e.me }

// Definitions returns all kinds, for tests that go through each.
func (e *Engine) Definitions() map[string]*Definition { return e.defs }

// Start records a new operation in the caller's transaction, beside the object
// that it changes; its first step runs after the commit. The caller has set
// Kind, the subject and Input.
func (e *Engine) Start(tx *store.Tx, o *cloud.Operation) error {
	d := e.defs[o.Kind]
	if d == nil {
		return cloud.Errorf(cloud.Internal, "no operation kind %q is defined", o.Kind)
	}
	now, err := tx.Now()
	if err != nil {
		return err
	}
	if o.ID == "" {
		o.ID = cloud.NewID[cloud.OperationID]()
	}
	o.State, o.Steps = cloud.OperationRunning, int64(len(d.Steps))
	o.StepName = d.Steps[0].Name
	o.Owner, o.Epoch, o.LeaseUntil = e.me, 1, now.Add(e.Lease)
	o.Deadline = now.Add(d.Limit)
	if err := tx.CreateOperation(o); err != nil {
		return err
	}
	if err := e.Event(tx, o); err != nil {
		return err
	}
	id := o.ID
	e.changed(tx, id)
	tx.OnCommit(func() {
		e.mu.Lock()
		e.epochs[id] = 1
		e.mu.Unlock()
		e.Signal(id)
	})
	return nil
}

func (e *Engine) changed(tx *store.Tx, id cloud.OperationID) {
	tx.OnEnd(func(store.End) { e.Changed(id) })
}

// Cancel asks a live operation to stop and undo itself.
func (e *Engine) Cancel(tx *store.Tx, id cloud.OperationID) error {
	asked, err := tx.CancelOperation(id)
	if err != nil {
		return err
	}
	if !asked {
		o, err := tx.Operation(id)
		if err != nil {
			return err
		}
		return cloud.StateErrorf(string(o.State), "operation %s is %s and cannot be canceled", id, o.State)
	}
	tx.Notify()
	e.changed(tx, id)
	tx.OnCommit(func() { e.Signal(id) })
	return nil
}

// Retry starts a failed or canceled operation again, as a new one.
func (e *Engine) Retry(tx *store.Tx, id cloud.OperationID, by, request string) (*cloud.Operation, error) {
	old, err := tx.Operation(id)
	if err != nil {
		return nil, err
	}
	d := e.defs[old.Kind]
	if old.State != cloud.OperationFailed && old.State != cloud.OperationCanceled {
		return nil, cloud.StateErrorf(string(old.State), "operation %s is %s; only a failed or canceled one can be retried", id, old.State)
	}
	if d == nil || d.Retry == nil {
		return nil, cloud.StateErrorf(string(old.State), "operation %s (%s) cannot be retried; ask for the change again", id, old.Kind)
	}
	o := &cloud.Operation{
		ID: cloud.NewID[cloud.OperationID](), Kind: old.Kind, AccountID: old.AccountID, CloudspaceID: old.CloudspaceID, ProjectID: old.ProjectID,
		SubjectKind: old.SubjectKind, SubjectID: old.SubjectID, SubjectName: old.SubjectName,
		Input: old.Input, RetryOf: old.ID, CreatedBy: by, RequestID: request,
	}
	if err := d.Retry(&Scope{Tx: tx, Op: o, jobs: e.jobs}); err != nil {
		return nil, err
	}
	return o, e.Start(tx, o)
}

// Signal has the operation looked at soon.
func (e *Engine) Signal(id cloud.OperationID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, mine := e.epochs[id]; !mine {
		return
	}
	e.state[id]++
	if e.state[id] > 1 {
		e.state[id] = 2
		return
	}
	select {
	case e.ready <- id:
	default: // the queue is full: the next look at waiting operations takes it
		delete(e.state, id)
	}
}

// Wait returns the operation when it has ended, or as it is when ctx ends first.
func (e *Engine) Wait(ctx context.Context, id cloud.OperationID) (*cloud.Operation, error) {
	for {
		o, err := e.waitOnce(ctx, id)
		if err != nil || !o.State.Live() || ctx.Err() != nil {
			return o, err
		}
	}
}

func (e *Engine) waitOnce(ctx context.Context, id cloud.OperationID) (o *cloud.Operation, err error) {
	ended, forget := e.waiters.Add(id)
	defer forget()
	err = e.db.View(context.WithoutCancel(ctx), func(tx *store.Tx) (err error) { o, err = tx.Operation(id); return err })
	if err != nil || !o.State.Live() {
		return o, err
	}
	select {
	case <-ended:
	case <-ctx.Done():
	case <-time.After(time.Second): // another controller may run it
	}
	return o, nil
}

func (e *Engine) ended(id cloud.OperationID) {
	e.mu.Lock()
	delete(e.epochs, id)
	e.mu.Unlock()
	e.waiters.End(id)
}

// Run runs operations until ctx ends, then gives the leases back.
func (e *Engine) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() { e.work(ctx) })
	}
	tick := time.NewTicker(min(time.Second, e.Lease/6))
	defer tick.Stop()
	last := time.Time{}
	for ctx.Err() == nil {
		if e.dead.Load() {
			break
		}
		if time.Since(last) >= e.Lease/6 {
			last = time.Now()
			if err := e.claim(ctx); err != nil && ctx.Err() == nil {
				e.log.Error("claim operations", "err", err)
			}
		}
		if err := e.Look(ctx); err != nil && ctx.Err() == nil {
			e.log.Error("wake operations", "err", err)
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	wg.Wait()
	if e.dead.Load() {
		return nil
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return e.db.Update(end, func(tx *store.Tx) error { return tx.ReleaseOperations(e.me) })
}

// claim renews this controller's leases and takes over what has none.
func (e *Engine) claim(ctx context.Context) error {
	var got []store.OperationLease
	err := e.db.Update(ctx, func(tx *store.Tx) error {
		now, err := tx.Now()
		if err != nil {
			return err
		}
		if err := tx.RenewOperations(e.me, now.Add(e.Lease)); err != nil {
			return err
		}
		if _, err = tx.ClaimOperations(e.me, now, now.Add(e.Lease), 200); err != nil {
			return err
		}
		got, err = tx.OwnedOperations(e.me)
		return err
	})
	if err != nil {
		return err
	}
	// Besides what was claimed now, this takes what is ours and was never heard of,
	// because the answer to its commit was lost.
	for _, o := range got {
		e.mu.Lock()
		fresh := e.epochs[o.ID] != o.Epoch
		e.epochs[o.ID] = o.Epoch
		e.mu.Unlock()
		if fresh {
			e.Signal(o.ID)
		}
	}
	return nil
}

// again has the operation tried with the next look if the store was away. After
// another error, a defect of ours, it is looked at when nothing was heard of it for
// a while.
func (e *Engine) again(id cloud.OperationID, err error) {
	if !store.Broken(err) && !cloud.Is(err, cloud.Unavailable) {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.failed = append(e.failed, id)
}

// Look signals the operations whose time has come, that another controller woke or
// canceled, or that could not go on for want of the store.
func (e *Engine) Look(ctx context.Context) error {
	e.mu.Lock()
	failed := e.failed
	e.failed = nil
	e.mu.Unlock()
	for _, id := range failed {
		e.Signal(id)
	}
	var due []cloud.OperationID
	err := e.db.View(ctx, func(tx *store.Tx) error {
		now, err := tx.Now()
		if err != nil {
			return err
		}
		due, err = tx.OperationsToWake(e.me, now)
		return err
	})
	for _, id := range due {
		e.Signal(id)
	}
	return err
}

func (e *Engine) work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case id := <-e.ready:
			e.advance(ctx, id)
			e.mu.Lock()
			again := e.state[id] > 1
			delete(e.state, id)
			e.mu.Unlock()
			if again {
				e.Signal(id)
			}
		}
	}
}
