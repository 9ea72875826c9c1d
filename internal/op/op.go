// Package op runs operations: changes that a user asked for, done in durable
// steps, each with an undo. A step is a function that runs inside a transaction
// and may wait for jobs; it is called again whenever one of them ends. Whatever
// is killed, this or another controller goes on at the recorded step.
//
// The package must never know what a kind of operation does: control defines the
// steps. No step may have an effect outside its transaction but through jobs.
package op

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/job"
	"atoll/internal/store"
	"atoll/internal/wire"
)

// ErrWait is what a step returns while its jobs run: what it wrote is committed,
// and it is called again when one of them ends.
var ErrWait = errors.New("the step waits for its jobs")

// Step is one durable step. Do and Undo run in a transaction that holds the
// operation's lease. Both must be safe to run twice: they look at what is and
// do the difference.
type Step struct {
	Name string
	Do   func(s *Scope) error
	// Undo takes back what Do did or began to do; nil if there is nothing.
	Undo func(s *Scope) error
}

// Definition is a kind of operation.
type Definition struct {
	Kind string
	// Limit is how long the steps may take together; then the operation is
	// undone. Undo is bounded by its own steps.
	Limit time.Duration
	Steps []Step
	// Settled puts the object into a static state in the transaction that ends
	// the operation; cause is nil after success.
	Settled func(s *Scope, cause *cloud.Error) error
	// Retry puts the object back into the state in which the operation starts;
	// nil for kinds that are not tried again by themselves.
	Retry func(s *Scope) error
}

// Scope is what a step sees: the transaction, the operation, and its jobs.
type Scope struct {
	Tx   *store.Tx
	Op   *cloud.Operation
	jobs *job.Queue
	step string // prefix of the names of this step's jobs
}

// Input reads the operation's input.
func (s *Scope) Input(v any) error { return json.Unmarshal(s.Op.Input, v) }

// Data reads what earlier steps kept.
func (s *Scope) Data(v any) error {
	if len(s.Op.Data) == 0 {
		return nil
	}
	return json.Unmarshal(s.Op.Data, v)
}

// Keep stores data for later steps.
func (s *Scope) Keep(v any) error {
	b, err := json.Marshal(v)
	s.Op.Data = b
	return err
}

// Progress tells people what the operation does now.
func (s *Scope) Progress(percent int64, format string, args ...any) {
	s.Op.Progress, s.Op.Message = percent, fmt.Sprintf(format, args...)
}

// tries is how often a job of a step is tried: built-in actions are idempotent,
// and a node that was away for a moment should not undo an hour's work.
const tries = 3

// MakeJob says which job a step needs; it is called once for each try.
type MakeJob func() (cloud.Job, error)

// Job has the job done once: it adds it at the first call, returns ErrWait until
// it ends, the job when it succeeded, and after the last try its error.
func (s *Scope) Job(mk MakeJob) (*cloud.Job, error) { return s.NamedJob("", mk) }

// NamedJob is Job for steps that have several; name tells them apart.
func (s *Scope) NamedJob(name string, mk MakeJob) (*cloud.Job, error) {
	for try := 1; ; try++ {
		step := fmt.Sprintf("%s%s/%d", s.step, name, try)
		old, err := s.Tx.JobOfStep(s.Op.ID, step)
		if cloud.Is(err, cloud.NotFound) {
			return nil, s.add(step, mk)
		}
		if err != nil {
			return nil, err
		}
		switch {
		case !old.State.Final():
			return nil, ErrWait
		case old.State == cloud.JobSucceeded:
			return old, nil
		case try >= tries || old.State == cloud.JobCanceled || permanent(old):
			return nil, JobError(old)
		}
	}
}

func (s *Scope) add(step string, mk MakeJob) error {
	j, err := mk()
	if err != nil {
		return err
	}
	j.OperationID, j.Step = s.Op.ID, step
	j.AccountID, j.CloudspaceID, j.ProjectID = s.Op.AccountID, s.Op.CloudspaceID, s.Op.ProjectID
	if j.SubjectID == "" {
		j.SubjectKind, j.SubjectID = s.Op.SubjectKind, s.Op.SubjectID
	}
	j.CreatedBy = "operation " + string(s.Op.ID)
	if err := s.jobs.Add(s.Tx, &j); err != nil {
		return err
	}
	return ErrWait
}

// permanent reports whether the job's error would come again.
func permanent(j *cloud.Job) bool {
	kind := failure(j).Kind
	return j.State == cloud.JobFailed && (kind == cloud.Invalid || kind == cloud.Conflict || kind == cloud.Capacity || kind == cloud.Denied)
}

