package store

import (
	"encoding/json"
	"fmt"
	"strings"

	"atoll/internal/cloud"
)

// jobs is hot: insert, lease, acknowledge and finish are written for each of the
// two databases, SQLite row by row with prepared statements, PostgreSQL one
// statement for all rows, which come as one JSON parameter.
var jobs = table[cloud.Job]{
	kind: cloud.KindJob, name: "jobs",
	cols: []string{
		"id", "account_id", "cloudspace_id", "state", "action", "script_id", "args", "target_node", "target_role",
		"target_location", "queue", "priority", "key", "timeout_ms", "max_attempts", "attempt", "idempotent", "run_as",
		"retention", "subject_kind", "subject_id", "operation_id", "step", "schedule_id", "created_by", "lane", "node_id",
		"token", "cancel_asked", "exit_code", "result", "output", "output_bytes", "segments", "stats", "error", "simulated",
		"created_at", "leased_at", "started_at", "finished_at",
	},
	ptrs: func(v *cloud.Job) []any {
		return []any{
			&v.ID, &v.AccountID, &v.CloudspaceID, &v.State, &v.Action, &v.ScriptID,
			rawJSON{&v.Args},
			&v.TargetNode, &v.TargetRole,
			&v.TargetLocation, &v.Queue, &v.Priority, &v.Key, &v.TimeoutMS, &v.MaxAttempts, &v.Attempt, &v.Idempotent, &v.RunAs,
			&v.Retention, &v.SubjectKind, &v.SubjectID, &v.OperationID, &v.Step, &v.ScheduleID, &v.CreatedBy, &v.Lane, &v.NodeID,
			&v.Token, &v.CancelAsked, &v.ExitCode,
			rawJSON{&v.Result},
			&v.Output, &v.OutputBytes, &v.Segments,
			rawJSON{&v.Stats},
			&v.Error, &v.Simulated,
			&v.CreatedAt, &v.LeasedAt, &v.StartedAt, &v.FinishedAt,
		}
	},
	filters: map[string]string{
		"state": "state", "action": "action", "key": "key", "node": "node_id", "target": "target_node", "queue": "queue",
		"subject": "subject_id", "operation": "operation_id", "schedule": "schedule_id", "account": "account_id",
	},
	account: "account_id", cloudspace: "cloudspace_id",
}

var (
	jobMarks     = strings.TrimSuffix(strings.Repeat("?, ", len(jobs.cols)), ", ")
	insertLite   = fmt.Sprintf("INSERT INTO jobs (%s) VALUES (%s)", jobs.columns(), jobMarks)
	insertPG     = fmt.Sprintf("INSERT INTO jobs (%[1]s) SELECT %[1]s FROM json_populate_recordset(NULL::jobs, CAST(? AS json))", jobs.columns())
	jobReturning = " RETURNING " + jobs.columns()
)

// InsertJobs writes new jobs; they have been normalised and validated.
func (tx *Tx) InsertJobs(list []*cloud.Job) error {
	now, err := tx.Now()
	if err != nil {
		return err
	}
	var rows []map[string]any
	for _, j := range list {
		j.CreatedAt = now
		vals, err := values(jobs.ptrs(j))
		if err != nil {
			return err
		}
		if tx.d.sqlite {
			if _, err := tx.exec(insertLite, vals...); err != nil {
				return err
			}
			continue
		}
		row := make(map[string]any, len(vals))
		for i, v := range plain(vals) {
			row[jobs.cols[i]] = v
		}
		rows = append(rows, row)
	}
	if tx.d.sqlite || len(rows) == 0 {
		return nil
	}
	return tx.execJSON(insertPG, rows)
}

