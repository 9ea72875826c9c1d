package store

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"atoll/internal/cloud"
)

var events = table[cloud.Event]{
	kind: cloud.KindEvent, name: "events",
	cols: []string{
		"id", "seq", "at", "class", "actor", "actor_name", "credential", "request_id", "address", "account_id", "cloudspace_id",
		"subject_kind", "subject_id", "subject_name", "action", "outcome", "message", "difference", "prev_hash", "hash", "project_id",
	},
	ptrs: func(v *cloud.Event) []any {
		return []any{
			&v.ID, &v.Seq, &v.At, &v.Class, &v.Actor, &v.ActorName, &v.Credential, &v.RequestID, &v.Address, &v.AccountID, &v.CloudspaceID,
			&v.SubjectKind, &v.SubjectID, &v.SubjectName, &v.Action, &v.Outcome, &v.Message,
			rawJSON{&v.Difference},
			&v.PrevHash, &v.Hash, &v.ProjectID,
		}
	},
	sorts: map[string]string{"seq": "seq"},
	filters: map[string]string{
		"class": "class", "actor": "actor", "action": "action", "outcome": "outcome", "kind": "subject_kind",
		"subject": "subject_id", "account": "account_id", "cloudspace": "cloudspace_id", "project": "project_id",
	},
	account: "account_id", cloudspace: "cloudspace_id", machine: "subject_id", project: "project_id",
}

// AddEvent writes an event without a number; NumberEvents gives it one.
func (tx *Tx) AddEvent(e *cloud.Event) error {
	now, err := tx.Now()
	if err != nil {
		return err
	}
	if e.ID == "" {
		e.ID = cloud.NewID[cloud.EventID]()
	}
	e.At, e.Seq = now, 0
	query, vals, err := events.insertion(tx, e)
	if err != nil {
		return err
	}
	return tx.later(query, vals...)
}

// NumberEvents numbers up to limit committed events that have no number yet,
// chains their hashes and returns them. One controller at a time may call it
// (a lease): so numbers have no gaps and no row appears below a number that
// readers have seen.
func (tx *Tx) NumberEvents(limit int) ([]cloud.Event, error) {
	list, err := events.all(tx, "seq = 0 ORDER BY id LIMIT ?", limit)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	// The counter's row is the lock against a sequencer whose lease was lost meanwhile.
	if _, err := tx.exec("UPDATE counters SET value = value + ? WHERE name = 'event'", len(list)); err != nil {
		return nil, err
	}
	var last int64
	if err := tx.queryRow("SELECT value FROM counters WHERE name = 'event'").Scan(&last); err != nil {
		return nil, tx.d.translate(err)
	}
	seq := last - int64(len(list))
	prev := ""
	if seq > 0 {
		e, err := events.get(tx, seq, "seq = ?", seq)
		if err != nil {
			return nil, fmt.Errorf("event before %d: %w", seq+1, err)
		}
		prev = e.Hash
	}
	for i := range list {
		e := &list[i]
		seq++
		e.Seq, e.PrevHash = seq, prev
		e.Hash = EventHash(e)
		n, err := tx.exec("UPDATE events SET seq = ?, prev_hash = ?, hash = ? WHERE id = ? AND seq = 0", e.Seq, e.PrevHash, e.Hash, e.ID)
		if err != nil {
			return nil, err
		}
		if n != 1 {
			return nil, cloud.Errorf(cloud.Conflict, "another controller numbers events")
		}
		prev = e.Hash
	}
	return list, nil
}

// EventHash is the SHA-256 of the event with the hash of the one before, which
// makes the log tamper-evident.
func EventHash(e *cloud.Event) string {
	c := *e
	c.Hash = ""
	b, err := json.Marshal(&c)
	if err != nil {
		panic(err) // strings, numbers and JSON that the database gave
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// EventQuery narrows a list of events; what is empty does not.
type EventQuery struct {
	Actor       string // a name, or an id
	Action      string // what the action begins with
	Outcome     cloud.Outcome
	Class       cloud.EventClass
	Subject     string // an id
	SubjectKind cloud.Kind
	From, To    cloud.Time // the first moment, and the first one after
}

// Events returns a page of numbered events and the cursor of the next one.
func (tx *Tx) Events(q Query) ([]cloud.Event, string, error) { return tx.EventsOf(EventQuery{}, q) }

// EventsOf is Events of those that the query of events finds.
func (tx *Tx) EventsOf(e EventQuery, q Query) ([]cloud.Event, string, error) {
	q = q.and("seq > 0")
	for _, f := range []struct{ column, value string }{
		{"outcome", string(e.Outcome)}, {"class", string(e.Class)}, {"subject_id", e.Subject}, {"subject_kind", string(e.SubjectKind)},
	} {
		if f.value != "" {
			q = q.and(f.column+" = ?", f.value)
		}
	}
	switch {
	case e.Actor == "":
	case cloud.IsID(e.Actor):
		q = q.and("actor = ?", e.Actor)
	default:
		q = q.and("actor_name = ?", e.Actor)
	}
	if e.Action != "" {
		begins, args := tx.d.begins("action", e.Action)
		q = q.and(begins, args...)
	}
	q, err := tx.between(q, e.From, e.To)
	if err != nil {
		return nil, "", err
	}
	return events.list(tx, q)
}

// disorder is how far, at most, the order of events' times differs from that of
// their numbers: transactions take time, and controllers' clocks differ.
const disorder = 15 * time.Minute

// between adds the condition that events are of the time. The numbers that it may
// have are found by the index of times, so that a list in the order of numbers
// reads only those.
func (tx *Tx) between(q Query, from, to cloud.Time) (Query, error) {
	bound := func(query string, at cloud.Time) (seq int64, err error) {
		err = tx.queryRow("SELECT coalesce((SELECT seq FROM events WHERE seq > 0 AND "+query+" LIMIT 1), 0)", at).Scan(&seq)
		return seq, tx.d.translate(err)
	}
	if from != 0 {
		seq, err := bound("at < ? ORDER BY at DESC, seq DESC", from.Add(-disorder))
		if err != nil {
			return q, err
		}
		q = q.and("at >= ?", from).and("seq > ?", seq)
	}
	if to != 0 {
		seq, err := bound("at >= ? ORDER BY at, seq", to.Add(disorder))
		if err != nil {
			return q, err
		}
		if q = q.and("at < ?", to); seq != 0 {
			q = q.and("seq < ?", seq)
		}
	}
	return q, nil
}

// EventsAfter returns the numbered events after seq that the reader may see.
func (tx *Tx) EventsAfter(seq int64, v Visibility, limit int) ([]cloud.Event, error) {
	w, args := events.visible(v)
	return events.all(tx, "seq > ? AND "+w+" ORDER BY seq LIMIT ?", append(append([]any{seq}, args...), limit)...)
}

// LastEvent returns the highest number given so far.
func (tx *Tx) LastEvent() (seq int64, err error) {
	err = tx.queryRow("SELECT coalesce(max(seq), 0) FROM events WHERE seq > 0").Scan(&seq)
	return seq, tx.d.translate(err)
}
