package job

import (
	"context"
	"errors"
	"slices"
	"strings"
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

// session is what this controller knows of one connected agent.
type session struct {
	peer   Peer
	id     string
	io     sync.Mutex // one exchange or hand-over at a time
	number int64      // of the newest answer
	sent   []handover // answers not yet acknowledged
	free   map[string]int
	room   int
	lanes  map[string]*lane
	// What the next answer carries besides jobs.
	cancels []wire.JobRef
	streams []wire.StreamOpen
	forget  []wire.JobRef
	again   []wire.Job // to be sent once more
	wait    Waiter
	since   time.Time // when wait began
	synced  time.Time // when the store's held jobs were last compared with the agent's
	pumping bool
	resend  bool // the agent is asked for its facts and inventory
	told    bool // the agent has the keys that sign scripts
}

type handover struct {
	number int64
	jobs   []wire.Job
}

func (s *session) serves(role cloud.Role, location cloud.LocationID) bool {
	return slices.Contains(s.peer.Roles, role) && (location == "" || location == s.peer.Location)
}

// places is how many more jobs of the lane the agent takes.
func (s *session) places(l *lane) int {
	if !l.role {
		return s.room
	}
	return s.freeIn(l.queue)
}

func (s *session) freeIn(queue string) int {
	if n, ok := s.free[queue]; ok {
		return n
	}
	return s.free["*"]
}

// take counts a job that is given to the agent.
func (s *session) take(queue string) {
	s.room = max(0, s.room-1)
	if s.free == nil {
		s.free = map[string]int{}
	}
	s.free[queue] = s.freeIn(queue) - 1
}

// resync compares the store's held jobs with the agent's once a minute, for
// hand-overs that were cut in a way that neither side saw.
const resyncEvery = time.Minute

// Exchange takes what an agent says and answers at once or when there is
// something to say, at the latest after wire.HoldSeconds. With an error nothing
// was taken and w is not used; the agent sends the same again.
func (q *Queue) Exchange(ctx context.Context, p Peer, x *wire.Exchange, w Waiter) error {
	s, fresh, err := q.session(ctx, p, x)
	if err != nil {
		return err
	}
	s.io.Lock()
	defer s.io.Unlock()
	for _, c := range x.Logs {
		if err := q.hooks.StoreLog(ctx, c); err != nil {
			return err
		}
	}
	q.mu.Lock()
	s.free, s.room = x.Free, x.Room
	if s.free == nil {
		s.free = map[string]int{}
	}
	acks, again := s.acknowledge(x)
	for _, j := range again {
		s.take(j.Queue)
	}
	if s.wait != nil { // the agent has something to say before its held exchange ended
		old := s.wait
		s.wait = nil
		defer old.Drop()
	}
	sync := fresh || time.Since(s.synced) > resyncEvery
	q.seen[p.Node] = cloud.Now()
	s.resend = s.resend || p.Resend
	q.mu.Unlock()

	if err := q.refill(ctx, s); err != nil {
		return err
	}
	picked := q.pick(s)
	var handed []wire.Job
	err = q.db.Update(ctx, func(tx *store.Tx) error {
		handed = nil
		if err := q.stillOurs(tx, s); err != nil {
			return err
		}
		if err := q.takeReport(tx, x, acks); err != nil {
			return err
		}
		if sync {
			lost, err := q.compare(tx, p.Node, x, s)
			if err != nil {
				return err
			}
			again = lost
		}
		handed, err = q.lease(tx, p.Node, picked)
		return err
	})
	if err != nil {
		q.unpick(s, picked)
		if errors.Is(err, errMoved) { // it was at another controller and is back
			q.leave(s)
			return q.Exchange(ctx, p, x, w)
		}
		return err
	}
	for _, c := range x.Logs {
		q.hooks.LogStored(c)
	}
	q.mu.Lock()
	if sync {
		s.synced = time.Now()
		s.sent = nil
	}
	for _, r := range x.Results {
		s.forget = append(s.forget, r.JobRef)
	}
	s.again = append(s.again, again...)
	q.reblock(picked, handed)
	a := q.answer(s, handed)
	if a == nil && !q.closed {
		s.wait, s.since = w, time.Now()
		q.wakeIfWork(s)
		q.mu.Unlock()
		return nil
	}
	q.mu.Unlock()
	if a == nil {
		w.Drop()
		return nil
	}
	w.Answer(a)
	return nil
}

// session returns the agent's session, a fresh one if the agent or this
// controller started anew.
func (q *Queue) session(ctx context.Context, p Peer, x *wire.Exchange) (*session, bool, error) {
	q.mu.Lock()
	s := q.sessions[p.Node]
	q.mu.Unlock()
	if s != nil && s.id == x.Session {
		s.peer = p
		return s, s.synced.IsZero(), nil
	}
	err := q.db.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.HoldNode(p.Node, q.me, x.Session)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	var waiting []string
	if err := q.db.View(ctx, func(tx *store.Tx) (err error) { waiting, err = tx.QueuedLanes(); return err }); err != nil {
		return nil, false, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if old := q.sessions[p.Node]; old != nil {
		q.drop(old)
	}
	s = &session{peer: p, id: x.Session, number: x.Answer, lanes: map[string]*lane{}}
	q.sessions[p.Node] = s
	for _, name := range waiting {
		if j := laneJob(name); j.TargetNode == p.Node || j.TargetRole != "" && s.serves(j.TargetRole, j.TargetLocation) {
			q.subscribe(s, name, j.Queue, j.TargetRole != "")
		}
	}
	for _, l := range q.lanes { // role lanes that are there already
		if j := laneJob(l.name); l.role && s.serves(j.TargetRole, j.TargetLocation) {
			q.subscribe(s, l.name, l.queue, true)
		}
	}
	return s, true, nil
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
	if q.sessions[s.peer.Node] == s {
		q.drop(s)
		delete(q.sessions, s.peer.Node)
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

// drop forgets a session that a newer one replaces. The caller holds mu.
func (q *Queue) drop(s *session) {
	for name, l := range s.lanes {
		delete(l.subs, s)
		if !l.role {
			delete(q.lanes, name)
		}
	}
	if s.wait != nil {
		w := s.wait
		s.wait = nil
		q.pumps.Go(w.Drop)
	}
}

// acknowledge returns the jobs that the agent confirms to have, and those of
// answers that it did not get. The caller holds mu.
func (s *session) acknowledge(x *wire.Exchange) (acks []store.JobRef, again []wire.Job) {
	ended := make(map[wire.JobRef]bool, len(x.Results))
	for _, r := range x.Results {
		ended[r.JobRef] = true
	}
	for _, h := range s.sent {
		for _, j := range h.jobs {
			switch {
			case ended[j.JobRef]:
			case h.number <= x.Answer:
				acks = append(acks, store.JobRef(j.JobRef))
			default:
				again = append(again, j)
			}
		}
	}
	s.sent = nil
	return acks, again
}

// takeReport stores acknowledgements and results.
func (q *Queue) takeReport(tx *store.Tx, x *wire.Exchange, acks []store.JobRef) error {
	if len(acks) == 0 && len(x.Results) == 0 && len(x.Logs) == 0 {
		return nil
	}
	now, err := tx.Now()
	if err != nil {
		return err
	}
	if err := tx.AckJobs(acks, now); err != nil {
		return err
	}
	for _, c := range x.Logs {
		if err := tx.SetSegments(store.JobRef(c.JobRef), c.Sequence+1); err != nil {
			return err
		}
	}
	ends := make([]store.Finish, 0, len(x.Results))
	for i := range x.Results {
		ends = append(ends, finishOf(&x.Results[i], now))
	}
	done, err := tx.FinishJobs(ends)
	if err != nil {
		return err
	}
	return q.finished(tx, done)
}

// compare finds hand-overs that went wrong: leased jobs that the agent does not
// know are sent again, running ones that it does not know are lost.
func (q *Queue) compare(tx *store.Tx, node cloud.NodeID, x *wire.Exchange, s *session) ([]wire.Job, error) {
	known := map[wire.JobRef]bool{}
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
			again = append(again, *wj)
		default:
			if err := q.lose(tx, j, "it does not know it"); err != nil {
				return nil, err
			}
		}
	}
	now, err := tx.Now()
	if err != nil {
		return nil, err
	}
	return again, tx.AckJobs(have, now)
}

// answer makes the next answer, or nil if there is nothing to say. The caller
// holds mu.
func (q *Queue) answer(s *session, handed []wire.Job) *wire.Answer {
	jobs := append(s.again, handed...)
	if len(jobs) == 0 && len(s.cancels) == 0 && len(s.streams) == 0 && !s.resend {
		return nil
	}
	s.number++
	a := &wire.Answer{Number: s.number, Jobs: jobs, Cancel: s.cancels, Streams: s.streams, Forget: s.forget, Resend: s.resend}
	s.again, s.cancels, s.streams, s.forget, s.resend = nil, nil, nil, nil, false
	if !s.told {
		a.Trust, s.told = q.hooks.Trust, true
	}
	if len(jobs) > 0 {
		s.sent = append(s.sent, handover{a.Number, jobs})
	}
	return a
}

// wakeIfWork wakes a session that began to wait while jobs came into its lanes.
// The caller holds mu.
func (q *Queue) wakeIfWork(s *session) {
	for _, l := range s.lanes {
		if (len(l.jobs) > 0 || l.more) && s.places(l) > 0 {
			q.wake(s)
			return
		}
	}
}

// answerOld ends exchanges that were held long enough.
func (q *Queue) answerOld(now time.Time) {
	q.mu.Lock()
	type held struct {
		w Waiter
		a *wire.Answer
	}
	var old []held
	for _, s := range q.sessions {
		if s.wait == nil || now.Sub(s.since) < wire.HoldSeconds*time.Second {
			continue
		}
		s.number++
		old = append(old, held{s.wait, &wire.Answer{Number: s.number, Forget: s.forget}})
		s.wait, s.forget = nil, nil
	}
	q.mu.Unlock()
	for _, h := range old {
		h.w.Answer(h.a)
	}
}
