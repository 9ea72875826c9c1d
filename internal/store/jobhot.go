package store

import (
	"encoding/json"
	"fmt"
	"strings"

	"atoll/internal/cloud"
)

// This is the hot path of jobs: insert, lease, acknowledge and finish, written for
// each of the two databases. PostgreSQL takes one statement for all rows, which
// come as one JSON parameter; SQLite takes them as VALUES, some tens at a time,
// as parsing JSON costs it more than the row.

// newJob are the values of the columns that a new job does not bring along.
var newJob = map[string]string{
	"node_id": "''", "token": "0", "cancel_asked": "FALSE", "exit_code": "0", "result": "''", "output": "''",
	"output_bytes": "0", "segments": "0", "stats": "''", "error": "''", "simulated": "FALSE",
	"leased_at": "0", "started_at": "0", "finished_at": "0",
}

var (
	insertPG   = fmt.Sprintf("INSERT INTO jobs (%[1]s) SELECT %[1]s FROM json_populate_recordset(NULL::jobs, CAST(? AS json))", jobs.columns())
	insertLite = func() *rowsStatement {
		row := make([]string, len(jobs.cols))
		for i, c := range jobs.cols {
			row[i] = "?"
			if v, ok := newJob[c]; ok {
				row[i] = v
			}
		}
		return newRowsStatement("("+strings.Join(row, ", ")+")", "INSERT INTO jobs ("+jobs.columns()+") VALUES %s")
	}()
)

// rowsStatement is a statement with a VALUES list, in a few sizes, each of which
// is prepared once.
type rowsStatement struct {
	width int
	sizes [3]int
	text  [3]string
}

// maxParameters bounds the parameters of one statement: the driver searches all
// of them for each.
const maxParameters = 200

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

// InsertJobs writes new jobs, which are queued; they have been normalised and
// validated.
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
	}
	if !tx.d.sqlite {
		return tx.insertPG(list)
	}
	args := make([]any, 0, len(list)*insertLite.width)
	for _, j := range list {
		args = append(args,
			string(j.ID), string(j.AccountID), string(j.CloudspaceID), string(j.State), j.Action, string(j.ScriptID), string(j.Args),
			string(j.TargetNode), string(j.TargetRole), string(j.TargetLocation), j.Queue, j.Priority, j.Key, j.TimeoutMS,
			j.MaxAttempts, j.Attempt, j.Idempotent, j.RunAs, string(j.Retention), string(j.SubjectKind), j.SubjectID,
			string(j.OperationID), j.Step, string(j.ScheduleID), j.CreatedBy, j.Lane, int64(j.CreatedAt))
	}
	return insertLite.each(args, func(query string, args []any) error {
		_, err := tx.exec(query, args...)
		return err
	})
}

func (tx *Tx) insertPG(list []*cloud.Job) error {
	rows := make([]map[string]any, len(list))
	for i, j := range list {
		vals, err := values(jobs.ptrs(j))
		if err != nil {
			return err
		}
		rows[i] = make(map[string]any, len(vals))
		for n, v := range plain(vals) {
			rows[i][jobs.cols[n]] = v
		}
	}
	b, err := json.Marshal(rows)
	if err != nil {
		return err
	}
	_, err = tx.exec(insertPG, string(b))
	return err
}

// Lease is one hand-over of a job to a node.
type Lease struct {
	ID      cloud.JobID  `json:"id"`
	NodeID  cloud.NodeID `json:"node_id"`
	Token   int64        `json:"token"` // the new one; the row must have the one before
	Attempt int64        `json:"attempt"`
	At      cloud.Time   `json:"leased_at"`
}

// The subquery says key <> ” for the planner, which then uses the index jobs_key_held.
const leaseSet = `UPDATE jobs SET state = 'leased', node_id = l.node_id, token = l.token, attempt = l.attempt, leased_at = l.leased_at
	FROM %s WHERE jobs.id = l.id AND jobs.state = 'queued' AND jobs.token = l.token - 1
	AND (jobs.key = '' OR NOT EXISTS (SELECT 1 FROM jobs h WHERE h.key = jobs.key AND h.key <> '' AND h.state IN ('leased', 'running')))`

var (
	leasePG   = fmt.Sprintf(leaseSet, "json_to_recordset(CAST(? AS json)) AS l (id text, node_id text, token bigint, attempt bigint, leased_at bigint)") + " RETURNING jobs.id"
	leaseLite = newRowsStatement("(?, ?, ?, ?, ?)", fmt.Sprintf(leaseSet,
		"(SELECT column1 AS id, column2 AS node_id, column3 AS token, column4 AS attempt, column5 AS leased_at FROM (VALUES %s)) AS l"))
)

