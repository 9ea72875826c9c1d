package job

import (
	"context"

	"atoll/internal/cloud"
	"atoll/internal/store"
)

// silentAfter is how long a node may be silent before jobs that another node may
// take are taken from it; lostAfter is added to a job's timeout before one that
// only this node can finish is given up; gone is when the session of a silent
// agent is forgotten. They count beats: seconds, unless SetOffline says otherwise.
const (
	silentAfter = 120
	lostAfter   = 300
	gone        = 600
)

// expire frees or gives up the jobs of nodes that are silent.
func (q *Queue) expire(ctx context.Context) error {
	return q.db.Update(ctx, func(tx *store.Tx) error {
		now, err := tx.Now()
		if err != nil || q.ear.Listened(now, silentAfter*q.beat/4) < silentAfter*q.beat {
			return err
		}
		held, err := tx.HeldBySilent(now.Add(-silentAfter*q.beat), now.Add(-lostAfter*q.beat), 200)
		if err != nil {
			return err
		}
		for i := range held {
			if err := q.lose(tx, &held[i], "its node is silent"); err != nil {
				return err
			}
		}
		return nil
	})
}

// lose ends a held job that its agent does not know, or puts it back if it may
// run again.
func (q *Queue) lose(tx *store.Tx, j *cloud.Job, why string) error {
	switch {
	case j.CancelAsked:
		return q.end(tx, j, cloud.JobCanceled, "canceled; the agent lost it: "+why)
	case mayRunAgain(j):
		return q.requeue(tx, j)
	}
	return q.end(tx, j, cloud.JobLost, "the agent lost it: "+why)
}

func mayRunAgain(j *cloud.Job) bool {
	return j.Idempotent && j.Attempt < j.MaxAttempts && !j.CancelAsked
}

// requeue puts a held job back into its lane.
func (q *Queue) requeue(tx *store.Tx, j *cloud.Job) error {
	if err := tx.RequeueJobs([]store.JobRef{{ID: j.ID, Token: j.Token}}); err != nil {
		return err
	}
	back := *j
	back.State, back.NodeID, back.LeasedAt, back.StartedAt = cloud.JobQueued, "", 0, 0
	tx.Notify()
	q.changed(tx, changes([]*cloud.Job{j}))
	tx.OnCommit(func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.put(&back)
		q.freeKey(back.Key)
	})
	return nil
}

// end ends a held job without a result of its agent.
func (q *Queue) end(tx *store.Tx, j *cloud.Job, state cloud.JobState, why string) error {
	now, err := tx.Now()
	if err != nil {
		return err
	}
	done, err := tx.FinishJobs([]store.Finish{{
		JobRef: store.JobRef{ID: j.ID, Token: j.Token}, NodeID: j.NodeID, State: state, Error: why, FinishedAt: now,
	}})
	if err != nil {
		return err
	}
	return q.finished(tx, done)
}

// Abandon ends the jobs of a node that is being deleted: those that wait for it,
// and those that it holds, unless another node may run them again.
func (q *Queue) Abandon(tx *store.Tx, node cloud.NodeID) error {
	const why = "its node was deleted"
	tx.OnCommit(func() { q.Forget(node) }) // before its jobs are given to those that are left
	waiting, err := tx.QueuedFor(node)
	if err != nil {
		return err
	}
	for i := range waiting {
		if _, err := q.cancelQueued(tx, &waiting[i], why); err != nil {
			return err
		}
	}
	held, err := tx.HeldJobs(node)
	if err != nil {
		return err
	}
	for i := range held {
		if held[i].TargetRole != "" {
			err = q.lose(tx, &held[i], why)
		} else {
			err = q.end(tx, &held[i], cloud.JobLost, why)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Forget ends the session of a node that was deleted.
func (q *Queue) Forget(node cloud.NodeID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.sessions[node]
	if s == nil {
		return
	}
	delete(q.sessions, node)
	if w := q.drop(s); w != nil && !q.closed {
		q.pumps.Go(w.Drop) // it writes to a connection
	}
}
