package job

import (
	"errors"
	"slices"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/wire"
)

// loan is new jobs that are inserted as leased already, as their agent is here
// and has places for them: the next answer carries them, without another write.
// Queue.loans has it until its transaction has ended.
type loan struct {
	s    *session
	jobs []*cloud.Job
	wire []wire.Job // what the agent gets; empty when the agent moved away
}

// awake is how long ago an agent that is not waiting was heard at most, for new
// jobs to go to it at once: those of one that died stay queued.
const awake = 2 * time.Second

// lend makes those of the new jobs leased for whose agents nothing is in the way.
func (q *Queue) lend(tx *store.Tx, jobs []*cloud.Job) error {
	loans := map[*session]*loan{}
	now := cloud.Now()
	q.mu.Lock()
	for _, j := range jobs {
		s := q.readyFor(j, now)
		if s == nil {
			continue
		}
		if loans[s] == nil {
			loans[s] = &loan{s: s}
			q.loans[loans[s]] = true
		}
		loans[s].jobs = append(loans[s].jobs, j)
		s.take(j.Queue)
		s.reserved[j.Queue]++
	}
	q.mu.Unlock()
	for _, l := range loans { // all of them before the first can fail
		tx.OnEnd(func(end store.End) { q.lent(l, end) })
	}
	for _, l := range loans {
		err := q.stillOurs(tx, l.s)
		if errors.Is(err, errMoved) {
			continue
		}
		if err != nil {
			return err
		}
		for _, j := range l.jobs {
			j.State, j.NodeID, j.Token, j.Attempt = cloud.JobLeased, j.TargetNode, 1, 1
			w, err := q.wireJob(tx, j)
			if err != nil {
				return err
			}
			l.wire = append(l.wire, *w)
		}
	}
	return nil
}

// readyFor returns the session that the new job can go to at once: its node's, if
// the agent is awake and has a place, and no older job waits. The caller holds mu.
func (q *Queue) readyFor(j *cloud.Job, now cloud.Time) *session {
	if j.TargetNode == "" || j.Key != "" || j.ScriptID != "" || q.closed {
		return nil
	}
	s, l := q.sessions[j.TargetNode], q.lanes[j.Lane]
	if s == nil || l == nil || s.synced.IsZero() || !l.empty() || s.places(l) <= 0 {
		return nil
	}
	if s.wait == nil && now.Sub(s.heard) > awake {
		return nil
	}
	l.used = true
	return s
}

// lent hands the jobs of an ended transaction to their agent, or gives the places
// back. If the agent was started anew meanwhile, its new session gets them; if it
// is gone, the next session finds them. If it is not known whether they are in the
// store, the agent's next exchange, which comes at once then, is compared with it.
func (q *Queue) lent(l *loan, end store.End) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.loans, l)
	committed := end == store.Committed && len(l.wire) > 0
	s := q.sessions[l.s.peer.Node]
	if s != nil && end == store.Unknown {
		s.unsure = true
		q.wake(s)
	}
	for _, j := range l.jobs {
		if l.s.reserved[j.Queue]--; l.s.reserved[j.Queue] == 0 {
			delete(l.s.reserved, j.Queue)
		}
		if !committed {
			l.s.give(j.Queue)
			continue
		}
		if s == nil {
			continue
		}
		if s != l.s {
			s.take(j.Queue)
		}
		s.note(j, j.Token)
	}
	if committed && s != nil {
		s.again = append(s.again, l.wire...)
		q.wake(s)
	}
}

// note remembers a job that is handed over and for which nothing else waits.
func (s *session) note(j *cloud.Job, token int64) {
	if bare(j) {
		s.bare[wire.JobRef{ID: j.ID, Token: token}] = true
	}
}

// onItsWay reports whether the job goes into a later answer.
func (s *session) onItsWay(ref wire.JobRef) bool {
	return slices.ContainsFunc(s.again, func(j wire.Job) bool { return j.JobRef == ref })
}

// onLoan reports whether the job is leased by a transaction of whose end we have not
// heard yet, though others may see what it committed. The caller holds mu.
func (q *Queue) onLoan(ref wire.JobRef) bool {
	for l := range q.loans {
		if slices.ContainsFunc(l.jobs, func(j *cloud.Job) bool { return j.ID == ref.ID && ref.Token == 1 }) {
			return true
		}
	}
	return false
}