// failure is the result of a failed built-in action.
func failure(j *cloud.Job) (f wire.Failure) {
	if json.Unmarshal(j.Result, &f) != nil || f.Kind == "" {
		f.Kind = cloud.Internal
	}
	return f
}

// JobError is a job's end as an error for people.
func JobError(j *cloud.Job) *cloud.Error {
	switch j.State {
	case cloud.JobTimedOut:
		return cloud.Errorf(cloud.Timeout, "%s did not end within %s", j.Action, j.Timeout())
	case cloud.JobLost:
		return cloud.Errorf(cloud.Unavailable, "%s: %s", j.Action, j.Error)
	}
	f := failure(j)
	e := cloud.Errorf(f.Kind, "%s: %s", j.Action, j.Error)
	e.Field = f.Field
	return e
}

// undoWait is how long an undo waits for a job on a node that is online.
const undoWait = 3 * time.Minute

// UndoJob is Job for undo steps and forced deletes, where nothing may stop: what
// left.NodeID does not remove in time becomes the leftover, which a loop clears
// when the node is back.
func (s *Scope) UndoJob(name string, mk MakeJob, left cloud.Leftover) error {
	node, err := s.Tx.Node(left.NodeID)
	if cloud.Is(err, cloud.NotFound) {
		return nil // the node is gone and with it what it held
	}
	if err != nil {
		return err
	}
	_, err = s.NamedJob(name, mk)
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, ErrWait):
		var e *cloud.Error
		if !errors.As(err, &e) || store.Broken(err) {
			return err
		}
		left.Reason = e.Message
		return s.leave(left)
	}
	if wait, err := s.waits(name, node); wait || err != nil {
		return err
	}
	if err := s.CancelJobs("the node does not answer"); err != nil {
		return err
	}
	left.Reason = "node " + node.Name + " does not answer"
	return s.leave(left)
}

// waits reports whether a step where nothing may stop still waits for its job,
// with ErrWait.
func (s *Scope) waits(name string, node *cloud.Node) (bool, error) {
	now, err := s.Tx.Now()
	if err != nil {
		return false, err
	}
	first, err := s.Tx.JobOfStep(s.Op.ID, fmt.Sprintf("%s%s/1", s.step, name))
	if err != nil {
		return false, err
	}
	waited := now.Sub(first.CreatedAt)
	if node.State != cloud.NodeOnline || waited >= undoWait {
		return false, nil
	}
	s.Op.WakeAt = now.Add(undoWait - waited)
	return true, ErrWait
}

// LateJob is Job for undo steps and closings, where nothing may stop, and whose
// job the node may do late: while the node answers the step waits; else the job
// stays for when the node is back, and the step goes on.
func (s *Scope) LateJob(name string, on cloud.NodeID, mk MakeJob) error {
	node, err := s.Tx.Node(on)
	if cloud.Is(err, cloud.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := s.NamedJob(name, mk); !errors.Is(err, ErrWait) {
		return err
	}
	_, err = s.waits(name, node)
	return err
}

// leave records what the node may still hold.
func (s *Scope) leave(left cloud.Leftover) error {
	old, err := s.Tx.LeftoverOf(left.NodeID, left.Kind, left.ObjectID)
	if err == nil {
		old.Reason, old.Epoch = left.Reason, max(old.Epoch, left.Epoch)
		return s.Tx.UpdateLeftover(old)
	}
	if !cloud.Is(err, cloud.NotFound) {
		return err
	}
	left.ID, left.AccountID = cloud.NewID[cloud.LeftoverID](), s.Op.AccountID
	return s.Tx.CreateLeftover(&left)
}

// CancelJob cancels a job, of whatever it is, and reports whether it has ended: an
// agent that runs it may take a while.
func (s *Scope) CancelJob(id cloud.JobID, why string) (ended bool, err error) {
	err = s.jobs.Cancel(s.Tx, id, why)
	if cloud.Is(err, cloud.NotFound) || cloud.Is(err, cloud.Conflict) && !store.Broken(err) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	j, err := s.Tx.Job(id)
	return err == nil && j.State.Final(), err
}

// CancelJobs cancels the operation's jobs that have not ended.
func (s *Scope) CancelJobs(why string) error {
	list, err := s.Tx.JobsOf(s.Op.ID)
	if err != nil {
		return err
	}
	for i := range list {
		if list[i].State.Final() {
			continue
		}
		if err := s.jobs.Cancel(s.Tx, list[i].ID, why); err != nil && !cloud.Is(err, cloud.Conflict) {
			return err
		}
	}
	return nil
}
