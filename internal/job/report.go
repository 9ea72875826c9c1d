package job

import (
	"context"
	"encoding/json"
	"slices"

	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/wire"
)

// storeLogs keeps the chunks of output that belong to jobs of the node; others
// are left out.
func (q *Queue) storeLogs(ctx context.Context, node cloud.NodeID, r *report) error {
	if len(r.x.Logs) == 0 {
		return nil
	}
	asked := map[store.JobRef]bool{}
	for i := range r.x.Logs {
		asked[store.JobRef(r.x.Logs[i].JobRef)] = true
	}
	var own map[store.JobRef]bool
	err := q.db.View(ctx, func(tx *store.Tx) (err error) { own, err = tx.JobsOfNode(node, asked); return err })
	if err != nil {
		return err
	}
	for _, c := range r.x.Logs {
		if !own[store.JobRef(c.JobRef)] || c.Sequence < 0 {
			continue
		}
		if err := q.hooks.StoreLog(ctx, c); err != nil {
			return err
		}
		r.logs = append(r.logs, c)
	}
	return nil
}

// take stores what an exchange reports and returns the jobs that are to be
// handed over once more.
func (q *Queue) take(tx *store.Tx, r *report) ([]wire.Job, error) {
	node := r.s.peer.Node
	if r.fresh && !r.late {
		if _, err := tx.HoldNode(node, q.me, r.x.Session); err != nil {
			return nil, err
		}
	}
	if err := q.takeReport(tx, node, r); err != nil {
		return nil, err
	}
	if r.sync {
		return q.compare(tx, node, r.x)
	}
	return stillLeased(tx, node, r.again)
}

// takeReport stores acknowledgements, output and results.
func (q *Queue) takeReport(tx *store.Tx, node cloud.NodeID, r *report) error {
	if len(r.acks) == 0 && len(r.x.Results) == 0 && len(r.logs) == 0 {
		return nil
	}
	now, err := tx.Now()
	if err != nil {
		return err
	}
	if err := tx.AckJobs(r.acks, now); err != nil {
		return err
	}
	if len(r.acks) > 0 {
		q.changed(tx, refChanges(r.acks, r.bareAcks))
	}
	for _, c := range r.logs {
		if err := tx.SetSegments(store.JobRef(c.JobRef), c.Sequence+1); err != nil {
			return err
		}
	}
	ends := make([]store.Finish, 0, len(r.x.Results))
	for i := range r.x.Results {
		res := &r.x.Results[i]
		if res.State == cloud.JobLost {
			again, err := q.runAgain(tx, node, res)
			if err != nil {
				return err
			}
			if again {
				continue
			}
		}
		end := finishOf(node, res, now)
		end.Bare = r.bare[res.JobRef]
		ends = append(ends, end)
	}
	done, err := tx.FinishJobs(ends)
	if err != nil {
		return err
	}
	return q.finished(tx, done)
}

// runAgain puts a job back whose agent was ended while it ran, if it may run again.
func (q *Queue) runAgain(tx *store.Tx, node cloud.NodeID, r *wire.Result) (bool, error) {
	j, err := tx.Job(r.ID)
	if cloud.Is(err, cloud.NotFound) {
		return false, nil
	}
	if err != nil || j.NodeID != node || j.Token != r.Token || (j.State != cloud.JobLeased && j.State != cloud.JobRunning) || !mayRunAgain(j) {
		return false, err
	}
	return true, q.requeue(tx, j)
}

// stillLeased returns those of the jobs that nobody took from the node
// meanwhile: a job that was given up must not start.
func stillLeased(tx *store.Tx, node cloud.NodeID, list []wire.Job) ([]wire.Job, error) {
	if len(list) == 0 {
		return nil, nil
	}
	asked := make(map[store.JobRef]bool, len(list))
	for i := range list {
		asked[store.JobRef(list[i].JobRef)] = true
	}
	leased, err := tx.LeasedTo(node, asked)
	if err != nil {
		return nil, err
	}
	var out []wire.Job
	for i := range list {
		if leased[store.JobRef(list[i].JobRef)] {
			out = append(out, list[i])
		}
	}
	return out, nil
}

// compare finds hand-overs that went wrong: leased jobs that the agent does not
// know are sent again, running ones that it does not know are lost.
func (q *Queue) compare(tx *store.Tx, node cloud.NodeID, x *wire.Exchange) ([]wire.Job, error) {
	known := make(map[wire.JobRef]bool, len(x.Running))
	for _, r := range x.Running {
		known[r] = true
	}
	held, err := tx.HeldJobs(node)
	if err != nil {
		return nil, err
	}
	var again []wire.Job
	var have []store.JobRef
	for i := range held {
		j := &held[i]
		ref := wire.JobRef{ID: j.ID, Token: j.Token}
		if j.CancelAsked {
			tx.OnCommit(func() { q.tellCancel(node, ref) })
		}
		switch {
		case known[ref] && j.State == cloud.JobLeased:
			have = append(have, store.JobRef(ref))
		case known[ref]:
		case j.State == cloud.JobLeased:
			wj, err := q.wireJob(tx, j)
			if err != nil {
				return nil, err
			}
			if wj != nil {
				again = append(again, *wj)
			}
		default:
			if err := q.lose(tx, j, "it does not know it"); err != nil {
				return nil, err
			}
		}
	}
	if len(have) == 0 {
		return again, nil
	}
	now, err := tx.Now()
	if err != nil {
		return nil, err
	}
	q.changed(tx, refChanges(have, nil))
	return again, tx.AckJobs(have, now)
}

// finishOf turns a reported result into what is stored, bounded and clean.
func finishOf(node cloud.NodeID, r *wire.Result, now cloud.Time) store.Finish {
	f := store.Finish{
		JobRef: store.JobRef(r.JobRef), NodeID: node, State: r.State, ExitCode: r.ExitCode, OutputBytes: r.OutputBytes,
		Output: Clean(r.Output, cloud.MaxInlineResult), Streams: Clean(r.Streams, cloud.MaxInlineResult), Error: Clean(r.Error, 1024), Simulated: r.Simulated,
		StartedAt: r.StartedAt, FinishedAt: now,
	}
	if f.State == cloud.JobQueued || !slices.Contains(cloud.JobTransitions[cloud.JobRunning], f.State) {
		f.State, f.Error = cloud.JobFailed, "the agent reported the state "+Clean(string(r.State), 40)
	}
	if len(r.Result) > 0 && len(r.Result) <= cloud.MaxActionResult && json.Valid(r.Result) {
		f.Result = Clean(string(r.Result), cloud.MaxActionResult)
	}
	if len(r.Stats) > 0 {
		stats := r.Stats
		if len(stats) > 100 {
			stats = stats[:100]
		}
		if b, err := json.Marshal(stats); err == nil {
			f.Stats = string(b)
		}
	}
	return f
}
