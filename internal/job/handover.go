package job

import (
	"context"
	"errors"
	"slices"

	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/wire"
)

// maxHandover and maxHandoverArgs bound the jobs of one answer and the bytes of
// their arguments.
const (
	maxHandover     = 2048
	maxHandoverArgs = 4 << 20
)

// fits is how many of the jobs go into one answer: one at least.
func fits(jobs []wire.Job) int {
	bytes := 0
	for i := range jobs {
		bytes += len(jobs[i].Args)
		if i > 0 && (i == maxHandover || bytes > maxHandoverArgs) {
			return i
		}
	}
	return len(jobs)
}

// handover is the jobs that are being given to an agent.
type handover struct {
	jobs   []*cloud.Job // taken from their lanes
	freed  uint64       // Queue.keysFreed then
	handed []wire.Job   // those that became the node's
	left   map[cloud.JobID]*cloud.Job
	unsure bool // the session is, if the transaction fails
}

// pick takes from the lanes what the agent has places for.
func (q *Queue) pick(s *session) *handover {
	q.mu.Lock()
	defer q.mu.Unlock()
	h := &handover{freed: q.keysFreed}
	keys := map[string]bool{}
	for _, l := range s.lanes {
		for n := l.share(s); n > 0 && len(h.jobs) < maxHandover && s.places(l) > 0; {
			j := l.pop()
			if j == nil {
				break
			}
			if j.Key != "" && (keys[j.Key] || l.blocked[j.Key] != nil) {
				q.block(l, j) // its turn comes when the first of the key has ended
				continue
			}
			keys[j.Key] = true
			s.take(j.Queue)
			h.jobs = append(h.jobs, j)
			n--
		}
		if l.role && l.n > 0 {
			q.wakeLane(l) // the next one takes its share
		}
	}
	return h
}

// unpick puts picked jobs back after a transaction that failed, or seemed to: when
// the answer to its commit was lost, they are the node's.
func (q *Queue) unpick(s *session, h *handover) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, j := range h.jobs {
		s.give(j.Queue)
		if l := q.lanes[j.Lane]; l != nil {
			l.put(j)
		}
		for l := range q.keys[j.Key] {
			q.unblock(l, j.Key)
			for other := range l.subs {
				other.retry = true
			}
		}
	}
	s.unsure = s.unsure || h.unsure || len(h.jobs) > 0
	s.retry = true // a wake now would meet the same trouble
}

// lease makes the picked jobs the node's. Those that are no longer queued, or
// whose key is held, are left out.
func (q *Queue) lease(tx *store.Tx, node cloud.NodeID, h *handover) error {
	h.handed, h.left = nil, nil
	if len(h.jobs) == 0 {
		return nil
	}
	now, err := tx.Now()
	if err != nil {
		return err
	}
	leases := make([]store.Lease, len(h.jobs))
	for i, j := range h.jobs {
		leases[i] = store.Lease{ID: j.ID, NodeID: node, Token: j.Token + 1, Attempt: j.Attempt + 1, At: now, Keyed: j.Key != ""}
	}
	ok, err := tx.LeaseJobs(leases)
	if err != nil {
		return err
	}
	q.changed(tx, changes(h.jobs))
	h.handed = make([]wire.Job, 0, len(leases))
	var refused []cloud.JobID
	for _, j := range h.jobs {
		if !ok[j.ID] {
			refused = append(refused, j.ID)
			continue
		}
		leased := *j
		leased.Token++
		leased.NodeID = node
		w, err := q.wireJob(tx, &leased)
		if err != nil {
			return err
		}
		if w != nil {
			h.handed = append(h.handed, *w)
		}
	}
	return h.readRefused(tx, refused)
}

// readRefused reads which of the jobs that were not leased are still queued.
func (h *handover) readRefused(tx *store.Tx, ids []cloud.JobID) error {
	if len(ids) == 0 {
		return nil
	}
	list, err := tx.StillQueued(ids)
	h.left = make(map[cloud.JobID]*cloud.Job, len(list))
	for i := range list {
		h.left[list[i].ID] = &list[i]
	}
	return err
}

// settle puts the jobs that were not handed over where they belong. The caller
// holds mu.
func (q *Queue) settle(s *session, h *handover) {
	for _, j := range h.jobs {
		s.note(j, j.Token+1)
	}
	if len(h.jobs) == len(h.handed) {
		return
	}
	given := make(map[cloud.JobID]bool, len(h.handed))
	for i := range h.handed {
		given[h.handed[i].ID] = true
	}
	for _, j := range h.jobs {
		if given[j.ID] {
			continue
		}
		s.give(j.Queue)
		now := h.left[j.ID]
		switch l := q.lanes[j.Lane]; {
		case now == nil: // it has ended, or another has it: what waited for it goes on
			q.freeKey(j.Key)
		case l != nil && j.Key != "" && now.Token == j.Token && h.freed == q.keysFreed:
			q.block(l, now)
		default: // its key became free meanwhile, or it was given back with a newer token
			q.put(now)
		}
	}
}

