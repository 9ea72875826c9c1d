package job

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/wire"
)

// Waiter is a held exchange: exactly one of its methods is called, once.
type Waiter interface {
	// Answer sends the answer.
	Answer(a *wire.Answer)
	// Drop ends the exchange without one: a newer exchange replaced it, or the
	// controller stops.
	Drop()
}

// Peer is the node behind an exchange, as its certificate and row tell.
type Peer struct {
	Node     cloud.NodeID
	Roles    []cloud.Role
	Location cloud.LocationID
	Resend   bool // the agent is asked for its facts and inventory
}

// session is what this controller knows of one connected agent. Queue.mu guards
// all but io and synced, which io guards.
type session struct {
	peer   Peer
	id     string
	io     sync.Mutex // one exchange or hand-over at a time; taken before mu
	newest int64      // number of the newest exchange
	number int64      // of the newest answer
	// sent are the answers that the agent has not confirmed. What it did not get
	// is said again.
	sent  []*wire.Answer
	free  map[string]int
	room  int
	lanes map[string]*lane
	// reserved are the places of jobs whose transaction, which leases them to the
	// node, has not ended yet.
	reserved map[string]int
	// bare are jobs handed over for which nothing else waits: they have no key, no
	// operation, no subject. It may lack some.
	bare map[wire.JobRef]bool
	// What the next answers carry.
	again   []wire.Job // leased to the node
	doubt   bool       // the agent was silent: what is in again may have been given up
	cancels []wire.JobRef
	streams []wire.StreamOpen
	forget  []wire.JobRef
	wait    Waiter
	since   time.Time  // when wait began
	heard   cloud.Time // when the agent last said something
	synced  time.Time  // when the store's held jobs were last compared with the agent's
	pumping bool
	resend  bool // the agent is asked for its facts and inventory
	retry   bool // a hand-over failed for want of the store; the next tick tries again
	told    bool // the agent has the keys that sign scripts
	// unsure says that a transaction may have leased jobs to the node that nobody
	// hands over: the agent is answered at once, and its next exchange compared.
	unsure bool
}

func (s *session) serves(role cloud.Role, location cloud.LocationID) bool {
	return slices.Contains(s.peer.Roles, role) && (location == "" || location == s.peer.Location)
}

// places is how many more jobs of the lane the agent takes: into places that are free,
// and of those bound to its node some more, which wait there. Many that wait for one
// queue leave the free places of the others free.
func (s *session) places(l *lane) int {
	if !l.role {
		return max(s.room, s.freeIn(l.queue))
	}
	return s.freeIn(l.queue)
}

func (s *session) freeIn(queue string) int {
	if n, ok := s.free[queue]; ok {
		return n
	}
	return s.free["*"]
}

// take counts a job that is given to the agent, give one that is not after all.
func (s *session) take(queue string) { s.count(queue, -1) }
func (s *session) give(queue string) { s.count(queue, 1) }

func (s *session) count(queue string, n int) {
	s.room += n
	if s.free == nil {
		s.free = map[string]int{}
	}
	s.free[queue] = s.freeIn(queue) + n
}

// resyncEvery is how often the store's held jobs are compared with the agent's when
// nothing is known to have gone wrong.
const resyncEvery = time.Minute

// report is one exchange on its way into the store.
type report struct {
	x         *wire.Exchange
	s         *session
	fresh     bool // the first of its session, or of this controller
	late      bool // a newer one was taken already: what it reports counts, what it asks for does not
	sync      bool
	acks      []store.JobRef
	bareAcks  []bool         // which of them are bare
	again     []wire.Job     // to be handed over if they are still the node's
	ofSession int            // the last ones of again, which are the first ones of the session's
	lost      []*wire.Answer // these answers
	logs      []wire.LogChunk
	bare      map[wire.JobRef]bool // of the results
}

