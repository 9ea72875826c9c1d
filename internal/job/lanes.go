package job

import (
	"context"
	"strings"

	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/wire"
)

// lane returns the lane, made anew with the question to the store still open:
// jobs may wait there since before this controller started.
func (q *Queue) lane(name, queue string, role bool) *lane {
	l := q.lanes[name]
	if l == nil {
		l = &lane{
			name: name, queue: queue, role: role, more: true, used: true,
			ids: map[cloud.JobID]*cloud.Job{}, lines: map[cloud.AccountID]*line{}, subs: map[*session]bool{}, blocked: map[string]*blockedKey{},
		}
		q.lanes[name] = l
	}
	return l
}

// push puts queued jobs into their lanes, if anyone here serves them, and wakes
// the sessions that can take them.
func (q *Queue) push(jobs []*cloud.Job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, j := range jobs {
		q.put(j)
	}
}

func (q *Queue) put(j *cloud.Job) {
	l := q.lanes[j.Lane]
	if l == nil {
		l = q.adopt(j)
	}
	if l == nil {
		return // no agent of ours serves it; it is in the store
	}
	l.put(j)
	q.wakeLane(l)
}

// adopt makes the lane of a queue that no job of these sessions was in before.
func (q *Queue) adopt(j *cloud.Job) *lane {
	if j.TargetNode != "" {
		if s := q.sessions[j.TargetNode]; s != nil {
			return q.subscribe(s, j.Lane, j.Queue, false)
		}
		return nil
	}
	var l *lane
	for _, s := range q.sessions {
		if s.serves(j.TargetRole, j.TargetLocation) {
			l = q.subscribe(s, j.Lane, j.Queue, true)
		}
	}
	return l
}

func (q *Queue) subscribe(s *session, name, queue string, role bool) *lane {
	l := q.lane(name, queue, role)
	l.subs[s] = true
	s.lanes[name] = l
	return l
}

// subscribeAll gives the session the lanes that it serves among the names and
// among the lanes of roles, and takes those away that it no longer serves.
func (q *Queue) subscribeAll(s *session, names []string) {
	for _, l := range s.lanes {
		if j := laneJob(l.name); l.role && !s.serves(j.TargetRole, j.TargetLocation) {
			delete(l.subs, s)
			delete(s.lanes, l.name)
		}
	}
	for _, name := range names {
		if j := laneJob(name); j.TargetNode == s.peer.Node || j.TargetRole != "" && s.serves(j.TargetRole, j.TargetLocation) {
			q.subscribe(s, name, j.Queue, j.TargetRole != "")
		}
	}
	for _, l := range q.lanes {
		if j := laneJob(l.name); l.role && s.serves(j.TargetRole, j.TargetLocation) {
			q.subscribe(s, l.name, l.queue, true)
		}
	}
}

// laneJob reads a lane's name back (cloud.LaneOf).
func laneJob(name string) *cloud.Job {
	where, queue, _ := strings.Cut(name, ":")
	j := &cloud.Job{Queue: queue, Lane: name}
	if role, location, ok := strings.Cut(where, "@"); ok {
		j.TargetRole, j.TargetLocation = cloud.Role(role), cloud.LocationID(location)
	} else {
		j.TargetNode = cloud.NodeID(where)
	}
	return j
}

// wakeLane wakes the session of a node's lane, or of a role's lane the waiting
// one with the most free places that is not awake already.
func (q *Queue) wakeLane(l *lane) {
	if l.empty() {
		return
	}
	var best *session
	for s := range l.subs {
		if s.wait == nil || s.pumping || s.places(l) == 0 {
			continue
		}
		if best == nil || s.places(l) > best.places(l) {
			best = s
		}
	}
	if best != nil {
		q.wake(best)
	}
}

// share is how many jobs of the lane the session takes, so that a role's jobs
// are spread over the nodes that have free places.
func (l *lane) share(s *session) int {
	if !l.role {
		return l.n
	}
	n := 1
	for other := range l.subs {
		if other != s && other.wait != nil && other.places(l) > 0 {
			n++
		}
	}
	return (l.n + n - 1) / n
}

// reading is the next jobs of a lane that are read from the store.
type reading struct {
	l        *lane
	keys     []string                 // whose jobs wait in the lane already
	all      bool                     // which accounts have jobs is read too
	have     map[cloud.AccountID]bool // those of whom jobs are here
	accounts []cloud.AccountID        // whose jobs are read
	known    []cloud.AccountID        // who have jobs here, and some in the store
	jobs     [][]cloud.Job            // of each account
	size     int                      // of each account at most
}

