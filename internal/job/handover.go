package job

import (
	"context"
	"encoding/json"
	"errors"

	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/wire"
)

// maxHandover bounds the jobs of one answer.
const maxHandover = 512

// pick takes from the lanes what the agent has places for.
func (q *Queue) pick(s *session) []*cloud.Job {
	q.mu.Lock()
	defer q.mu.Unlock()
	var out []*cloud.Job
	for _, l := range s.lanes {
		for len(out) < maxHandover && s.places(l) > 0 {
			j := l.pop()
			if j == nil {
				break
			}
			s.take(j.Queue)
			out = append(out, j)
		}
	}
	return out
}

// unpick puts picked jobs back after a transaction that failed.
func (q *Queue) unpick(s *session, picked []*cloud.Job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, j := range picked {
		if l := q.lanes[j.Lane]; l != nil {
			l.put(j)
		}
	}
}

// lease makes the picked jobs the node's. Those that are no longer queued, or
// whose key is held, are left out.
func (q *Queue) lease(tx *store.Tx, node cloud.NodeID, picked []*cloud.Job) ([]wire.Job, error) {
	if len(picked) == 0 {
		return nil, nil
	}
	now, err := tx.Now()
	if err != nil {
		return nil, err
	}
	keys := map[string]bool{}
	leases := make([]store.Lease, 0, len(picked))
	for _, j := range picked {
		if j.Key != "" && keys[j.Key] {
			continue // its turn comes when the first of the key has ended
		}
		keys[j.Key] = true
		leases = append(leases, store.Lease{ID: j.ID, NodeID: node, Token: j.Token + 1, Attempt: j.Attempt + 1, At: now})
	}
	ok, err := tx.LeaseJobs(leases)
	if err != nil {
		return nil, err
	}
	handed := make([]wire.Job, 0, len(leases))
	for _, j := range picked {
		if !ok[j.ID] {
			continue
		}
		leased := *j
		leased.Token++
		w, err := q.wireJob(tx, &leased)
		if err != nil {
			return nil, err
		}
		handed = append(handed, *w)
	}
	return handed, nil
}

// reblock keeps the keyed jobs that were picked and not handed over until their
// key is free. The caller holds mu.
func (q *Queue) reblock(picked []*cloud.Job, handed []wire.Job) {
	if len(picked) == len(handed) {
		return
	}
	given := make(map[cloud.JobID]bool, len(handed))
	for i := range handed {
		given[handed[i].ID] = true
	}
	for _, j := range picked {
		if l := q.lanes[j.Lane]; l != nil && j.Key != "" && !given[j.ID] {
			l.blocked[j.Key] = append(l.blocked[j.Key], j)
		}
	}
}

func (q *Queue) wireJob(tx *store.Tx, j *cloud.Job) (*wire.Job, error) {
	w := &wire.Job{
		JobRef: wire.JobRef{ID: j.ID, Token: j.Token}, Action: j.Action, Args: j.Args, Queue: j.Queue,
		TimeoutMS: j.TimeoutMS, RunAs: j.RunAs, Idempotent: j.Idempotent,
	}
	if j.ScriptID != "" {
		sc, err := q.hooks.Script(tx, j.ScriptID)
		if err != nil {
			return nil, err
		}
		w.Script = sc
	}
	return w, nil
}

// wake hands over to a waiting agent. The caller holds mu.
func (q *Queue) wake(s *session) {
	if s.wait == nil || s.pumping || q.closed {
		return
	}
	s.pumping = true
	q.pumps.Go(func() { q.pump(s) })
}

// pump answers the session's held exchange with what there is for it.
func (q *Queue) pump(s *session) {
	s.io.Lock()
	defer s.io.Unlock()
	ctx := context.Background() // an exchange has no caller who could give up
	q.mu.Lock()
	s.pumping = false
	waiting := s.wait != nil
	q.mu.Unlock()
	if !waiting {
		return // an exchange that came meanwhile took the work along
	}
	if err := q.refill(ctx, s); err != nil {
		q.log.Error("read queued jobs", "node", s.peer.Node, "err", err)
		return
	}
	picked := q.pick(s)
	var handed []wire.Job
	if len(picked) > 0 {
		err := q.db.Update(ctx, func(tx *store.Tx) (err error) {
			if err := q.stillOurs(tx, s); err != nil {
				return err
			}
			handed, err = q.lease(tx, s.peer.Node, picked)
			return err
		})
		if errors.Is(err, errMoved) {
			q.unpick(s, picked)
			q.leave(s)
			return
		}
		if err != nil {
			q.log.Error("lease jobs", "node", s.peer.Node, "err", err)
			q.unpick(s, picked) // the next exchange tries again
			return
		}
	}
	q.mu.Lock()
	q.reblock(picked, handed)
	a, w := q.answer(s, handed), s.wait
	if a != nil && w != nil {
		s.wait = nil
	}
	q.mu.Unlock()
	if a != nil && w != nil {
		w.Answer(a)
	}
}

// finishOf turns a reported result into what is stored, bounded and clean.
func finishOf(r *wire.Result, now cloud.Time) store.Finish {
	f := store.Finish{
		JobRef: store.JobRef(r.JobRef), State: r.State, ExitCode: r.ExitCode, OutputBytes: r.OutputBytes,
		Output: Clean(r.Output, cloud.MaxInlineResult), Error: Clean(r.Error, 1024), Simulated: r.Simulated,
		StartedAt: r.StartedAt, FinishedAt: now,
	}
	if !f.State.Final() {
		f.State, f.Error = cloud.JobFailed, "the agent reported the state "+Clean(string(r.State), 40)
	}
	if len(r.Result) > 0 && len(r.Result) <= cloud.MaxInlineResult && json.Valid(r.Result) {
		f.Result = Clean(string(r.Result), cloud.MaxInlineResult)
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
