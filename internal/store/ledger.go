package store

import (
	"database/sql"
	"errors"
	"maps"
	"slices"

	"atoll/internal/cloud"
)

var entries = table[cloud.Entry]{
	kind: cloud.KindQuota, name: "entries",
	cols: []string{"id", "at", "scope_kind", "scope_id", "resource", "delta", "subject_kind", "subject_id", "operation_id", "reason"},
	ptrs: func(v *cloud.Entry) []any {
		return []any{
			&v.ID, &v.At, &v.Scope.Kind, &v.Scope.ID, &v.Resource, &v.Delta, &v.SubjectKind, &v.SubjectID, &v.OperationID, &v.Reason,
		}
	},
	filters: map[string]string{"resource": "resource", "subject": "subject_id", "reason": "reason"},
}

// Post writes a ledger entry and its balance. With a positive delta the limit is
// checked by the same statement that takes the row's lock; over it the answer is
// Quota, which control turns into a sentence.
func (tx *Tx) Post(e cloud.Entry) error { return tx.post(e, true) }

// PostFact is Post for what has happened already, which no limit can refuse.
func (tx *Tx) PostFact(e cloud.Entry) error { return tx.post(e, false) }

func (tx *Tx) post(e cloud.Entry, limited bool) error {
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
		AND (? OR ? <= 0 OR max_amount < 0 OR amount + ? <= max_amount)`,
		e.Delta, e.Scope.Kind, e.Scope.ID, e.Resource, !limited, e.Delta, e.Delta)
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

// NodeBalances returns the balances of all nodes that have a limit: their capacity.
func (tx *Tx) NodeBalances() ([]cloud.NodeBalance, error) {
	var out []cloud.NodeBalance
	err := tx.query(func(scan func(...any) error) error {
		var b cloud.NodeBalance
		err := scan(&b.Scope.Kind, &b.Scope.ID, &b.Node, &b.Resource, &b.Amount, &b.Limit)
		out = append(out, b)
		return err
	}, `SELECT b.scope_kind, b.scope_id, n.name, b.resource, b.amount, b.max_amount
		FROM balances b JOIN nodes n ON n.id = b.scope_id
		WHERE b.scope_kind = ? AND b.max_amount >= 0 AND n.deleted_at = 0 ORDER BY n.name, b.resource`, cloud.KindNode)
	return out, err
}

// AllBalances returns every balance, of all scopes.
func (tx *Tx) AllBalances() ([]cloud.Balance, error) { return tx.balances("") }

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
	return entries.all(tx, "subject_id = ? ORDER BY id", subject)
}

// EntriesOf returns a page of a scope's entries.
func (tx *Tx) EntriesOf(scope cloud.Scope, q Query) ([]cloud.Entry, string, error) {
	return entries.list(tx, q.and("scope_kind = ? AND scope_id = ?", scope.Kind, scope.ID))
}

// Usage returns the integrals of a scope's balances over the time, in units of
// the resource times seconds.
func (tx *Tx) Usage(scope cloud.Scope, from, to cloud.Time) (map[cloud.Resource]int64, error) {
	out := map[cloud.Resource]int64{}
	err := tx.query(func(scan func(...any) error) error {
		var r cloud.Resource
		var ms int64
		err := scan(&r, &ms)
		out[r] = ms / 1000
		return err
	}, // milliseconds: a year of a thousand TiB of memory still fits
		`SELECT resource, CAST(sum(delta * ((? - CASE WHEN at < ? THEN ? ELSE at END) / 1000)) AS BIGINT)
		FROM entries WHERE scope_kind = ? AND scope_id = ? AND at < ? GROUP BY resource`, to, from, from, scope.Kind, scope.ID, to)
	return out, err
}

// Counters returns the sums of the byte counters that a scope's machines had in
// the hours that begin within the time.
func (tx *Tx) Counters(scope cloud.Scope, from, to cloud.Time) (map[string]int64, error) {
	if scope.Kind == cloud.KindProject {
		return map[string]int64{}, nil // it has no machines
	}
	col := "account_id"
	if scope.Kind == cloud.KindCloudspace {
		col = "cloudspace_id"
	}
	out := map[string]int64{}
	err := tx.query(func(scan func(...any) error) error {
		var name string
		var n int64
		err := scan(&name, &n)
		out[name] = n
		return err
	}, `SELECT u.counter, CAST(sum(u.amount) AS BIGINT) FROM usage_counters u JOIN machines m ON m.id = u.machine_id
		WHERE m.`+col+` = ? AND u.hour >= ? AND u.hour < ? GROUP BY u.counter`, scope.ID, from, to)
	return out, err
}

// Unbalanced returns the balances that differ from the sum of their entries:
// always none, which tests and the health check assert.
func (tx *Tx) Unbalanced() ([]cloud.Balance, error) {
	return tx.balances(`WHERE amount <> (
		SELECT coalesce(sum(delta), 0) FROM entries e
		WHERE e.scope_kind = b.scope_kind AND e.scope_id = b.scope_id AND e.resource = b.resource)`)
}

func (tx *Tx) balances(where string) ([]cloud.Balance, error) {
	var out []cloud.Balance
	err := tx.query(func(scan func(...any) error) error {
		var b cloud.Balance
		err := scan(&b.Scope.Kind, &b.Scope.ID, &b.Resource, &b.Amount, &b.Limit)
		out = append(out, b)
		return err
	}, "SELECT scope_kind, scope_id, resource, amount, max_amount FROM balances b "+where)
	return out, err
}

// CountUsage adds what a machine's byte counters grew by since they were told
// last to those of the hour. Counters of a later run begin at 0; those of an
// earlier one are known.
func (tx *Tx) CountUsage(machine cloud.MachineID, run cloud.Time, counters map[string]int64) error {
	now, err := tx.Now()
	if err != nil {
		return err
	}
	const hour = 3_600_000_000
	for _, name := range slices.Sorted(maps.Keys(counters)) { // always in the same order: no deadlocks
		var last cloud.Time
		var seen int64
		err := tx.queryRow(`INSERT INTO usage_seen (machine_id, counter, run, amount) VALUES (?, ?, ?, 0)
			ON CONFLICT (machine_id, counter) DO UPDATE SET run = usage_seen.run RETURNING run, amount`, machine, name, run).Scan(&last, &seen)
		if err != nil {
			return tx.d.translate(err)
		}
		amount := counters[name]
		grown := amount
		if last == run {
			grown -= seen
		}
		if last > run || grown <= 0 {
			continue
		}
		if _, err := tx.exec("UPDATE usage_seen SET run = ?, amount = ? WHERE machine_id = ? AND counter = ?", run, amount, machine, name); err != nil {
			return err
		}
		if _, err := tx.exec(`INSERT INTO usage_counters (machine_id, counter, hour, amount) VALUES (?, ?, ?, ?)
			ON CONFLICT (machine_id, counter, hour) DO UPDATE SET amount = usage_counters.amount + excluded.amount`,
			machine, name, int64(now)/hour*hour, grown); err != nil {
			return err
		}
	}
	return nil
}
