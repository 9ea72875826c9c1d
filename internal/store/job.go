package store

import (
	"time"

	"atoll/internal/cloud"
)

var jobs = table[cloud.Job]{
	kind: cloud.KindJob, name: "jobs",
	cols: []string{
		"id", "account_id", "cloudspace_id", "state", "action", "script_id", "args", "target_node", "target_role",
		"target_location", "queue", "priority", "key", "timeout_ms", "max_attempts", "attempt", "idempotent", "run_as",
		"retention", "subject_kind", "subject_id", "operation_id", "step", "schedule_id", "created_by", "lane", "node_id",
		"token", "cancel_asked", "exit_code", "result", "output", "output_bytes", "segments", "stats", "error", "simulated",
		"created_at", "leased_at", "started_at", "finished_at", "project_id", "streams",
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
			&v.CreatedAt, &v.LeasedAt, &v.StartedAt, &v.FinishedAt, &v.ProjectID, &v.Streams,
		}
	},
	filters: map[string]string{
		"state": "state", "action": "action", "key": "key", "node": "node_id", "target": "target_node", "queue": "queue",
		"subject": "subject_id", "operation": "operation_id", "schedule": "schedule_id", "account": "account_id", "project": "project_id",
	},
	few: map[string]string{
		"state=queued":  "state = 'queued'",
		"state=leased":  "state IN ('leased', 'running')",
		"state=running": "state IN ('leased', 'running')",
	},
	inOrder: map[string]string{
		"state=failed": unsuccessful, "state=timed_out": unsuccessful, "state=canceled": unsuccessful, "state=lost": unsuccessful,
	},
	account: "account_id", cloudspace: "cloudspace_id", machine: "subject_id", project: "project_id",
}

// unsuccessful is the condition of the index jobs_unsuccessful.
const unsuccessful = "state IN ('failed', 'timed_out', 'canceled', 'lost')"

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

// AskCancel marks a held job, whose agent is to be told; it reports whether it did.
func (tx *Tx) AskCancel(id cloud.JobID) (bool, error) {
	n, err := tx.exec("UPDATE jobs SET cancel_asked = TRUE WHERE id = ? AND state IN ('leased', 'running')", id)
	return n == 1, err
}

// CancelsAsked returns the held jobs that were asked to end.
func (tx *Tx) CancelsAsked() ([]cloud.Job, error) {
	return jobs.all(tx, "cancel_asked AND state IN ('leased', 'running') ORDER BY id")
}

// Job returns the job.
func (tx *Tx) Job(id cloud.JobID) (*cloud.Job, error) { return jobs.get(tx, id, "id = ?", id) }

// Jobs returns a page of jobs and the cursor of the next one.
func (tx *Tx) Jobs(q Query) ([]cloud.Job, string, error) { return jobs.list(tx, q) }

// toldJobs reads what is told of jobs that changed.
var toldJobs = table[cloud.Job]{
	name: "jobs",
	cols: []string{"id", "account_id", "cloudspace_id", "project_id", "subject_kind", "subject_id", "operation_id", "state"},
	ptrs: func(v *cloud.Job) []any {
		return []any{&v.ID, &v.AccountID, &v.CloudspaceID, &v.ProjectID, &v.SubjectKind, &v.SubjectID, &v.OperationID, &v.State}
	},
}

// ToldJobs returns those of the jobs that exist, with where they belong and their
// state.
func (tx *Tx) ToldJobs(ids []cloud.JobID) ([]cloud.Job, error) { return some(&toldJobs, tx, ids) }

// JobsOf returns the operation's jobs in the order of their creation.
func (tx *Tx) JobsOf(op cloud.OperationID) ([]cloud.Job, error) {
	return jobs.all(tx, "operation_id = ? AND operation_id <> '' ORDER BY id", op)
}

