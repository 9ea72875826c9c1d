package store

import (
	"fmt"
	"strings"

	"atoll/internal/cloud"
)

// This is the hot path of jobs: insert, lease, acknowledge and finish, written for
// each of the two databases. PostgreSQL takes one statement for all rows, by
// columns (jobhotpg.go). SQLite takes new rows as VALUES, some at a time, as
// parsing JSON costs it more than the row, and changes of rows one by one.

// rowsStatement is a statement with a VALUES list, in a few sizes, each of which
// is prepared once.
type rowsStatement struct {
	width int
	sizes [3]int
	text  [3]string
}

// maxParameters bounds the parameters of one statement: the driver searches all
// of them for each, and a statement costs it as much as some rows.
const maxParameters = 80

// newRowsStatement makes the statement of the text, in which %s is for the rows.
func newRowsStatement(row, text string) *rowsStatement {
	width := strings.Count(row, "?")
	n := maxParameters / width
	st := &rowsStatement{width: width, sizes: [3]int{n, max(1, n/3), 1}}
	for i, n := range st.sizes {
		st.text[i] = fmt.Sprintf(text, strings.TrimSuffix(strings.Repeat(row+", ", n), ", "))
	}
	return st
}

// each calls fn with statements and arguments for all rows; args are the rows'
// values one after the other.
func (st *rowsStatement) each(args []any, fn func(query string, args []any) error) error {
	for i, n := range st.sizes {
		for size := n * st.width; len(args) >= size; args = args[size:] {
			if err := fn(st.text[i], args[:size:size]); err != nil {
				return err
			}
		}
	}
	return nil
}

// InsertJobs writes new jobs, which have been normalised and validated: queued
// ones, and ones that are leased already.
func (tx *Tx) InsertJobs(list []*cloud.Job) error {
	if len(list) == 0 {
		return nil
	}
	now, err := tx.Now()
	if err != nil {
		return err
	}
	for _, j := range list {
		j.CreatedAt = now
		if j.State == cloud.JobLeased {
			j.LeasedAt = now
		}
	}
	args := make([]any, 0, len(list)*len(jobs.cols))
	for _, j := range list {
		args = appendNewJob(args, j)
	}
	if !tx.d.sqlite {
		return tx.insertPG(list, args)
	}
	shape, args := insertShape(args)
	st, ok := tx.d.shapes.Load(shape)
	if !ok {
		st, _ = tx.d.shapes.LoadOrStore(shape, newRowsStatement(shape, "INSERT INTO jobs ("+jobs.columns()+") VALUES %s"))
	}
	return st.(*rowsStatement).each(args, func(query string, args []any) error {
		_, err := tx.exec(query, args...)
		return err
	})
}

// appendNewJob appends the values of a new job's columns.
func appendNewJob(args []any, j *cloud.Job) []any {
	return append(args,
		string(j.ID), string(j.AccountID), string(j.CloudspaceID), string(j.State), j.Action, string(j.ScriptID), string(j.Args),
		string(j.TargetNode), string(j.TargetRole), string(j.TargetLocation), j.Queue, j.Priority, j.Key, j.TimeoutMS,
		j.MaxAttempts, j.Attempt, j.Idempotent, j.RunAs, string(j.Retention), string(j.SubjectKind), j.SubjectID,
		string(j.OperationID), j.Step, string(j.ScheduleID), j.CreatedBy, j.Lane, string(j.NodeID),
		j.Token, false, int64(0), "", "", int64(0), int64(0), "", "", false,
		int64(j.CreatedAt), int64(j.LeasedAt), int64(0), int64(0), string(j.ProjectID), "")
}

// insertShape returns a row of VALUES in which the columns that are empty in all
// rows are written out, and the values of the others, moved together: a
// parameter costs the driver more than a literal.
func insertShape(args []any) (string, []any) {
	width := len(jobs.cols)
	marks := make([]string, width)
	for i, v := range args {
		if c := i % width; marks[c] != "?" {
			marks[c] = literal(v)
		}
	}
	kept := args[:0]
	for i, v := range args {
		if marks[i%width] == "?" {
			kept = append(kept, v)
		}
	}
	return "(" + strings.Join(marks, ", ") + ")", kept
}

// literal is the value in SQL if it is empty, and a parameter's mark if not.
func literal(v any) string {
	switch v {
	case "":
		return "''"
	case int64(0):
		return "0"
	case false:
		return "FALSE"
	}
	return "?"
}

// Lease is one hand-over of a job to a node.
type Lease struct {
	ID      cloud.JobID
	NodeID  cloud.NodeID
	Token   int64 // the new one; the row must have the one before
	Attempt int64
	At      cloud.Time
	Keyed   bool // the job has a key
}