func (tx *Tx) execJSON(query string, rows any) error {
	b, err := json.Marshal(rows)
	if err != nil {
		return err
	}
	_, err = tx.exec(query, string(b))
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

// LeaseJobs makes queued jobs leased and returns the ids of those that still
// were queued and whose key is not held.
func (tx *Tx) LeaseJobs(list []Lease) (map[cloud.JobID]bool, error) {
	leased := make(map[cloud.JobID]bool, len(list))
	if len(list) == 0 {
		return leased, nil
	}
	const free = ` (key = '' OR NOT EXISTS (SELECT 1 FROM jobs h WHERE h.key = jobs.key AND h.state IN ('leased', 'running')))`
	if tx.d.sqlite {
		for _, l := range list {
			n, err := tx.exec(`UPDATE jobs SET state = 'leased', node_id = ?, token = ?, attempt = ?, leased_at = ?
				WHERE id = ? AND state = 'queued' AND token = ? AND`+free, l.NodeID, l.Token, l.Attempt, l.At, l.ID, l.Token-1)
			if err != nil {
				return nil, err
			}
			leased[l.ID] = n == 1
		}
		return leased, nil
	}
	b, err := json.Marshal(list)
	if err != nil {
		return nil, err
	}
	err = tx.query(func(scan func(...any) error) error {
		var id cloud.JobID
		err := scan(&id)
		leased[id] = true
		return err
	}, `UPDATE jobs SET state = 'leased', node_id = l.node_id, token = l.token, attempt = l.attempt, leased_at = l.leased_at
		FROM json_to_recordset(CAST(? AS json)) AS l (id text, node_id text, token bigint, attempt bigint, leased_at bigint)
		WHERE jobs.id = l.id AND jobs.state = 'queued' AND jobs.token = l.token - 1 AND`+free+` RETURNING jobs.id`, string(b))
	return leased, err
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

// Finish is the end of a job.
type Finish struct {
	JobRef
	State       cloud.JobState `json:"state"`
	ExitCode    int64          `json:"exit_code"`
	Result      string         `json:"result"`
	Output      string         `json:"output"`
	OutputBytes int64          `json:"output_bytes"`
	Segments    int64          `json:"segments"`
	Stats       string         `json:"stats"`
	Error       string         `json:"error"`
	Simulated   bool           `json:"simulated"`
	StartedAt   cloud.Time     `json:"started_at"`
	FinishedAt  cloud.Time     `json:"finished_at"`
}

// FinishJobs ends held jobs whose token is the current one and returns them as
// they are now; a result with an older token changes nothing.
func (tx *Tx) FinishJobs(list []Finish) ([]cloud.Job, error) {
	var done []cloud.Job
	each := func(scan func(...any) error) error {
		var j cloud.Job
		if err := scan(jobs.ptrs(&j)...); err != nil {
			return err
		}
		done = append(done, j)
		return nil
	}
	if len(list) == 0 {
		return nil, nil
	}
	if !tx.d.sqlite {
		b, err := json.Marshal(list)
		if err != nil {
			return nil, err
		}
		cols := make([]string, len(jobs.cols))
		for i, c := range jobs.cols {
			cols[i] = "jobs." + c
		}
		err = tx.query(each, `UPDATE jobs SET state = f.state, exit_code = f.exit_code, result = f.result, output = f.output,
			output_bytes = f.output_bytes, segments = greatest(jobs.segments, f.segments), stats = f.stats, error = f.error, simulated = f.simulated,
			started_at = CASE WHEN f.started_at > 0 THEN f.started_at ELSE jobs.started_at END, finished_at = f.finished_at
			FROM json_to_recordset(CAST(? AS json)) AS f (id text, token bigint, state text, exit_code bigint, result text, output text,
				output_bytes bigint, segments bigint, stats text, error text, simulated boolean, started_at bigint, finished_at bigint)
			WHERE jobs.id = f.id AND jobs.token = f.token AND jobs.state IN ('leased', 'running') RETURNING `+strings.Join(cols, ", "), string(b))
		return done, err
	}
	for _, f := range list {
		err := tx.query(each, `UPDATE jobs SET state = ?, exit_code = ?, result = ?, output = ?, output_bytes = ?, segments = max(segments, ?),
			stats = ?, error = ?, simulated = ?, started_at = CASE WHEN ? > 0 THEN ? ELSE started_at END, finished_at = ?
			WHERE id = ? AND token = ? AND state IN ('leased', 'running')`+jobReturning,
			f.State, f.ExitCode, f.Result, f.Output, f.OutputBytes, f.Segments, f.Stats, f.Error, f.Simulated,
			f.StartedAt, f.StartedAt, f.FinishedAt, f.ID, f.Token)
		if err != nil {
			return nil, err
		}
	}
	return done, nil
}

// RequeueJobs puts held jobs that may run again back into their lanes.
func (tx *Tx) RequeueJobs(refs []JobRef) error {
	for _, r := range refs {
		if _, err := tx.exec(`UPDATE jobs SET state = 'queued', node_id = '', leased_at = 0, started_at = 0
			WHERE id = ? AND token = ? AND state IN ('leased', 'running')`, r.ID, r.Token); err != nil {
			return err
		}
	}
	return nil
}

// CancelQueued ends a job that no agent has; it reports whether it did.
func (tx *Tx) CancelQueued(id cloud.JobID, state cloud.JobState, why string) (bool, error) {
	now, err := tx.Now()
	if err != nil {
		return false, err
	}
	n, err := tx.exec("UPDATE jobs SET state = ?, error = ?, finished_at = ? WHERE id = ? AND state = 'queued'", state, why, now, id)
	return n == 1, err
}

// AskCancel marks a held job; its agent is told.
func (tx *Tx) AskCancel(id cloud.JobID) error {
	_, err := tx.exec("UPDATE jobs SET cancel_asked = TRUE WHERE id = ? AND state IN ('leased', 'running')", id)
	return err
}

// CancelsAsked returns the held jobs that were asked to end.
func (tx *Tx) CancelsAsked() ([]cloud.Job, error) {
	return jobs.all(tx, "cancel_asked AND state IN ('leased', 'running') ORDER BY id")
}

// Job returns the job.
func (tx *Tx) Job(id cloud.JobID) (*cloud.Job, error) { return jobs.get(tx, id, "id = ?", id) }

// Jobs returns a page of jobs and the cursor of the next one.
func (tx *Tx) Jobs(q Query) ([]cloud.Job, string, error) { return jobs.list(tx, q) }

// JobsOf returns the operation's jobs in the order of their creation.
func (tx *Tx) JobsOf(op cloud.OperationID) ([]cloud.Job, error) {
	return jobs.all(tx, "operation_id = ? AND operation_id <> '' ORDER BY id", op)
}

// JobOfStep returns the operation's job with the step's name.
func (tx *Tx) JobOfStep(op cloud.OperationID, step string) (*cloud.Job, error) {
	return jobs.get(tx, step, "operation_id = ? AND operation_id <> '' AND step = ?", op, step)
}

// HeldJobs returns the leased and running jobs of a node.
func (tx *Tx) HeldJobs(node cloud.NodeID) ([]cloud.Job, error) {
	return jobs.all(tx, "node_id = ? AND state IN ('leased', 'running') ORDER BY id", node)
}

// QueuedFor returns the queued jobs that only the node can take.
func (tx *Tx) QueuedFor(node cloud.NodeID) ([]cloud.Job, error) {
	return jobs.all(tx, "state = 'queued' AND target_node = ? ORDER BY id", node)
}

// HeldBySilent returns leased and running jobs of nodes that were not heard since the time.
func (tx *Tx) HeldBySilent(since cloud.Time, limit int) ([]cloud.Job, error) {
	return jobs.all(tx, `state IN ('leased', 'running') AND leased_at < ?
		AND node_id NOT IN (SELECT id FROM nodes WHERE last_seen_at >= ? AND deleted_at = 0) ORDER BY id LIMIT ?`, since, since, limit)
}

// QueuedJobs returns the first queued jobs of a lane, in the order in which they go.
func (tx *Tx) QueuedJobs(lane string, limit int) ([]cloud.Job, error) {
	return jobs.all(tx, "state = 'queued' AND lane = ? ORDER BY priority DESC, id LIMIT ?", lane, limit)
}

// QueuedLanes returns the lanes in which jobs wait.
func (tx *Tx) QueuedLanes() ([]string, error) {
	var out []string
	err := tx.query(func(scan func(...any) error) error {
		var lane string
		err := scan(&lane)
		out = append(out, lane)
		return err
	}, "SELECT DISTINCT lane FROM jobs WHERE state = 'queued'")
	return out, err
}

// QueuedWithKey returns the queued jobs of a key, which a newer one may supersede.
func (tx *Tx) QueuedWithKey(key string) ([]cloud.Job, error) {
	return jobs.all(tx, "key = ? AND key <> '' AND state = 'queued' ORDER BY id", key)
}

// SetSegments records how many output segments of a held job are stored.
func (tx *Tx) SetSegments(ref JobRef, n int64) error {
	_, err := tx.exec("UPDATE jobs SET segments = ? WHERE id = ? AND token = ? AND segments < ?", n, ref.ID, ref.Token, n)
	return err
}

// ExpiredJobs returns finished jobs that retention lets go, the oldest first:
// class days before the first time, successes of class failures before the
// second, and of class last all but the newest of their key.
func (tx *Tx) ExpiredJobs(days, failures cloud.Time, limit int) ([]cloud.Job, error) {
	return jobs.all(tx, `finished_at > 0 AND (
			retention = 'days' AND finished_at < ? OR
			retention = 'failures' AND (finished_at < ? OR state = 'succeeded' AND finished_at < ?) OR
			retention = 'last' AND EXISTS (SELECT 1 FROM jobs n WHERE n.key = jobs.key AND n.id > jobs.id AND n.finished_at > 0))
		ORDER BY id LIMIT ?`, days, days, failures, limit)
}

// DeleteJobs removes finished jobs.
func (tx *Tx) DeleteJobs(ids []cloud.JobID) error {
	if len(ids) == 0 {
		return nil
	}
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = string(id)
	}
	_, err := tx.exec("DELETE FROM jobs WHERE finished_at > 0 AND "+in("id", len(ids)), args...)
	return err
}
