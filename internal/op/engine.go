package op

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/job"
	"atoll/internal/store"
)

// The lease of a controller on its operations, and how often it is renewed and
// those of dead controllers are looked for.
const (
	leaseTTL   = 30 * time.Second
	leaseEvery = 5 * time.Second
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
	waiters job.Waiters[cloud.OperationID]
	// Event is called in the transaction that starts or ends an operation.
	Event func(tx *store.Tx, op *cloud.Operation) error
}

// ErrCrash is what Inject returns to make the engine do nothing more and leave
// its operations as if its controller had died.
var ErrCrash = errors.New("the controller dies here")

// NewEngine returns an engine; Define the kinds, then Run it.
func NewEngine(db *store.DB, jobs *job.Queue, me cloud.ControllerID, log *slog.Logger) *Engine {
	return &Engine{
		db: db, jobs: jobs, me: me, log: log,
		defs:   map[string]*Definition{},
		epochs: map[cloud.OperationID]int64{},
		ready:  make(chan cloud.OperationID, 1024),
		state:  map[cloud.OperationID]int{},
		Event:  func(*store.Tx, *cloud.Operation) error { return nil },
	}
}

// Define adds a kind of operation.
func (e *Engine) Define(d Definition) { e.defs[d.Kind] = &d }

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
	o.Owner, o.Epoch, o.LeaseUntil = e.me, 1, now.Add(leaseTTL)
	o.Deadline = now.Add(d.Limit)
	if err := tx.CreateOperation(o); err != nil {
		return err
	}
	if err := e.Event(tx, o); err != nil {
		return err
	}
	id := o.ID
	tx.OnCommit(func() {
		e.mu.Lock()
		e.epochs[id] = 1
		e.mu.Unlock()
		e.Signal(id)
	})
	return nil
}