// begin notes what is to be read of the lane, nil if nothing. What is put into the
// lane meanwhile may set that it must be read again.
func (l *lane) begin() *reading {
	if !l.more && len(l.turns) == len(l.lines) {
		return nil
	}
	r := &reading{l: l, all: l.more, size: lineOf(len(l.lines)), have: map[cloud.AccountID]bool{}}
	for account, li := range l.lines {
		if len(li.jobs) > 0 {
			r.have[account] = true
		} else {
			r.accounts = append(r.accounts, account)
			delete(l.lines, account)
		}
	}
	l.more, l.used = false, true
	for key, b := range l.blocked {
		b.more = true
		r.keys = append(r.keys, key)
	}
	return r
}

func (r *reading) read(tx *store.Tx) error {
	if r.all {
		all, err := tx.QueuedAccounts(r.l.name)
		if err != nil {
			return err
		}
		r.accounts, r.known = nil, nil
		for _, account := range all {
			if r.have[account] {
				r.known = append(r.known, account)
			} else {
				r.accounts = append(r.accounts, account)
			}
		}
		r.size = lineOf(len(all))
	}
	r.jobs = nil
	for _, account := range r.accounts {
		jobs, err := tx.QueuedJobs(r.l.name, account, r.keys, r.size)
		if err != nil {
			return err
		}
		r.jobs = append(r.jobs, jobs)
	}
	return nil
}

// end takes in what was read.
func (r *reading) end() {
	for i, account := range r.accounts {
		r.l.filled(account, r.jobs[i], r.size)
	}
	for _, account := range r.known {
		r.l.unknown(account)
	}
}

// refill reads the next jobs of accounts of which none are left here. The caller
// does not hold mu.
func (q *Queue) refill(ctx context.Context, s *session) error {
	var list []*reading
	q.mu.Lock()
	for _, l := range s.lanes {
		if s.places(l) == 0 {
			continue
		}
		if r := l.begin(); r != nil {
			list = append(list, r)
		}
	}
	q.mu.Unlock()
	for i, r := range list {
		err := q.db.View(ctx, r.read)
		q.mu.Lock()
		if err != nil {
			for _, r := range list[i:] {
				r.l.reread()
			}
			s.retry = true
			q.mu.Unlock()
			return err
		}
		r.end()
		q.mu.Unlock()
	}
	return nil
}

// Reload looks for what other controllers committed: queued jobs, keys given
// free, and cancels of jobs that our agents have. It is called after a
// notification of the database.
func (q *Queue) Reload(ctx context.Context) error {
	var names []string
	var cancels []cloud.Job
	err := q.db.View(ctx, func(tx *store.Tx) (err error) {
		if names, err = tx.QueuedLanes(); err != nil {
			return err
		}
		cancels, err = tx.CancelsAsked()
		return err
	})
	if err != nil {
		return err
	}
	q.unblockAll()
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, name := range names {
		l := q.lanes[name]
		if l == nil {
			l = q.adopt(laneJob(name))
		}
		if l != nil {
			l.reread()
			q.wakeLane(l)
		}
	}
	asked := make(map[wire.JobRef]bool, len(cancels))
	for i := range cancels {
		ref, s := wire.JobRef{ID: cancels[i].ID, Token: cancels[i].Token}, q.sessions[cancels[i].NodeID]
		if s == nil {
			continue
		}
		if asked[ref] = true; !q.asked[ref] {
			s.cancels = append(s.cancels, ref)
			q.wake(s)
		}
	}
	q.asked = asked
	return nil
}

// sweep forgets the lanes that nobody serves or that nothing was put into since
// the last sweep, and the sessions of agents that are gone.
func (q *Queue) sweep(silent cloud.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for id, s := range q.sessions {
		if s.wait == nil && s.heard < silent {
			q.drop(s)
			delete(q.sessions, id)
		}
	}
	for _, l := range q.lanes {
		if len(l.subs) == 0 || !l.used && l.empty() && len(l.blocked) == 0 {
			q.forgetLane(l)
		}
		l.used = false
	}
}

func (q *Queue) forgetLane(l *lane) {
	for key := range l.blocked {
		q.unblock(l, key)
	}
	for s := range l.subs {
		delete(s.lanes, l.name)
	}
	delete(q.lanes, l.name)
}
