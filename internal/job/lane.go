package job

import (
	"container/heap"
	"sort"

	"atoll/internal/cloud"
)

// laneWindow is how many jobs of a lane are read into memory, lineWindow how many
// of each account at least; the others are read when these are gone. Up to twice as
// many may be there, and laneWindow that wait for their key.
const (
	laneWindow = 1000
	lineWindow = 10
)

// lane is one queue of queued jobs: a node's, or a role's in a location. Accounts
// take turns in it, so that none waits for the many jobs of another. Queue.mu
// guards it.
type lane struct {
	name  string
	queue string
	role  bool // any session of the role may take from it, into free places only
	subs  map[*session]bool
	lines map[cloud.AccountID]*line  // those that have jobs
	turns turnHeap                   // those that have jobs in memory
	turn  uint64                     // the last one given
	n     int                        // jobs in the lines' memory
	ids   map[cloud.JobID]*cloud.Job // those in lines and in blocked
	// more says that the store may have jobs of any account that are not in memory.
	more bool
	// blocked are jobs whose key another job holds, by key.
	blocked  map[string]*blockedKey
	nBlocked int
	used     bool // since the last sweep
}

// line is the jobs of one account in a lane.
type line struct {
	account cloud.AccountID
	jobs    jobHeap
	turn    uint64 // the lowest is the next
	at      int    // in lane.turns
	// more says that the store may have jobs of the account that are not in memory:
	// any that do not go before bound, or just any if bound is nil.
	more  bool
	bound *cloud.Job
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

// turnHeap is lines in the order in which they go: by the priority of their first
// job, then by turn.
type turnHeap []*line

func (h turnHeap) Len() int { return len(h) }
func (h turnHeap) Less(i, j int) bool {
	if a, b := h[i].jobs[0].Priority, h[j].jobs[0].Priority; a != b {
		return a > b
	}
	return h[i].turn < h[j].turn
}

func (h turnHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}

func (h *turnHeap) Push(x any) {
	li := x.(*line)
	li.at = len(*h)
	*h = append(*h, li)
}

func (h *turnHeap) Pop() any {
	old := *h
	li := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return li
}

// empty reports whether no job waits in the lane, neither here nor in the store.
func (l *lane) empty() bool { return len(l.lines) == 0 && !l.more }

// put takes a queued job into the lane, unless it comes with a later reading of
// the store: newer jobs must not overtake those that are only there.
func (l *lane) put(j *cloud.Job) {
	l.used = true
	li := l.lines[j.AccountID]
	if l.ids[j.ID] == nil && (l.more || li != nil && li.more && (li.bound == nil || !before(j, li.bound))) {
		return
	}
	l.keep(j)
	if window := lineOf(len(l.lines)); l.n > 2*window*len(l.lines) {
		for _, li := range l.lines {
			if len(li.jobs) > window {
				sort.Sort(li.jobs) // a sorted slice is a heap
				l.cut(li, window)
			}
		}
	}
}

// lineOf is how many jobs of each account are in memory if so many have some.
func lineOf(accounts int) int { return max(laneWindow/max(accounts, 1), lineWindow) }

// keep puts a job into its account's line. A line that begins goes behind the others.
func (l *lane) keep(j *cloud.Job) {
	if old := l.ids[j.ID]; old != nil {
		if j.Token > old.Token { // it was leased meanwhile and given back
			*old = *j
		}
		return
	}
	l.ids[j.ID] = j
	l.n++
	li := l.lines[j.AccountID]
	if li == nil {
		li = &line{account: j.AccountID}
		l.lines[j.AccountID] = li
	}
	heap.Push(&li.jobs, j)
	switch {
	case len(li.jobs) == 1:
		l.turn++
		li.turn = l.turn
		heap.Push(&l.turns, li)
	case li.jobs[0] == j:
		heap.Fix(&l.turns, li.at)
	}
}

// cut forgets the jobs of a line from the nth on, which is the bound then. The
// jobs are sorted, and one is left at least.
func (l *lane) cut(li *line, n int) {
	li.more, li.bound = true, li.jobs[n]
	for i, j := range li.jobs[n:] {
		delete(l.ids, j.ID)
		li.jobs[n+i] = nil
	}
	l.n -= len(li.jobs) - n
	li.jobs = li.jobs[:n]
}

// pop takes the next job of the account whose turn it is.
func (l *lane) pop() *cloud.Job {
	if len(l.turns) == 0 {
		return nil
	}
	li := l.turns[0]
	j := heap.Pop(&li.jobs).(*cloud.Job)
	delete(l.ids, j.ID)
	l.n--
	l.turn++
	li.turn = l.turn
	switch {
	case len(li.jobs) > 0:
		heap.Fix(&l.turns, 0)
	default:
		heap.Remove(&l.turns, 0)
		if !li.more {
			delete(l.lines, li.account)
		}
	}
	return j
}

// filled takes in the next jobs of an account, size at most, that were read from
// the store. Jobs that were put meanwhile stay only if they go before the last one
// read of many.
func (l *lane) filled(account cloud.AccountID, jobs []cloud.Job, size int) {
	for i := range jobs {
		l.keep(&jobs[i])
	}
	li := l.lines[account]
	if len(jobs) < size || li == nil {
		return
	}
	last := &jobs[len(jobs)-1]
	if li.more && (li.bound == nil || !before(last, li.bound)) {
		return
	}
	li.more, li.bound = true, last
	sort.Sort(li.jobs)
	n := sort.Search(len(li.jobs), func(i int) bool { return before(last, li.jobs[i]) })
	if n > 0 && n < len(li.jobs) {
		l.cut(li, n)
	}
}

// unknown notes that the store may have any jobs of the account.
func (l *lane) unknown(account cloud.AccountID) {
	li := l.lines[account]
	if li == nil {
		li = &line{account: account}
		l.lines[account] = li
	}
	li.more, li.bound = true, nil
}

// reread makes the next reading of the store find all of the lane's jobs.
func (l *lane) reread() { l.more = true }

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