// Of one key only one job may be held. The subquery says key <> ” for the
// planner, which then uses the index jobs_key_held.
const keyFree = ` AND (jobs.key = '' OR NOT EXISTS (SELECT 1 FROM jobs h WHERE h.key = jobs.key AND h.key <> '' AND h.state IN ('leased', 'running')))`

const leaseLite = `UPDATE jobs SET state = 'leased', node_id = ?, token = ?, attempt = ?, leased_at = ?
	WHERE id = ? AND state = 'queued' AND token = ?`

// LeaseJobs makes queued jobs leased and returns the ids of those that still
// were queued and whose key is not held. No two in the list have one key.
func (tx *Tx) LeaseJobs(list []Lease) (map[cloud.JobID]bool, error) {
	leased := make(map[cloud.JobID]bool, len(list))
	if len(list) == 0 {
		return leased, nil
	}
	if !tx.d.sqlite {
		return tx.leasePG(list)
	}
	for _, l := range list {
		query := leaseLite
		if l.Keyed {
			query += keyFree
		}
		n, err := tx.exec(query, string(l.NodeID), l.Token, l.Attempt, int64(l.At), string(l.ID), l.Token-1)
		if err != nil {
			return nil, err
		}
		if n == 1 {
			leased[l.ID] = true
		}
	}
	return leased, nil
}

// JobRef names a lease.
type JobRef struct {
	ID    cloud.JobID
	Token int64
}

// AckJobs makes leased jobs running: their agent has them.
func (tx *Tx) AckJobs(refs []JobRef, at cloud.Time) error {
	if len(refs) == 0 {
		return nil
	}
	if !tx.d.sqlite {
		return tx.ackPG(refs, at)
	}
	for _, r := range refs {
		if _, err := tx.exec("UPDATE jobs SET state = 'running', started_at = ? WHERE id = ? AND token = ? AND state = 'leased'", at, r.ID, r.Token); err != nil {
			return err
		}
	}
	return nil
}

// Finish is the end of a job that the node holds.
type Finish struct {
	JobRef
	NodeID      cloud.NodeID
	State       cloud.JobState
	ExitCode    int64
	Result      string
	Output      string
	OutputBytes int64
	Streams     string
	Stats       string
	Error       string
	Simulated   bool
	StartedAt   cloud.Time
	FinishedAt  cloud.Time
	// Bare says that the job is known to have no key, operation or subject.
	Bare bool
}

// finishLite writes only what is not empty: nothing else was ever written there.
// SQLite is quickest with one short statement for each row, without RETURNING.
func finishLite(f *Finish) (string, []any) {
	var set strings.Builder
	set.WriteString("UPDATE jobs SET state = ?, finished_at = ?")
	args := append(make([]any, 0, 14), string(f.State), int64(f.FinishedAt))
	for _, c := range [...]struct {
		set   string
		value any
	}{
		{", exit_code = ?", f.ExitCode},
		{", result = ?", f.Result},
		{", output = ?", f.Output},
		{", output_bytes = ?", f.OutputBytes},
		{", streams = ?", f.Streams},
		{", stats = ?", f.Stats},
		{", error = ?", f.Error},
		{", simulated = ?", f.Simulated},
		{", started_at = ?", int64(f.StartedAt)},
	} {
		if literal(c.value) == "?" {
			set.WriteString(c.set)
			args = append(args, c.value)
		}
	}
	set.WriteString(" WHERE id = ? AND token = ? AND node_id = ? AND state IN ('leased', 'running')")
	return set.String(), append(args, string(f.ID), f.Token, string(f.NodeID))
}

// FinishJobs ends held jobs whose token is the current one and returns their ID,
// Key, OperationID, SubjectKind and State; a result with an older token, or of another node
// than the one that holds the job, changes nothing. Of two results for one job
// only one is taken.
func (tx *Tx) FinishJobs(list []Finish) ([]cloud.Job, error) {
	if len(list) == 0 {
		return nil, nil
	}
	done := make([]cloud.Job, 0, len(list))
	if !tx.d.sqlite {
		return tx.finishPG(list)
	}
	for i := range list {
		f := &list[i]
		query, args := finishLite(f)
		n, err := tx.exec(query, args...)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			continue
		}
		j := cloud.Job{ID: f.ID, State: f.State}
		if f.Bare {
			done = append(done, j)
			continue
		}
		if err := tx.queryRow("SELECT key, operation_id, subject_kind FROM jobs WHERE id = ?", string(f.ID)).Scan(&j.Key, &j.OperationID, &j.SubjectKind); err != nil {
			return nil, tx.d.translate(err)
		}
		done = append(done, j)
	}
	return done, nil
}
