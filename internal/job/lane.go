package job

import (
	"container/heap"
	"sort"

	"atoll/internal/cloud"
)

// laneWindow is how many jobs of a lane are read into memory; the others are
// read when these are gone. Up to twice as many may be there, and as many that
// wait for their key.
const laneWindow = 1000

// lane is one line of queued jobs: a node's queue, or a role's in a location.
// Queue.mu guards it.
type lane struct {
	name  string
	queue string
	role  bool // any session of the role may take from it, into free places only
	subs  map[*session]bool
	jobs  jobHeap
	ids   map[cloud.JobID]*cloud.Job // those in jobs and in blocked
	// more says that the store may have queued jobs that are not in memory: any
	// that do not go before bound, or just any if bound is nil.
	more  bool
	bound *cloud.Job
	// blocked are jobs whose key another job holds, by key.
	blocked  map[string]*blockedKey
	nBlocked int
	used     bool // since the last sweep
}

// blockedKey is the jobs of a lane that wait for one key.
type blockedKey struct {
	jobs []*cloud.Job
	more bool // the store may have others
}

// before reports whether a goes before b: by priority, then by id, which is the
// time of creation.
func before(a, b *cloud.Job) bool {
	if a.Priority != b.Priority {
		return a.Priority > b.Priority
	}
	return a.ID < b.ID
}

type jobHeap []*cloud.Job

func (h jobHeap) Len() int           { return len(h) }
func (h jobHeap) Less(i, j int) bool { return before(h[i], h[j]) }
func (h jobHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *jobHeap) Push(x any)        { *h = append(*h, x.(*cloud.Job)) }
func (h *jobHeap) Pop() any {
	old := *h
	j := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return j
}

// put takes a queued job into the lane, unless it comes with a later reading of
// the store: newer jobs must not overtake those that are only there.
func (l *lane) put(j *cloud.Job) {
	l.used = true
	if old := l.ids[j.ID]; old != nil {
		if j.Token > old.Token { // it was leased meanwhile and given back
			*old = *j
		}
		return
	}
	if l.more && (l.bound == nil || !before(j, l.bound)) {
		return
	}
	l.ids[j.ID] = j
	heap.Push(&l.jobs, j)
	if len(l.jobs) > 2*laneWindow {
		sort.Sort(l.jobs) // a sorted slice is a heap
		l.cut(laneWindow)
	}
}

// cut forgets the jobs from the nth on, which is the bound then. The jobs are sorted.
func (l *lane) cut(n int) {
	l.more, l.bound = true, l.jobs[n]
	for i, j := range l.jobs[n:] {
		delete(l.ids, j.ID)
		l.jobs[n+i] = nil
	}
	l.jobs = l.jobs[:n]
}

func (l *lane) pop() *cloud.Job {
	if len(l.jobs) == 0 {
		return nil
	}
	j := heap.Pop(&l.jobs).(*cloud.Job)
	delete(l.ids, j.ID)
	return j
}

// filled takes in what was read from the store into the empty lane. Jobs that
// were put meanwhile stay only if they go before the last one read of many.
func (l *lane) filled(jobs []cloud.Job) {
	for i := range jobs {
		l.put(&jobs[i])
	}
	if len(jobs) < laneWindow {
		return
	}
	last := &jobs[len(jobs)-1]
	if l.more && l.bound != nil && !before(last, l.bound) {
		return
	}
	l.more, l.bound = true, last
	sort.Sort(l.jobs)
	n := sort.Search(len(l.jobs), func(i int) bool { return before(last, l.jobs[i]) })
	if n < len(l.jobs) {
		l.cut(n)
	}
}

// reread makes the next reading of the store find all of the lane's jobs.
func (l *lane) reread() { l.more, l.bound = true, nil }

// block keeps a job until its key is free.
func (q *Queue) block(l *lane, j *cloud.Job) {
	b := l.blocked[j.Key]
	if b == nil {
		b = &blockedKey{}
		l.blocked[j.Key] = b
		if q.keys[j.Key] == nil {
			q.keys[j.Key] = map[*lane]bool{}
		}
		q.keys[j.Key][l] = true
	}
	if l.nBlocked >= laneWindow {
		b.more = true // it is read again when the key is free
		return
	}
	l.ids[j.ID] = j
	l.nBlocked++
	b.jobs = append(b.jobs, j)
}

// freeKey puts the jobs that waited for the key back into their lanes.
func (q *Queue) freeKey(key string) {
	if key == "" {
		return
	}
	q.keysFreed++
	for l := range q.keys[key] {
		q.unblock(l, key)
		q.wakeLane(l)
	}
}

func (q *Queue) unblock(l *lane, key string) {
	b := l.blocked[key]
	if b == nil {
		return
	}
	delete(l.blocked, key)
	delete(q.keys[key], l)
	if len(q.keys[key]) == 0 {
		delete(q.keys, key)
	}
	l.nBlocked -= len(b.jobs)
	for _, j := range b.jobs {
		delete(l.ids, j.ID)
		l.put(j)
	}
	if b.more {
		l.reread()
	}
}

// unblockAll tries the jobs that wait for a key again, for keys that another
// controller's agent gave free.
func (q *Queue) unblockAll() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for key := range q.keys {
		q.freeKey(key)
	}
}