// Exchange takes what an agent says and answers at once or when there is
// something to say, at the latest after Hold. With an error nothing was taken
// and w is not used; the agent sends the same again.
func (q *Queue) Exchange(ctx context.Context, p Peer, x *wire.Exchange, w Waiter) error {
	s, replaced := q.session(p, x)
	if replaced != nil {
		replaced.Drop()
	}
	s.io.Lock()
	defer s.io.Unlock()
	r, older, err := q.begin(s, p, x)
	if err != nil {
		return err
	}
	if older != nil {
		defer older.Drop()
	}
	if err := q.storeLogs(ctx, p.Node, r); err != nil {
		return err
	}
	h := &handover{}
	if !r.late {
		if r.fresh {
			if err := q.findLanes(ctx, s); err != nil {
				return err
			}
		}
		if err := q.refill(ctx, s); err != nil {
			return err
		}
		h = q.pick(s)
	}
	var again []wire.Job
	err = q.db.Update(ctx, func(tx *store.Tx) (err error) {
		if !r.fresh {
			if err := q.stillOurs(tx, s); err != nil {
				return err
			}
		}
		if again, err = q.take(tx, r); err != nil {
			return err
		}
		return q.lease(tx, p.Node, h)
	})
	if err != nil {
		h.unsure = r.sync
		q.unpick(s, h)
		if errors.Is(err, errMoved) { // it was at another controller and is back
			q.leave(s)
			return q.Exchange(ctx, p, x, w)
		}
		return err
	}
	for _, c := range r.logs {
		q.hooks.LogStored(c)
	}
	q.finish(r, h, again, w)
	return nil
}

// session returns the agent's session, a fresh one if the agent or this
// controller started anew, and then the exchange that the older one held.
func (q *Queue) session(p Peer, x *wire.Exchange) (s *session, replaced Waiter) {
	q.mu.Lock()
	defer q.mu.Unlock()
	s = q.sessions[p.Node]
	if s != nil && s.id == x.Session {
		return s, nil
	}
	if s != nil {
		replaced = q.drop(s)
	}
	s = &session{
		peer: p, id: x.Session, number: x.Answer, heard: cloud.Now(),
		lanes: map[string]*lane{}, reserved: map[string]int{}, bare: map[wire.JobRef]bool{},
	}
	q.sessions[p.Node] = s
	q.subscribeAll(s, nil)
	return s, replaced
}

// begin notes what the exchange says of the agent, and returns the older
// exchange that this one replaces. The caller holds io.
func (q *Queue) begin(s *session, p Peer, x *wire.Exchange) (*report, Waiter, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.sessions[p.Node] != s {
		return nil, nil, cloud.Errorf(cloud.Unavailable, "the agent of node %s was started anew, or the node was deleted", p.Node)
	}
	now := cloud.Now()
	s.doubt = s.doubt || now.Sub(s.heard) > awake
	s.heard = now
	q.seen[p.Node] = now
	s.resend = s.resend || p.Resend // also of a late one: it is said once
	r := &report{x: x, s: s, bare: map[wire.JobRef]bool{}, fresh: s.synced.IsZero(), late: x.Number < s.newest}
	for i := range x.Results {
		if ref := x.Results[i].JobRef; s.bare[ref] {
			r.bare[ref] = true
			delete(s.bare, ref)
		}
	}
	if r.late {
		return r, nil, nil
	}
	s.newest = x.Number
	r.sync = r.fresh || s.unsure || time.Since(s.synced) > resyncEvery
	if r.sync {
		s.unsure = false // until this exchange fails, or another transaction does
	}
	if !slices.Equal(s.peer.Roles, p.Roles) || s.peer.Location != p.Location {
		s.peer = p
		q.subscribeAll(s, nil)
	}
	s.free, s.room = x.Free, x.Room
	r.acknowledge()
	for _, list := range [][]wire.Job{r.again, s.again} {
		for i := range list {
			s.take(list[i].Queue)
		}
	}
	if s.doubt { // they leave the session when it is known, not before
		r.again, r.ofSession = append(r.again, s.again...), len(s.again)
	}
	for queue, n := range s.reserved {
		s.count(queue, -n)
	}
	old := s.wait
	s.wait = nil
	return r, old, nil
}

