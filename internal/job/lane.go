package job

import (
	"container/heap"
	"context"

	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/wire"
)

// laneWindow is how many jobs of a lane are kept in memory; the others are read
// when these are gone.
const laneWindow = 1000

// lane is one line of queued jobs: a node's queue, or a role's in a location.
type lane struct {
	name  string
	queue string
	role  bool // any session of the role may take from it, into free places only
	jobs  jobHeap
	ids   map[cloud.JobID]bool
	more  bool // the store has jobs that are not in memory
	subs  map[*session]bool
	// blocked are jobs whose key another job holds, by key.
	blocked map[string][]*cloud.Job
}

// jobHeap orders by priority, then by id, which is the time of creation.
type jobHeap []*cloud.Job

func (h jobHeap) Len() int { return len(h) }
func (h jobHeap) Less(i, j int) bool {
	if h[i].Priority != h[j].Priority {
		return h[i].Priority > h[j].Priority
	}
	return h[i].ID < h[j].ID
}
func (h jobHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *jobHeap) Push(x any)   { *h = append(*h, x.(*cloud.Job)) }
func (h *jobHeap) Pop() any {
	old := *h
	j := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return j
}

// lane returns the lane, made anew with the question to the store still open:
// jobs may wait there since before this controller started.
func (q *Queue) lane(name, queue string, role bool) *lane {
	l := q.lanes[name]
	if l == nil {
		l = &lane{name: name, queue: queue, role: role, ids: map[cloud.JobID]bool{}, subs: map[*session]bool{}, blocked: map[string][]*cloud.Job{}, more: true}
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
		l := q.lanes[j.Lane]
		if l == nil {
			l = q.adopt(j)
		}
		if l == nil {
			continue // no agent of ours serves it; it is in the store
		}
		l.put(j)
		q.wakeLane(l)
	}
}

// adopt makes the lane of a queue that no job of these sessions was in before.
func (q *Queue) adopt(j *cloud.Job) *lane {
	if s := q.sessions[j.TargetNode]; j.TargetNode != "" {
		if s == nil {
			return nil
		}
		return q.subscribe(s, j.Lane, j.Queue, false)
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

func (l *lane) put(j *cloud.Job) {
	switch {
	case l.ids[j.ID]:
	case len(l.jobs) >= laneWindow:
		l.more = true
	default:
		l.ids[j.ID] = true
		heap.Push(&l.jobs, j)
	}
}

func (l *lane) pop() *cloud.Job {
	if len(l.jobs) == 0 {
		return nil
	}
	j := heap.Pop(&l.jobs).(*cloud.Job)
	delete(l.ids, j.ID)
	return j
}

// freeKey puts the jobs that waited for the ended job's key back into their lanes.
func (q *Queue) freeKey(done *cloud.Job) {
	if done.Key == "" {
		return
	}
	for _, l := range q.lanes {
		list := l.blocked[done.Key]
		if len(list) == 0 {
			continue
		}
		delete(l.blocked, done.Key)
		for _, j := range list {
			l.put(j)
		}
		q.wakeLane(l)
	}
}

// wakeLane wakes the session of a node's lane, or of a role's lane the waiting
// one with the most free places.
func (q *Queue) wakeLane(l *lane) {
	var best *session
	for s := range l.subs {
		if s.wait == nil || s.places(l) == 0 {
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

// refill reads the next jobs of lanes that ran empty. The caller does not hold mu.
func (q *Queue) refill(ctx context.Context, s *session) error {
	q.mu.Lock()
	var empty []*lane
	for _, l := range s.lanes {
		if l.more && len(l.jobs) == 0 && s.places(l) > 0 {
			empty = append(empty, l)
			l.more = false // a push meanwhile may set it again
		}
	}
	q.mu.Unlock()
	for _, l := range empty {
		var jobs []cloud.Job
		err := q.db.View(ctx, func(tx *store.Tx) (err error) {
			jobs, err = tx.QueuedJobs(l.name, laneWindow)
			return err
		})
		q.mu.Lock()
		if err != nil {
			l.more = true
			q.mu.Unlock()
			return err
		}
		if len(jobs) == laneWindow {
			l.more = true
		}
		for i := range jobs {
			l.put(&jobs[i])
		}
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
	q.unblock()
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, name := range names {
		l := q.lanes[name]
		if l == nil {
			l = q.adopt(laneJob(name))
		}
		if l != nil {
			l.more = true
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

// unblock tries the jobs that wait for a key again, for keys that another
// controller's agent gave free. They are read anew: another controller may have
// handed them over.
func (q *Queue) unblock() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, l := range q.lanes {
		if len(l.blocked) == 0 {
			continue
		}
		clear(l.blocked)
		l.more = true
		q.wakeLane(l)
	}
}