// wireJob returns the leased job as its agent gets it, or nil if it cannot run:
// it has ended then.
func (q *Queue) wireJob(tx *store.Tx, j *cloud.Job) (*wire.Job, error) {
	w := &wire.Job{
		JobRef: wire.JobRef{ID: j.ID, Token: j.Token}, Action: j.Action, Args: j.Args, Queue: j.Queue,
		TimeoutMS: j.TimeoutMS, RunAs: j.RunAs, Idempotent: j.Idempotent,
	}
	var err error
	if q.hooks.Args != nil {
		w.Args, err = q.hooks.Args(tx, j)
	}
	if err == nil && j.ScriptID != "" {
		w.Script, err = q.hooks.Script(tx, j.ScriptID)
	}
	if cloud.Is(err, cloud.NotFound) {
		return nil, q.end(tx, j, cloud.JobFailed, cloud.UserMessage(err))
	}
	return w, err
}

// wake hands over to a waiting agent. The caller holds mu.
func (q *Queue) wake(s *session) {
	if s.wait == nil || s.pumping || q.closed {
		return
	}
	s.pumping = true
	q.pumps.Go(func() { q.pump(s) })
}

// wakeIfWork wakes a waiting session for which there may be something to do. The
// caller holds mu.
func (q *Queue) wakeIfWork(s *session) {
	if s.wait == nil {
		return
	}
	if s.hasNews() {
		q.wake(s)
		return
	}
	for _, l := range s.lanes {
		if !l.empty() && s.places(l) > 0 {
			q.wake(s)
			return
		}
	}
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
	h := q.pick(s)
	if len(h.jobs) > 0 {
		err := q.db.Update(ctx, func(tx *store.Tx) error {
			if err := q.stillOurs(tx, s); err != nil {
				return err
			}
			return q.lease(tx, s.peer.Node, h)
		})
		if errors.Is(err, errMoved) {
			q.unpick(s, h)
			q.leave(s)
			return
		}
		if err != nil {
			q.log.Error("lease jobs", "node", s.peer.Node, "err", err)
			q.unpick(s, h)
			return
		}
	}
	q.mu.Lock()
	q.settle(s, h)
	s.again = append(s.again, h.handed...)
	w, a := q.reply(s)
	if w == nil {
		q.wakeIfWork(s)
	}
	q.mu.Unlock()
	if w != nil {
		w.Answer(a)
	}
}

// reply takes the waiting exchange of the session and the answer to it, if there
// is something to say. What a session has to say that a newer one replaced, the
// newer one says. The caller holds mu and, unless the hold is over, io.
func (q *Queue) reply(s *session) (Waiter, *wire.Answer) {
	if now := q.sessions[s.peer.Node]; now != s {
		if now != nil {
			now.again = append(now.again, s.again...)
			s.again = nil
			q.wake(now)
		}
		return nil, nil
	}
	if s.wait == nil || !s.hasNews() {
		return nil, nil
	}
	w := s.wait
	s.wait = nil
	return w, q.answer(s)
}

// hasNews reports whether there is something that an agent is told at once.
func (s *session) hasNews() bool {
	return len(s.again) > 0 || len(s.cancels) > 0 || len(s.streams) > 0 || s.resend || s.unsure || len(s.forget) > maxForget
}

// maxForget is how many results an agent keeps at most for want of an answer.
const maxForget = 4096

// answer makes the next answer. The caller holds mu.
func (q *Queue) answer(s *session) *wire.Answer {
	s.number++
	a := &wire.Answer{Number: s.number, Cancel: s.cancels, Streams: s.streams, Forget: s.forget, Resend: s.resend}
	s.cancels, s.streams, s.forget, s.resend = nil, nil, nil, false
	n := fits(s.again)
	a.Jobs, s.again = s.again[:n:n], s.again[n:]
	if len(s.again) > 0 { // a job must not come after its cancel
		for _, ref := range a.Cancel {
			if s.onItsWay(ref) {
				s.cancels = append(s.cancels, ref)
			}
		}
		a.Cancel = slices.DeleteFunc(a.Cancel, s.onItsWay)
	}
	if !s.told {
		a.Trust = q.hooks.Trust
	}
	s.sent = append(s.sent, a)
	return a
}
