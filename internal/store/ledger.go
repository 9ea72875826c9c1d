package store

import (
	"database/sql"
	"errors"

	"atoll/internal/cloud"
)

// Post writes a ledger entry and its balance. With a positive delta the limit is
// checked by the same statement that takes the row's lock; over it the answer is
// Quota, which control turns into a sentence.
func (tx *Tx) Post(e cloud.Entry) error {
	now, err := tx.Now()
	if err != nil {
		return err
	}
	if e.ID == "" {
		e.ID = cloud.NewID[string]()
	}
	if _, err := tx.exec(`INSERT INTO balances (scope_kind, scope_id, resource, amount, max_amount) VALUES (?, ?, ?, 0, -1)
		ON CONFLICT DO NOTHING`, e.Scope.Kind, e.Scope.ID, e.Resource); err != nil {
		return err
	}
	n, err := tx.exec(`UPDATE balances SET amount = amount + ? WHERE scope_kind = ? AND scope_id = ? AND resource = ?
		AND (? <= 0 OR max_amount < 0 OR amount + ? <= max_amount)`,
		e.Delta, e.Scope.Kind, e.Scope.ID, e.Resource, e.Delta, e.Delta)
	if err != nil {
		return err
	}
	if n == 0 {
		return cloud.Errorf(cloud.Quota, "the %s of this %s would pass the limit", e.Resource, e.Scope.Kind)
	}
	_, err = tx.exec(`INSERT INTO entries (id, at, scope_kind, scope_id, resource, delta, subject_kind, subject_id, operation_id, reason)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		e.ID, now, e.Scope.Kind, e.Scope.ID, e.Resource, e.Delta, e.SubjectKind, e.SubjectID, e.OperationID, e.Reason)
	return err
}

// Balance returns a balance; one without a row is 0 without a limit.
func (tx *Tx) Balance(scope cloud.Scope, r cloud.Resource) (cloud.Balance, error) {
	b := cloud.Balance{Scope: scope, Resource: r, Limit: cloud.NoLimit}
	err := tx.queryRow("SELECT amount, max_amount FROM balances WHERE scope_kind = ? AND scope_id = ? AND resource = ?",
		scope.Kind, scope.ID, r).Scan(&b.Amount, &b.Limit)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return b, tx.d.translate(err)
}

// Balances returns the balances of a scope, one for each resource.
func (tx *Tx) Balances(scope cloud.Scope) ([]cloud.Balance, error) {
	out := make([]cloud.Balance, 0, len(cloud.Resources))
	for _, r := range cloud.Resources {
		b, err := tx.Balance(scope, r)
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}

// SetLimit sets the limit of a balance; NoLimit takes it away. What is used
// already over the new limit stays.
func (tx *Tx) SetLimit(scope cloud.Scope, r cloud.Resource, limit int64) error {
	_, err := tx.exec(`INSERT INTO balances (scope_kind, scope_id, resource, amount, max_amount) VALUES (?, ?, ?, 0, ?)
		ON CONFLICT (scope_kind, scope_id, resource) DO UPDATE SET max_amount = excluded.max_amount`,
		scope.Kind, scope.ID, r, limit)
	return err
}

// Entries returns the entries of a subject, the oldest first.
func (tx *Tx) Entries(subject string) ([]cloud.Entry, error) {
	var out []cloud.Entry
	err := tx.query(func(scan func(...any) error) error {
		var e cloud.Entry
		err := scan(&e.ID, &e.At, &e.Scope.Kind, &e.Scope.ID, &e.Resource, &e.Delta, &e.SubjectKind, &e.SubjectID, &e.OperationID, &e.Reason)
		out = append(out, e)
		return err
	}, `SELECT id, at, scope_kind, scope_id, resource, delta, subject_kind, subject_id, operation_id, reason
		FROM entries WHERE subject_id = ? ORDER BY id`, subject)
	return out, err
}

// Unbalanced returns the balances that differ from the sum of their entries:
// always none, which tests and the health check assert.
func (tx *Tx) Unbalanced() ([]cloud.Balance, error) {
	var out []cloud.Balance
	err := tx.query(func(scan func(...any) error) error {
		var b cloud.Balance
		err := scan(&b.Scope.Kind, &b.Scope.ID, &b.Resource, &b.Amount, &b.Limit)
		out = append(out, b)
		return err
	}, `SELECT scope_kind, scope_id, resource, amount, max_amount FROM balances b WHERE amount <> (
		SELECT coalesce(sum(delta), 0) FROM entries e
		WHERE e.scope_kind = b.scope_kind AND e.scope_id = b.scope_id AND e.resource = b.resource)`)
	return out, err
}

// AddUsage adds to a machine's byte counter of the hour.
func (tx *Tx) AddUsage(machine cloud.MachineID, counter string, delta int64) error {
	now, err := tx.Now()
	if err != nil {
		return err
	}
	const hour = 3_600_000_000
	_, err = tx.exec(`INSERT INTO usage_counters (machine_id, counter, hour, amount) VALUES (?, ?, ?, ?)
		ON CONFLICT (machine_id, counter, hour) DO UPDATE SET amount = usage_counters.amount + excluded.amount`,
		machine, counter, int64(now)/hour*hour, delta)
	return err
}
