package store

import (
	"fmt"
	"slices"
	"strings"

	"atoll/internal/cloud"
)

// columnSet is rows that a statement of PostgreSQL takes by columns. A column that
// has one value in all rows is one parameter, any other is an array: most columns
// of jobs that come together are the same, and the server reads arrays in a third
// of the time that JSON takes it.
type columnSet struct {
	columns []string
	text    string // of the statement, in which %s is for what gives the rows
}

// bind returns the statement and its parameters. Values, each a string, an int64 or
// a bool, are those of the rows, one row after the other; there is one at least.
func (s *columnSet) bind(d *dialect, values []any) (query string, args []any) {
	width := len(s.columns)
	first := values[:width]
	differ := uint64(1) // the columns that are arrays, a bit for each: the first always
	for i, v := range values[width:] {
		if c := i % width; v != first[c] {
			differ |= 1 << c
		}
	}
	args = make([]any, 0, width)
	for c, v := range first {
		if differ&(1<<c) == 0 {
			args = append(args, v)
		}
	}
	for c := range first {
		if differ&(1<<c) != 0 {
			args = append(args, array(values[c:], width))
		}
	}
	return s.query(d, first, differ), args
}

// columnShape names one form of a set's statement.
type columnShape struct {
	set    *columnSet
	differ uint64
}

func (s *columnSet) query(d *dialect, row []any, differ uint64) string {
	if q, ok := d.shapes.Load(columnShape{s, differ}); ok {
		return q.(string)
	}
	var same, arrays, names []string
	for c, name := range s.columns {
		if differ&(1<<c) == 0 {
			same = append(same, fmt.Sprintf("CAST(? AS %s) AS %s", typeOf(row[c]), name))
			continue
		}
		names = append(names, name)
		arrays = append(arrays, fmt.Sprintf("CAST(? AS %s[])", typeOf(row[c])))
	}
	rows := fmt.Sprintf("(SELECT %s FROM unnest(%s) AS arrays (%s))",
		strings.Join(append(same, names...), ", "), strings.Join(arrays, ", "), strings.Join(names, ", "))
	q := fmt.Sprintf(s.text, rows)
	d.shapes.Store(columnShape{s, differ}, q)
	return q
}

// typeOf is the SQL type of a value.
func typeOf(v any) string {
	switch v.(type) {
	case string:
		return "text"
	case bool:
		return "boolean"
	}
	return "bigint"
}

// array is every nth value.
func array(values []any, n int) any {
	switch values[0].(type) {
	case string:
		return every[string](values, n)
	case bool:
		return every[bool](values, n)
	}
	return every[int64](values, n)
}

func every[T any](values []any, n int) []T {
	out := make([]T, 0, (len(values)+n-1)/n)
	for i := 0; i < len(values); i += n {
		out = append(out, values[i].(T))
	}
	return out
}

var insertPG = &columnSet{jobs.cols, "INSERT INTO jobs (" + jobs.columns() + ") SELECT " + jobs.columns() + " FROM %s AS new"}

func (tx *Tx) insertPG(list []*cloud.Job, values []any) error {
	query, args := insertPG.bind(tx.d, values)
	if slices.ContainsFunc(list, func(j *cloud.Job) bool { return j.OperationID != "" || j.Key != "" }) {
		_, err := tx.exec(query, args...) // callers want to know what is taken
		return err
	}
	return tx.later(query, args...)
}

// The changes find their rows by id alone: a state that is an expression keeps the
// planner from the indexes of queued and of held jobs, of which it knows too little
// while they fill and empty within seconds.

var (
	leaseColumns = []string{"id", "node_id", "token", "attempt", "leased_at"}
	leasePG      = &columnSet{leaseColumns, leaseTextPG + " RETURNING jobs.id"}
	leaseKeyedPG = &columnSet{leaseColumns, leaseTextPG + keyFree + " RETURNING jobs.id"}
)

const leaseTextPG = `UPDATE jobs SET state = 'leased', node_id = l.node_id, token = l.token, attempt = l.attempt, leased_at = l.leased_at
	FROM %s AS l WHERE jobs.id = l.id AND jobs.state || '' = 'queued' AND jobs.token = l.token - 1`

func (tx *Tx) leasePG(list []Lease) (map[cloud.JobID]bool, error) {
	rows := make([]any, 0, len(list)*len(leaseColumns))
	set := leasePG
	for i := range list {
		l := &list[i]
		rows = append(rows, string(l.ID), string(l.NodeID), l.Token, l.Attempt, int64(l.At))
		if l.Keyed {
			set = leaseKeyedPG
		}
	}
	leased := make(map[cloud.JobID]bool, len(list))
	query, args := set.bind(tx.d, rows)
	err := tx.query(func(scan func(...any) error) error {
		var id string
		err := scan(&id)
		leased[cloud.JobID(id)] = true
		return err
	}, query, args...)
	return leased, err
}

var ackPG = &columnSet{[]string{"id", "token", "started_at"}, `UPDATE jobs SET state = 'running', started_at = a.started_at
	FROM %s AS a WHERE jobs.id = a.id AND jobs.token = a.token AND jobs.state || '' = 'leased'`}

func (tx *Tx) ackPG(refs []JobRef, at cloud.Time) error {
	rows := make([]any, 0, 3*len(refs))
	for _, r := range refs {
		rows = append(rows, string(r.ID), r.Token, int64(at))
	}
	query, args := ackPG.bind(tx.d, rows)
	return tx.later(query, args...)
}

var finishPG = &columnSet{[]string{
	"id", "token", "node_id", "state", "exit_code", "result", "output", "output_bytes", "streams", "stats", "error", "simulated", "started_at", "finished_at",
}, `UPDATE jobs SET state = f.state, exit_code = f.exit_code, result = f.result, output = f.output,
	output_bytes = f.output_bytes, streams = f.streams, stats = f.stats, error = f.error, simulated = f.simulated,
	started_at = CASE WHEN f.started_at > 0 THEN f.started_at ELSE jobs.started_at END, finished_at = f.finished_at
	FROM %s AS f WHERE jobs.id = f.id AND jobs.token = f.token AND jobs.node_id = f.node_id AND jobs.state || '' IN ('leased', 'running')
	RETURNING jobs.id, jobs.key, jobs.operation_id, jobs.subject_kind, jobs.state`}

func (tx *Tx) finishPG(list []Finish) ([]cloud.Job, error) {
	rows := make([]any, 0, len(list)*len(finishPG.columns))
	for i := range list {
		f := &list[i]
		rows = append(rows, string(f.ID), f.Token, string(f.NodeID), string(f.State), f.ExitCode, f.Result, f.Output, f.OutputBytes,
			f.Streams, f.Stats, f.Error, f.Simulated, int64(f.StartedAt), int64(f.FinishedAt))
	}
	done := make([]cloud.Job, 0, len(list))
	query, args := finishPG.bind(tx.d, rows)
	err := tx.query(func(scan func(...any) error) error {
		var j cloud.Job
		err := scan(&j.ID, &j.Key, &j.OperationID, &j.SubjectKind, &j.State)
		done = append(done, j)
		return err
	}, query, args...)
	return done, err
}