// acknowledge finds the jobs that the agent confirms to have, and the answers
// that it did not get.
func (r *report) acknowledge() {
	ended := make(map[wire.JobRef]bool, len(r.x.Results))
	for i := range r.x.Results {
		ended[r.x.Results[i].JobRef] = true
	}
	for _, a := range r.s.sent {
		got := a.Number <= r.x.Answer
		if !got {
			r.lost = append(r.lost, a)
		}
		for _, j := range a.Jobs {
			switch {
			case ended[j.JobRef]:
			case got:
				r.acks = append(r.acks, store.JobRef(j.JobRef))
				r.bareAcks = append(r.bareAcks, r.s.bare[j.JobRef])
			default:
				r.again = append(r.again, j)
			}
		}
	}
}

// findLanes gives a fresh session the lanes in which jobs wait. Jobs that come
// from now on are put into its lanes, as the session is known.
func (q *Queue) findLanes(ctx context.Context, s *session) error {
	var names []string
	err := q.db.View(ctx, func(tx *store.Tx) (err error) { names, err = tx.QueuedLanes(); return err })
	if err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.sessions[s.peer.Node] == s {
		q.subscribeAll(s, names)
	}
	return nil
}

// finish answers the exchange that was taken, or lets it wait.
func (q *Queue) finish(r *report, h *handover, again []wire.Job, w Waiter) {
	s := r.s
	q.mu.Lock()
	for i := range r.x.Results {
		s.forget = append(s.forget, r.x.Results[i].JobRef)
	}
	if r.late {
		q.wakeIfWork(s)
		q.mu.Unlock()
		w.Drop()
		return
	}
	for _, a := range r.lost {
		s.cancels = append(s.cancels, a.Cancel...)
		s.streams = append(s.streams, a.Streams...)
		s.forget = append(s.forget, a.Forget...)
		s.resend = s.resend || a.Resend
	}
	for _, a := range s.sent {
		s.told = s.told || len(a.Trust) > 0 && a.Number <= r.x.Answer
	}
	s.sent = nil
	s.again, s.doubt = s.again[r.ofSession:], false
	if r.sync {
		s.synced = time.Now()
		again = slices.DeleteFunc(again, func(j wire.Job) bool { return s.onItsWay(j.JobRef) || q.onLoan(j.JobRef) })
		clear(s.bare)
	}
	q.settle(s, h)
	s.again = append(append(s.again, again...), h.handed...)
	s.wait, s.since = w, time.Now()
	to, a := q.reply(s)
	switch {
	case to != nil:
	case q.sessions[s.peer.Node] != s, q.closed:
		s.wait = nil
		q.mu.Unlock()
		w.Drop()
		return
	default:
		q.wakeIfWork(s)
	}
	q.mu.Unlock()
	if to != nil {
		to.Answer(a)
	}
}

// errMoved says that the agent of a session talks to another controller now.
var errMoved = errors.New("the agent is at another controller")

// stillOurs returns errMoved if the agent turned to another controller: what this
// one hands over would not arrive.
func (q *Queue) stillOurs(tx *store.Tx, s *session) error {
	if !q.db.Shared() {
		return nil
	}
	ours, err := tx.HoldsNode(s.peer.Node, q.me, s.id)
	if err == nil && !ours {
		err = errMoved
	}
	return err
}

// leave ends a session whose agent is at another controller.
func (q *Queue) leave(s *session) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.sessions[s.peer.Node] != s {
		return
	}
	delete(q.sessions, s.peer.Node)
	if w := q.drop(s); w != nil && !q.closed {
		q.pumps.Go(w.Drop)
	}
}

// drop forgets a session that a newer one replaces and returns the exchange that
// it held, which the caller drops. The caller holds mu.
func (q *Queue) drop(s *session) Waiter {
	for _, l := range s.lanes {
		delete(l.subs, s)
		if !l.role {
			q.forgetLane(l)
		}
	}
	w := s.wait
	s.wait = nil
	return w
}

// answerOld ends exchanges that were held long enough, and wakes those whose
// hand-over failed.
func (q *Queue) answerOld(now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	for _, s := range q.sessions {
		if s.wait == nil {
			continue
		}
		if s.retry {
			s.retry = false
			q.wakeIfWork(s)
		}
		if now.Sub(s.since) < q.Hold {
			continue
		}
		w, a := s.wait, q.answer(s)
		s.wait = nil
		q.pumps.Go(func() { w.Answer(a) }) // one that is slow to write must not keep the others waiting
	}
}