// LeaseJobs makes queued jobs leased and returns the ids of those that still
// were queued and whose key is not held. No two in the list have one key.
func (tx *Tx) LeaseJobs(list []Lease) (map[cloud.JobID]bool, error) {
	leased := make(map[cloud.JobID]bool, len(list))
	if len(list) == 0 {
		return leased, nil
	}
	if !tx.d.sqlite {
		b, err := json.Marshal(list)
		if err != nil {
			return nil, err
		}
		err = tx.query(func(scan func(...any) error) error {
			var id cloud.JobID
			err := scan(&id)
			leased[id] = true
			return err
		}, leasePG, string(b))
		return leased, err
	}
	args := make([]any, 0, 5*len(list))
	for _, l := range list {
		args = append(args, string(l.ID), string(l.NodeID), l.Token, l.Attempt, int64(l.At))
	}
	at := 0
	err := leaseLite.each(args, func(query string, args []any) error {
		part := list[at : at+len(args)/5]
		at += len(part)
		n, err := tx.exec(query, args...)
		if err != nil {
			return err
		}
		return tx.noteLeased(part, n, leased)
	})
	return leased, err
}

// noteLeased notes which of the list were leased, when n of them were.
func (tx *Tx) noteLeased(list []Lease, n int64, leased map[cloud.JobID]bool) error {
	for _, l := range list {
		ok := n == int64(len(list))
		if !ok && n > 0 {
			got, err := tx.LeasedTo(l.NodeID, map[JobRef]bool{{l.ID, l.Token}: true})
			if err != nil {
				return err
			}
			ok = len(got) == 1
		}
		if ok {
			leased[l.ID] = true
		}
	}
	return nil
}

// JobRef names a lease.
type JobRef struct {
	ID    cloud.JobID `json:"id"`
	Token int64       `json:"token"`
}

// AckJobs makes leased jobs running: their agent has them.
func (tx *Tx) AckJobs(refs []JobRef, at cloud.Time) error {
	if len(refs) == 0 {
		return nil
	}
	if !tx.d.sqlite {
		b, err := json.Marshal(refs)
		if err != nil {
			return err
		}
		_, err = tx.exec(`UPDATE jobs SET state = 'running', started_at = ?
			FROM json_to_recordset(CAST(? AS json)) AS l (id text, token bigint)
			WHERE jobs.id = l.id AND jobs.token = l.token AND jobs.state = 'leased'`, at, string(b))
		return err
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
	NodeID      cloud.NodeID   `json:"node_id"`
	State       cloud.JobState `json:"state"`
	ExitCode    int64          `json:"exit_code"`
	Result      string         `json:"result"`
	Output      string         `json:"output"`
	OutputBytes int64          `json:"output_bytes"`
	Stats       string         `json:"stats"`
	Error       string         `json:"error"`
	Simulated   bool           `json:"simulated"`
	StartedAt   cloud.Time     `json:"started_at"`
	FinishedAt  cloud.Time     `json:"finished_at"`
}

const finishSet = `UPDATE jobs SET state = f.state, exit_code = f.exit_code, result = f.result, output = f.output,
	output_bytes = f.output_bytes, stats = f.stats, error = f.error, simulated = f.simulated,
	started_at = CASE WHEN f.started_at > 0 THEN f.started_at ELSE jobs.started_at END, finished_at = f.finished_at
	FROM %s WHERE jobs.id = f.id AND jobs.token = f.token AND jobs.node_id = f.node_id AND jobs.state IN ('leased', 'running')
	RETURNING %s`

var (
	finishPG = fmt.Sprintf(finishSet, `json_to_recordset(CAST(? AS json)) AS f (id text, token bigint, node_id text, state text, exit_code bigint,
		result text, output text, output_bytes bigint, stats text, error text, simulated boolean, started_at bigint, finished_at bigint)`,
		"jobs.id, jobs.key, jobs.operation_id, jobs.state")
	finishLite = newRowsStatement("(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", fmt.Sprintf(finishSet, `(SELECT column1 AS id, column2 AS token,
		column3 AS node_id, column4 AS state, column5 AS exit_code, column6 AS result, column7 AS output, column8 AS output_bytes, column9 AS stats,
		column10 AS error, column11 AS simulated, column12 AS started_at, column13 AS finished_at FROM (VALUES %s)) AS f`, "id, key, operation_id, state"))
)

// FinishJobs ends held jobs whose token is the current one and returns their ID,
// Key, OperationID and State; a result with an older token, or of another node
// than the one that holds the job, changes nothing. Of two results for one job
// only one is taken.
func (tx *Tx) FinishJobs(list []Finish) ([]cloud.Job, error) {
	if len(list) == 0 {
		return nil, nil
	}
	done := make([]cloud.Job, 0, len(list))
	each := func(scan func(...any) error) error {
		var j cloud.Job
		if err := scan(&j.ID, &j.Key, &j.OperationID, &j.State); err != nil {
			return err
		}
		done = append(done, j)
		return nil
	}
	if !tx.d.sqlite {
		b, err := json.Marshal(list)
		if err != nil {
			return nil, err
		}
		err = tx.query(each, finishPG, string(b))
		return done, err
	}
	args := make([]any, 0, 13*len(list))
	for i := range list {
		f := &list[i]
		args = append(args, string(f.ID), f.Token, string(f.NodeID), string(f.State), f.ExitCode, f.Result, f.Output, f.OutputBytes,
			f.Stats, f.Error, f.Simulated, int64(f.StartedAt), int64(f.FinishedAt))
	}
	err := finishLite.each(args, func(query string, args []any) error { return tx.query(each, query, args...) })
	return done, err
}