// CountJobsOf returns how many of the operation's jobs are in each state.
func (tx *Tx) CountJobsOf(op cloud.OperationID) (map[cloud.JobState]int, error) {
	n := map[cloud.JobState]int{}
	err := tx.query(func(scan func(...any) error) error {
		var state cloud.JobState
		var count int
		err := scan(&state, &count)
		n[state] = count
		return err
	}, "SELECT state, count(*) FROM jobs WHERE operation_id = ? AND operation_id <> '' GROUP BY state", op)
	return n, err
}

// QueuedTooLong returns the operation's jobs that no node took within their
// timeout and the grace.
func (tx *Tx) QueuedTooLong(op cloud.OperationID, grace time.Duration) ([]cloud.Job, error) {
	now, err := tx.Now()
	if err != nil {
		return nil, err
	}
	return jobs.all(tx, "operation_id = ? AND operation_id <> '' AND state = 'queued' AND created_at + timeout_ms * 1000 < ? ORDER BY id", op, now.Add(-grace))
}

// JobOfStep returns the operation's job with the step's name.
func (tx *Tx) JobOfStep(op cloud.OperationID, step string) (*cloud.Job, error) {
	return jobs.get(tx, step, "operation_id = ? AND operation_id <> '' AND step = ?", op, step)
}

// HeldJobs returns the leased and running jobs of a node.
func (tx *Tx) HeldJobs(node cloud.NodeID) ([]cloud.Job, error) {
	return jobs.all(tx, "node_id = ? AND state IN ('leased', 'running') ORDER BY id", node)
}

// HoldsScript reports whether the node has a job with the script.
func (tx *Tx) HoldsScript(node cloud.NodeID, script cloud.ScriptID) (bool, error) {
	var n int64
	err := tx.queryRow("SELECT count(*) FROM jobs WHERE node_id = ? AND state IN ('leased', 'running') AND script_id = ?", node, script).Scan(&n)
	return n > 0, tx.d.translate(err)
}

// JobsOfNode returns those of the leases that are or were the node's last ones.
func (tx *Tx) JobsOfNode(node cloud.NodeID, refs map[JobRef]bool) (map[JobRef]bool, error) {
	return tx.which(refs, "node_id = ?", node)
}

// LeasedTo returns those of the leases that the node has and has not acknowledged.
func (tx *Tx) LeasedTo(node cloud.NodeID, refs map[JobRef]bool) (map[JobRef]bool, error) {
	return tx.which(refs, "node_id = ? AND state = 'leased'", node)
}

func (tx *Tx) which(refs map[JobRef]bool, where string, args ...any) (map[JobRef]bool, error) {
	out := make(map[JobRef]bool, len(refs))
	for ref := range refs {
		var n int64
		err := tx.queryRow("SELECT count(*) FROM jobs WHERE id = ? AND token = ? AND "+where, append([]any{ref.ID, ref.Token}, args...)...).Scan(&n)
		if err != nil {
			return nil, tx.d.translate(err)
		}
		if n == 1 {
			out[ref] = true
		}
	}
	return out, nil
}

// HeldBySilent returns leased and running jobs of nodes that were not heard since
// the time and that need not wait for them: jobs that another node may run again,
// and those whose timeout was over before the second time.
func (tx *Tx) HeldBySilent(since, over cloud.Time, limit int) ([]cloud.Job, error) {
	return jobs.all(tx, `state IN ('leased', 'running') AND leased_at < ?
		AND (target_role <> '' AND idempotent AND attempt < max_attempts AND NOT cancel_asked OR leased_at + timeout_ms * 1000 < ?)
		AND node_id NOT IN (SELECT id FROM nodes WHERE last_seen_at >= ? AND deleted_at = 0) ORDER BY id LIMIT ?`, since, over, since, limit)
}

// QueuedJobs returns the first queued jobs of an account in a lane, in the order
// in which they go, without those of some keys.
func (tx *Tx) QueuedJobs(lane string, account cloud.AccountID, without []string, limit int) ([]cloud.Job, error) {
	where, args := "", []any{lane, account}
	if len(without) > 0 {
		where = " AND NOT " + in("key", len(without))
		for _, key := range without {
			args = append(args, key)
		}
	}
	return queuedJobs.all(tx, "state = 'queued' AND lane = ? AND account_id = ?"+where+" ORDER BY priority DESC, id LIMIT ?", append(args, limit)...)
}

