package store

import (
	"time"

	"atoll/internal/cloud"
)

var operations = table[cloud.Operation]{
	kind: cloud.KindOperation, name: "operations",
	cols: append([]string{"id", "kind", "account_id", "cloudspace_id", "subject_kind", "subject_id", "subject_name", "state", "step", "step_name", "attempt", "steps", "progress", "message", "input", "data", "error", "error_kind", "cancel_asked", "retry_of", "created_by", "request_id", "owner", "epoch", "lease_until", "deadline", "wake_at", "finished_at", "project_id"}, metaCols...),
	ptrs: func(v *cloud.Operation) []any {
		return append([]any{
			&v.ID, &v.Kind, &v.AccountID, &v.CloudspaceID, &v.SubjectKind, &v.SubjectID, &v.SubjectName,
			&v.State, &v.Step, &v.StepName, &v.Attempt, &v.Steps, &v.Progress, &v.Message,
			rawJSON{&v.Input},
			rawJSON{&v.Data},
			&v.Error, &v.ErrorKind, &v.CancelAsked, &v.RetryOf, &v.CreatedBy, &v.RequestID,
			&v.Owner, &v.Epoch, &v.LeaseUntil, &v.Deadline, &v.WakeAt, &v.FinishedAt, &v.ProjectID,
		}, metaPtrs(&v.Meta)...)
	},
	meta:       func(v *cloud.Operation) *cloud.Meta { return &v.Meta },
	filters:    map[string]string{"kind": "kind", "state": "state", "account": "account_id", "cloudspace": "cloudspace_id", "project": "project_id", "subject": "subject_id"},
	account:    "account_id",
	cloudspace: "cloudspace_id",
	machine:    "subject_id",
	project:    "project_id",
}

// CreateOperation writes a new operation.
func (tx *Tx) CreateOperation(v *cloud.Operation) error { return operations.insert(tx, v) }

// Operation returns the operation unless it is deleted.
func (tx *Tx) Operation(id cloud.OperationID) (*cloud.Operation, error) {
	return operations.live(tx, id)
}

// UpdateOperation writes the operation back; Conflict if it was changed since it was read.
func (tx *Tx) UpdateOperation(v *cloud.Operation) error { return operations.update(tx, v) }

// Operations returns a page of operations and the cursor of the next one.
func (tx *Tx) Operations(q Query) ([]cloud.Operation, string, error) { return operations.list(tx, q) }

// toldOperations reads what is told of operations that changed.
var toldOperations = table[cloud.Operation]{
	name: "operations",
	cols: []string{"id", "account_id", "cloudspace_id", "project_id", "subject_kind", "subject_id", "state", "progress", "message", "error"},
	ptrs: func(v *cloud.Operation) []any {
		return []any{&v.ID, &v.AccountID, &v.CloudspaceID, &v.ProjectID, &v.SubjectKind, &v.SubjectID, &v.State, &v.Progress, &v.Message, &v.Error}
	},
}

// ToldOperations returns those of the operations that exist, with where they
// belong, their state, progress, message and error.
func (tx *Tx) ToldOperations(ids []cloud.OperationID) ([]cloud.Operation, error) {
	return some(&toldOperations, tx, ids)
}

// ClaimOperations gives up to limit live operations, whose lease is over or which
// this owner has and whose time to wake has come, to the owner until the given time.
func (tx *Tx) ClaimOperations(owner cloud.ControllerID, now, until cloud.Time, limit int) ([]cloud.Operation, error) {
	lock := ""
	if !tx.d.sqlite {
		lock = " FOR UPDATE SKIP LOCKED"
	}
	ops, err := operations.all(tx, "state IN ('running', 'undoing') AND lease_until < ? ORDER BY lease_until, id LIMIT ?"+lock, now, limit)
	if err != nil {
		return nil, err
	}
	for i := range ops {
		o := &ops[i]
		o.Owner, o.LeaseUntil, o.Epoch = owner, until, o.Epoch+1
		if err := operations.update(tx, o); err != nil {
			return nil, err
		}
	}
	return ops, nil
}

// OperationLease is the lease on a live operation.
type OperationLease struct {
	ID    cloud.OperationID
	Epoch int64
}

// OwnedOperations returns the owner's leases on live operations.
func (tx *Tx) OwnedOperations(owner cloud.ControllerID) ([]OperationLease, error) {
	var out []OperationLease
	err := tx.query(func(scan func(...any) error) error {
		var l OperationLease
		err := scan(&l.ID, &l.Epoch)
		out = append(out, l)
		return err
	}, "SELECT id, epoch FROM operations WHERE state IN ('running', 'undoing') AND owner = ?", owner)
	return out, err
}

// RenewOperations extends the owner's leases on live operations.
func (tx *Tx) RenewOperations(owner cloud.ControllerID, until cloud.Time) error {
	_, err := tx.exec("UPDATE operations SET lease_until = ? WHERE state IN ('running', 'undoing') AND owner = ?", until, owner)
	return err
}

// ReleaseOperations ends the owner's leases at once, when a controller stops.
func (tx *Tx) ReleaseOperations(owner cloud.ControllerID) error {
	_, err := tx.exec("UPDATE operations SET lease_until = 0 WHERE state IN ('running', 'undoing') AND owner = ?", owner)
	return err
}

// OperationsToWake returns the owner's live operations whose wake time, deadline
// or cancellation has come, or that nothing was heard of for a while.
func (tx *Tx) OperationsToWake(owner cloud.ControllerID, now cloud.Time) ([]cloud.OperationID, error) {
	var out []cloud.OperationID
	err := tx.query(func(scan func(...any) error) error {
		var id cloud.OperationID
		err := scan(&id)
		out = append(out, id)
		return err
	}, `SELECT id FROM operations WHERE state IN ('running', 'undoing') AND owner = ? AND
		(cancel_asked AND state = 'running' OR wake_at > 0 AND wake_at <= ? OR state = 'running' AND deadline <= ? OR updated_at < ?)`, owner, now, now, now.Add(-20*time.Second))
	return out, err
}

// LiveOperation returns the live operation on the subject, NotFound if there is none.
func (tx *Tx) LiveOperation(subject string) (*cloud.Operation, error) {
	return operations.get(tx, subject, "subject_id = ? AND state IN ('running', 'undoing') ORDER BY id LIMIT 1", subject)
}

// CancelOperation marks a running operation for its owner to undo and reports
// whether it was one. The new version has a step that is under way look again;
// the caller needs to know none.
func (tx *Tx) CancelOperation(id cloud.OperationID) (bool, error) {
	n, err := tx.exec("UPDATE operations SET cancel_asked = TRUE, version = version + 1 WHERE id = ? AND state = 'running'", id)
	return n == 1, err
}

// WakeOperation has the operation's owner look at it at once, whichever
// controller that is; it changes no version. The times that it sets are long past
// and never the one before, for WokenSince.
func (tx *Tx) WakeOperation(id cloud.OperationID) error {
	now, err := tx.Now()
	if err != nil {
		return err
	}
	_, err = tx.exec("UPDATE operations SET wake_at = ? WHERE id = ? AND state IN ('running', 'undoing')", now, id)
	return err
}

// SetWake has a live operation wake at the next time, unless it was woken since it
// was read with another one. It returns when it wakes.
func (tx *Tx) SetWake(id cloud.OperationID, read, next cloud.Time) (at cloud.Time, err error) {
	err = tx.queryRow("UPDATE operations SET wake_at = CASE WHEN wake_at = ? THEN ? ELSE wake_at END WHERE id = ? RETURNING wake_at", read, next, id).Scan(&at)
	return at, tx.d.translate(err)
}
