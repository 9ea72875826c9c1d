package op

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"atoll/internal/cloud"
	"atoll/internal/store"
)

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
			e.lost(id, epoch)
			return
		case errors.As(err, &failed):
			err := e.fail(ctx, id, epoch, failed.err)
			if errors.Is(err, errLost) {
				e.lost(id, epoch)
				return
			}
			if err != nil && !cloud.Is(err, cloud.Conflict) {
				e.log.Error("record the failure of a step", "operation", id, "err", err)
				e.again(id, err)
				return
			}
			more = true // a conflict: the step is run once more
		case cloud.Is(err, cloud.Conflict) && conflicts < 5:
			conflicts++
			more = true // a user's change came between; look again
		case err != nil:
			e.log.Error("run operation", "operation", id, "err", err)
			e.again(id, err)
			return
		}
		if !more {
			return
		}
	}
}

// lost forgets an operation, unless it came back under a newer epoch meanwhile.
func (e *Engine) lost(id cloud.OperationID, epoch int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.epochs[id] == epoch {
		delete(e.epochs, id)
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
		read := o.WakeAt
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
			next := o.WakeAt
			if o.WakeAt, err = tx.SetWake(o.ID, read, next); err != nil {
				return err
			}
			more = o.WakeAt != next // a job ended since this transaction looked at it
		} else if err != nil {
			return err
		}
		if err := tx.UpdateOperation(o); err != nil {
			return err
		}
		e.changed(tx, id)
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
		o.StepName = "settle"
		if err := e.end(s, d, cloud.OperationSucceeded, nil); err != nil {
			return false, false, err
		}
		o.Progress, o.Message, o.StepName = 100, "", ""
		return false, true, nil
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
		err := e.end(s, d, state, &cloud.Error{Kind: o.ErrorKind, Message: o.Error})
		return false, err == nil, err
	}
	step := &d.Steps[o.Step]
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

// call runs a step's function.
func (e *Engine) call(s *Scope, when string, fn func(*Scope) error) error {
	return guard(func() error {
		if e.Inject == nil {
			return fn(s)
		}
		if err := e.Inject(s.Op, "before "+when); err != nil {
			return err
		}
		if err := fn(s); err != nil {
			return err
		}
		return e.Inject(s.Op, "after "+when)
	})
}

// guard tells a step's failures, among them its panics, apart from what is none:
// the wait for jobs, and failures of the store.
func guard(fn func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = stepError{fmt.Errorf("panic: %v\n%s", r, debug.Stack())}
		}
	}()
	err = fn()
	if err == nil || errors.Is(err, ErrWait) || errors.Is(err, ErrCrash) || store.Broken(err) {
		return err
	}
	return stepError{err}
}

// end ends the operation with its object in a static state.
func (e *Engine) end(s *Scope, d *Definition, state cloud.OperationState, cause *cloud.Error) error {
	s.step = "settle"
	when := "settle"
	if cause != nil {
		when = "undo settle"
	}
	if err := guard(func() error {
		if e.Inject != nil {
			if err := e.Inject(s.Op, "before "+when); err != nil {
				return err
			}
		}
		return d.Settled(s, cause)
	}); err != nil {
		return err
	}
	return finish(s, state)
}

func finish(s *Scope, state cloud.OperationState) error {
	now, err := s.Tx.Now()
	s.Op.State, s.Op.FinishedAt, s.Op.LeaseUntil = state, now, 0
	return err
}

// turn makes a running operation undo itself from its current step on.
func (e *Engine) turn(s *Scope, cause error) error {
	o := s.Op
	o.State, o.Attempt, o.Step = cloud.OperationUndoing, 0, min(o.Step, o.Steps-1)
	o.ErrorKind, o.Error = cloud.KindOf(cause), cloud.UserMessage(cause)
	return s.CancelJobs("its operation ended: " + o.Error)
}

// fail records the failure of a step: a forward one begins the undo, a backward
// one is tried again and in the end passed over, with its error on record.
func (e *Engine) fail(ctx context.Context, id cloud.OperationID, epoch int64, cause error) error {
	e.log.Warn("step failed", "operation", id, "err", cause)
	var over bool
	err := e.db.Update(ctx, func(tx *store.Tx) error {
		over = false
		o, err := e.hold(tx, id, epoch)
		if err != nil {
			return err
		}
		s := &Scope{Tx: tx, Op: o, jobs: e.jobs}
		if o.State == cloud.OperationRunning {
			err = e.turn(s, cause)
		} else if o.Attempt++; o.Attempt >= maxUndoTries {
			over, err = e.passOver(s, cause)
		}
		if err != nil {
			return err
		}
		e.changed(tx, id)
		if err := tx.UpdateOperation(o); err != nil || !over {
			return err
		}
		return e.Event(tx, o)
	})
	if err == nil && over {
		e.ended(id)
	}
	return err
}

// passOver goes on without the undo that failed; over says that it was the last
// one, which settles the object. Such an object the health check shows, and its
// deletion is free to begin.
func (e *Engine) passOver(s *Scope, cause error) (over bool, err error) {
	o := s.Op
	name := "settle"
	if o.Step >= 0 {
		name = "undo " + e.defs[o.Kind].Steps[o.Step].Name
	}
	e.log.Error("undo of a step passed over", "operation", o.ID, "step", name, "err", cause)
	o.Error += "; " + name + " failed too: " + cloud.UserMessage(cause)
	if o.Step--; o.Step >= -1 {
		o.Attempt = 0
		return false, nil
	}
	state := cloud.OperationFailed
	if o.CancelAsked {
		state = cloud.OperationCanceled
	}
	return true, finish(s, state)
}