// Cancel asks a live operation to stop and undo itself.
func (e *Engine) Cancel(tx *store.Tx, id cloud.OperationID) error {
	o, err := tx.Operation(id)
	if err != nil {
		return err
	}
	if o.State != cloud.OperationRunning {
		return cloud.StateErrorf(string(o.State), "operation %s is %s and cannot be canceled", id, o.State)
	}
	o.CancelAsked = true
	if err := tx.UpdateOperation(o); err != nil {
		return err
	}
	tx.Notify()
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
		ID: cloud.NewID[cloud.OperationID](), Kind: old.Kind, AccountID: old.AccountID, CloudspaceID: old.CloudspaceID,
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
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	last := time.Time{}
	for ctx.Err() == nil {
		if e.dead.Load() {
			break
		}
		if time.Since(last) >= leaseEvery {
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
	var got []cloud.Operation
	err := e.db.Update(ctx, func(tx *store.Tx) error {
		now, err := tx.Now()
		if err != nil {
			return err
		}
		if err := tx.RenewOperations(e.me, now.Add(leaseTTL)); err != nil {
			return err
		}
		got, err = tx.ClaimOperations(e.me, now, now.Add(leaseTTL), 200)
		return err
	})
	if err != nil {
		return err
	}
	e.mu.Lock()
	for i := range got {
		e.epochs[got[i].ID] = got[i].Epoch
	}
	e.mu.Unlock()
	for i := range got {
		e.Signal(got[i].ID)
	}
	return nil
}

// Look signals the operations whose time has come, or that another controller
// woke or canceled.
func (e *Engine) Look(ctx context.Context) error {
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

// stepError is a step's failure, apart from a failure of the store.
type stepError struct{ err error }

func (s stepError) Error() string { return s.err.Error() }

// advance takes the operation on until it waits or ends.
func (e *Engine) advance(ctx context.Context, id cloud.OperationID) {
	e.mu.Lock()
	epoch, mine := e.epochs[id]
	e.mu.Unlock()
	for conflicts := 0; mine && ctx.Err() == nil && !e.dead.Load(); {
		more, err := e.once(ctx, id, epoch)
		var failed stepError
		switch {
		case errors.Is(err, ErrCrash):
			e.dead.Store(true)
			return
		case errors.Is(err, errLost):
			e.mu.Lock()
			delete(e.epochs, id)
			e.mu.Unlock()
			return
		case errors.As(err, &failed):
			if err := e.fail(ctx, id, epoch, failed.err); err != nil {
				e.log.Error("record the failure of a step", "operation", id, "err", err)
				return
			}
			more = true
		case cloud.Is(err, cloud.Conflict) && conflicts < 5:
			conflicts++
			more = true // a user's change came between; look again
		case err != nil:
			e.log.Error("run operation", "operation", id, "err", err)
			return // the store is away, or a defect of ours: the next look tries again
		}
		if !more {
			return
		}
	}
}

var errLost = errors.New("another controller has the operation")

// hold reads the operation and checks that this controller still has it.
func (e *Engine) hold(tx *store.Tx, id cloud.OperationID, epoch int64) (*cloud.Operation, error) {
	o, err := tx.Operation(id)
	if err != nil {
		return nil, err
	}
	if o.Owner != e.me || o.Epoch != epoch || !o.State.Live() {
		return nil, errLost
	}
	return o, nil
}

// once runs one step once, in one transaction.
func (e *Engine) once(ctx context.Context, id cloud.OperationID, epoch int64) (more bool, err error) {
	var over bool
	err = e.db.Update(ctx, func(tx *store.Tx) error {
		more, over = false, false
		o, err := e.hold(tx, id, epoch)
		if err != nil {
			return err
		}
		now, err := tx.Now()
		if err != nil {
			return err
		}
		d := e.defs[o.Kind]
		if d == nil {
			return fmt.Errorf("no operation kind %q is defined", o.Kind)
		}
		o.WakeAt = 0
		s := &Scope{Tx: tx, Op: o, jobs: e.jobs}
		switch {
		case o.State == cloud.OperationRunning && o.CancelAsked:
			err = e.turn(s, cloud.Errorf(cloud.Conflict, "canceled"))
			more = true
		case o.State == cloud.OperationRunning && o.Deadline < now:
			err = e.turn(s, cloud.Errorf(cloud.Timeout, "was not done within %s; it stopped at step %q (%s)", d.Limit, o.StepName, o.Message))
			more = true
		case o.State == cloud.OperationRunning:
			more, over, err = e.forward(s, d)
		default:
			more, over, err = e.backward(s, d)
		}
		if errors.Is(err, ErrWait) {
			if o.WakeAt == 0 || o.WakeAt > now.Add(waitCheck) {
				o.WakeAt = now.Add(waitCheck)
			}
		} else if err != nil {
			return err
		}
		if err := tx.UpdateOperation(o); err != nil {
			return err
		}
		if over {
			return e.Event(tx, o)
		}
		return nil
	})
	if err == nil && over {
		e.ended(id)
	}
	return more, err
}

// forward runs the current step's Do, or ends the operation after the last one.
func (e *Engine) forward(s *Scope, d *Definition) (more, over bool, err error) {
	o := s.Op
	if o.Step >= int64(len(d.Steps)) {
		o.Progress, o.Message, o.StepName = 100, "", ""
		return false, true, e.end(s, d, cloud.OperationSucceeded, nil)
	}
	step := &d.Steps[o.Step]
	o.StepName = step.Name
	s.step = fmt.Sprintf("%d-%s", o.Step, step.Name)
	if err := e.call(s, "do "+step.Name, step.Do); err != nil {
		return false, false, err
	}
	o.Step++
	o.Attempt = 0
	o.Progress = max(o.Progress, 100*o.Step/o.Steps)
	return true, false, nil
}

// maxUndoTries bounds the undo of one step whose function itself fails.
const maxUndoTries = 5

// backward runs the current step's Undo, or ends the operation after the first one.
func (e *Engine) backward(s *Scope, d *Definition) (more, over bool, err error) {
	o := s.Op
	if o.Step < 0 {
		state := cloud.OperationFailed
		if o.CancelAsked {
			state = cloud.OperationCanceled
		}
		return false, true, e.end(s, d, state, &cloud.Error{Kind: o.ErrorKind, Message: o.Error})
	}
	step := &d.Steps[min(o.Step, int64(len(d.Steps)-1))]
	o.StepName = "undo " + step.Name
	s.step = fmt.Sprintf("undo-%d-%s", o.Step, step.Name)
	if step.Undo != nil {
		if err := e.call(s, "undo "+step.Name, step.Undo); err != nil {
			return false, false, err
		}
	}
	o.Step--
	o.Attempt = 0
	return true, false, nil
}

// call runs a step's function; its panics are its errors.
func (e *Engine) call(s *Scope, when string, fn func(*Scope) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = stepError{fmt.Errorf("panic: %v\n%s", r, debug.Stack())}
		}
	}()
	if e.Inject != nil {
		if err := e.Inject(s.Op, "before "+when); err != nil {
			return injected(err)
		}
	}
	if err := fn(s); errors.Is(err, ErrWait) {
		return ErrWait
	} else if err != nil {
		return stepError{err}
	}
	if e.Inject != nil {
		if err := e.Inject(s.Op, "after "+when); err != nil {
			return injected(err)
		}
	}
	return nil
}

func injected(err error) error {
	if errors.Is(err, ErrCrash) || errors.Is(err, ErrWait) {
		return err
	}
	return stepError{err}
}

func (e *Engine) end(s *Scope, d *Definition, state cloud.OperationState, cause *cloud.Error) error {
	now, err := s.Tx.Now()
	if err != nil {
		return err
	}
	s.Op.State, s.Op.FinishedAt, s.Op.LeaseUntil = state, now, 0
	return d.Settled(s, cause)
}

// turn makes a running operation undo itself from its current step on.
func (e *Engine) turn(s *Scope, cause error) error {
	o := s.Op
	o.State, o.Attempt = cloud.OperationUndoing, 0
	o.ErrorKind, o.Error = cloud.KindOf(cause), cloud.UserMessage(cause)
	return s.CancelJobs("its operation ended: " + o.Error)
}

// fail records the failure of a step: a forward one begins the undo, a backward
// one is tried again and in the end passed over, with its error on record.
func (e *Engine) fail(ctx context.Context, id cloud.OperationID, epoch int64, cause error) error {
	e.log.Warn("step failed", "operation", id, "err", cause)
	return e.db.Update(ctx, func(tx *store.Tx) error {
		o, err := e.hold(tx, id, epoch)
		if err != nil {
			return err
		}
		s := &Scope{Tx: tx, Op: o, jobs: e.jobs}
		if o.State == cloud.OperationRunning {
			if err := e.turn(s, cause); err != nil {
				return err
			}
			return tx.UpdateOperation(o)
		}
		o.Attempt++
		if o.Attempt >= maxUndoTries {
			e.log.Error("undo of a step passed over", "operation", id, "step", o.StepName, "err", cause)
			o.Error += "; " + o.StepName + " failed too: " + cloud.UserMessage(cause)
			o.Step--
			o.Attempt = 0
		}
		return tx.UpdateOperation(o)
	})
}