// queuedJobs reads what a queued job's hand-over needs.
var queuedJobs = table[cloud.Job]{
	name: "jobs",
	cols: []string{
		"id", "account_id", "state", "action", "script_id", "args", "target_node", "target_role", "target_location", "queue",
		"priority", "key", "timeout_ms", "attempt", "idempotent", "run_as", "subject_kind", "operation_id", "lane", "token",
	},
	ptrs: func(v *cloud.Job) []any {
		return []any{
			&v.ID, &v.AccountID, &v.State, &v.Action, &v.ScriptID,
			rawJSON{&v.Args},
			&v.TargetNode, &v.TargetRole, &v.TargetLocation, &v.Queue, &v.Priority, &v.Key,
			&v.TimeoutMS, &v.Attempt, &v.Idempotent, &v.RunAs, &v.SubjectKind, &v.OperationID, &v.Lane, &v.Token,
		}
	},
}

// QueuedFor returns the queued jobs that only the node can run.
func (tx *Tx) QueuedFor(node cloud.NodeID) ([]cloud.Job, error) {
	return jobs.all(tx, "state = 'queued' AND target_node = ? ORDER BY id", node)
}

// StillQueued returns those of the jobs that are queued.
func (tx *Tx) StillQueued(ids []cloud.JobID) ([]cloud.Job, error) {
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = id
	}
	return jobs.all(tx, "state = 'queued' AND "+in("id", len(ids)), args...)
}

// QueuedLanes returns the lanes in which jobs wait. It goes from lane to lane in
// the index, not from job to job.
func (tx *Tx) QueuedLanes() ([]string, error) {
	var out []string
	err := tx.query(func(scan func(...any) error) error {
		var lane string
		err := scan(&lane)
		out = append(out, lane)
		return err
	}, `WITH RECURSIVE lanes (lane) AS (
			SELECT min(lane) FROM jobs WHERE state = 'queued'
			UNION ALL SELECT (SELECT min(lane) FROM jobs WHERE state = 'queued' AND lane > lanes.lane) FROM lanes WHERE lanes.lane IS NOT NULL
		) SELECT lane FROM lanes WHERE lane IS NOT NULL`)
	return out, err
}

// QueuedAccounts returns the accounts that have jobs in the lane. It goes from one
// to the next in the index, too.
func (tx *Tx) QueuedAccounts(lane string) ([]cloud.AccountID, error) {
	var out []cloud.AccountID
	err := tx.query(func(scan func(...any) error) error {
		var id cloud.AccountID
		err := scan(&id)
		out = append(out, id)
		return err
	}, `WITH RECURSIVE accounts (id) AS (
			SELECT min(account_id) FROM jobs WHERE state = 'queued' AND lane = ?
			UNION ALL SELECT (SELECT min(account_id) FROM jobs WHERE state = 'queued' AND lane = ? AND account_id > accounts.id)
				FROM accounts WHERE accounts.id IS NOT NULL
		) SELECT id FROM accounts WHERE id IS NOT NULL`, lane, lane)
	return out, err
}

// QueuedWithKey returns the queued jobs of a key, which a newer one may supersede.
func (tx *Tx) QueuedWithKey(key string) ([]cloud.Job, error) {
	return jobs.all(tx, "key = ? AND key <> '' AND state = 'queued' ORDER BY id", key)
}

// UnfinishedWithKey returns the jobs of a key that wait or that an agent holds.
func (tx *Tx) UnfinishedWithKey(key string) ([]cloud.Job, error) {
	return jobs.all(tx, "key = ? AND key <> '' AND state IN ('queued', 'leased', 'running') ORDER BY id", key)
}

// SetSegments records how many output segments of a held job are stored.
func (tx *Tx) SetSegments(ref JobRef, n int64) error {
	_, err := tx.exec("UPDATE jobs SET segments = ? WHERE id = ? AND token = ? AND segments < ?", n, ref.ID, ref.Token, n)
	return err
}
