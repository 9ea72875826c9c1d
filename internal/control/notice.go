package control

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/store"
)

// Notice says that an object changed in a way that is no event: it is to be read
// anew. What it tells besides is what the row said at some time after the change.
type Notice struct {
	Kind        cloud.Kind // operation or job
	ID          string     // "" with Many
	AccountID   cloud.AccountID
	SubjectKind cloud.Kind
	SubjectID   string
	OperationID cloud.OperationID // of a job
	State       string
	Progress    int64  // of an operation
	Message     string // the same
	// Many says that more of the kind changed than are told one by one.
	Many bool
}

const (
	// noticeGap is how long changes gather before they are told.
	noticeGap = 250 * time.Millisecond
	// maxChanged is how many objects of a kind a controller notes in that time, and
	// maxNotices how many a reader is told; more are many.
	maxChanged = 1000
	maxNotices = 100
)

// noted is objects of a kind that changed, up to a number; then only that many did.
type noted struct {
	ids  map[string]bool
	many bool
}

func (s *noted) add(id string, limit int) {
	switch {
	case s.many || s.ids[id]:
	case len(s.ids) == limit:
		s.many, s.ids = true, nil
	case s.ids == nil:
		s.ids = map[string]bool{id: true}
	default:
		s.ids[id] = true
	}
}

// changes are what changed since it was last told.
type changes struct {
	operations, jobs noted
	// bare are jobs that no account has. There may be very many of them, which
	// must not make many of the others.
	bare noted
	// rights says that somebody's credential or role was taken.
	rights bool
}

// parts are by the names that they have among controllers.
func (ch *changes) parts() map[string]*noted {
	return map[string]*noted{"operations": &ch.operations, "jobs": &ch.jobs, "bare": &ch.bare}
}

func (ch *changes) empty() bool {
	for _, s := range ch.parts() {
		if s.many || len(s.ids) > 0 {
			return false
		}
	}
	return !ch.rights
}

// add takes in others.
func (ch *changes) add(others *changes) {
	ch.rights = ch.rights || others.rights
	into := ch.parts()
	for name, s := range others.parts() {
		if s.many {
			*into[name] = noted{many: true}
		}
		for id := range s.ids {
			into[name].add(id, maxChanged)
		}
	}
}

// many is what may have changed unseen: anything.
func many() changes {
	all := noted{many: true}
	return changes{operations: all, jobs: all, bare: all, rights: true}
}

// notices tells this controller's readers, and the other controllers, what changed
// and is no event. When nobody listens a change costs it nothing; else it costs a
// note in memory. The rows are read once for all readers.
type notices struct {
	shared  bool         // there may be other controllers
	count   atomic.Int64 // of readers
	mu      sync.Mutex
	own     changes // by this controller; the others are told
	others  changes // by other controllers
	readers map[*noticeReader]bool
	peers   []cloud.ControllerID // that live
	news    chan struct{}
}

func newNotices(shared bool) *notices {
	return &notices{shared: shared, readers: map[*noticeReader]bool{}, news: make(chan struct{}, 1)}
}

// wanted reports whether anybody may listen.
func (n *notices) wanted() bool { return n.shared || n.count.Load() > 0 }

// operation notes that an operation may have changed.
func (n *notices) operation(id cloud.OperationID) {
	if !n.wanted() {
		return
	}
	n.mu.Lock()
	n.own.operations.add(string(id), maxChanged)
	n.mu.Unlock()
	signal(n.news)
}

// jobs notes that jobs may have changed.
func (n *notices) jobs(list iter.Seq2[cloud.JobID, bool]) {
	if !n.wanted() {
		return
	}
	n.mu.Lock()
	for id, bare := range list {
		if bare {
			n.own.bare.add(string(id), maxNotices)
		} else {
			n.own.jobs.add(string(id), maxChanged)
		}
	}
	n.mu.Unlock()
	signal(n.news)
}

// revoked notes that somebody's credential or role was taken.
func (n *notices) revoked() {
	n.mu.Lock()
	n.own.rights = true
	n.mu.Unlock()
	signal(n.news)
}

// toldRights is what controllers tell each other of taken rights.
const toldRights = "rights"

// heard notes what another controller tells of its changes: a part's name, and
// ids or a star for many.
func (n *notices) heard(text string) {
	words := strings.Fields(text)
	if len(words) == 0 || words[0] != toldRights && n.count.Load() == 0 {
		return
	}
	n.mu.Lock()
	n.others.rights = n.others.rights || words[0] == toldRights
	if s := n.others.parts()[words[0]]; s != nil {
		for _, id := range words[1:] {
			if id == "*" {
				*s = noted{many: true}
			}
			s.add(id, maxChanged)
		}
	}
	n.mu.Unlock()
	signal(n.news)
}

// missed notes that other controllers may have changed things and not told it.
func (n *notices) missed() {
	n.mu.Lock()
	n.others = many()
	n.mu.Unlock()
	signal(n.news)
}

// alive notes which controllers there are. One that is gone may have ended before
// it told what it changed last.
func (n *notices) alive(peers []cloud.ControllerID) {
	n.mu.Lock()
	gone := slices.ContainsFunc(n.peers, func(id cloud.ControllerID) bool { return !slices.Contains(peers, id) })
	n.peers = peers
	n.mu.Unlock()
	if gone {
		n.missed()
	}
}

// take returns what was noted.
func (n *notices) take() (own, others changes) {
	n.mu.Lock()
	defer n.mu.Unlock()
	own, others = n.own, n.others
	n.own, n.others = changes{}, changes{}
	return own, others
}

// giveBack notes again what could not be told.
func (n *notices) giveBack(own, others changes) {
	n.mu.Lock()
	n.own.add(&own)
	n.others.add(&others)
	n.mu.Unlock()
	signal(n.news)
}

// tellChanges tells readers and other controllers what changed, until ctx ends.
func (c *Control) tellChanges(ctx context.Context) error {
	gap := time.NewTicker(noticeGap)
	defer gap.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.notices.news:
		}
		own, others := c.notices.take()
		if others.rights {
			c.auth.forget()
		}
		if own.rights || others.rights {
			c.feed.revoked()
		}
		if err := c.tellOthers(ctx, &own); err != nil {
			c.Log.Error("tell other controllers what changed", "err", err)
			c.notices.giveBack(own, changes{})
		}
		others.add(&own)
		if err := c.tellReaders(ctx, &others); err != nil {
			c.Log.Error("read what changed", "err", err)
			c.notices.giveBack(changes{}, others)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-gap.C:
		}
	}
}

// tellOthers tells the other controllers what this one changed.
func (c *Control) tellOthers(ctx context.Context, own *changes) error {
	if !c.DB.Shared() || own.empty() {
		return nil
	}
	const idBytes = 36 + 1
	return ended(ctx, c.DB.Update(ctx, func(tx *store.Tx) error {
		if own.rights {
			tx.Tell(toldRights)
		}
		for name, s := range own.parts() {
			if s.many {
				tx.Tell(name + " *")
			}
			for ids := range slices.Chunk(slices.Collect(maps.Keys(s.ids)), (store.MaxTold-100)/idBytes) {
				tx.Tell(name + " " + strings.Join(ids, " "))
			}
		}
		return nil
	}))
}

// ended is the error, nil if it came as ctx ended.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// tellReaders reads what changed and gives it to the readers who may see it.
func (c *Control) tellReaders(ctx context.Context, ch *changes) error {
	if c.notices.count.Load() == 0 || ch.empty() {
		return nil
	}
	var list []told
	err := c.view(ctx, func(tx *store.Tx) (err error) {
		list, err = readChanges(tx, ch)
		return err
	})
	if err != nil {
		return ended(ctx, err)
	}
	c.notices.mu.Lock()
	defer c.notices.mu.Unlock()
	for rd := range c.notices.readers {
		rd.add(list)
	}
	return nil
}

// told is a notice, and whose it is: who may read the object may be told.
type told struct {
	Notice
	of target
	// all says that it is not known whose objects changed: who may read any is told.
	all bool
}

// readChanges reads the objects that changed. Those that are gone are left out.
func readChanges(tx *store.Tx, ch *changes) ([]told, error) {
	var list []told
	if ch.operations.many {
		list = append(list, told{Notice: Notice{Kind: cloud.KindOperation, Many: true}, all: true})
	}
	if ch.jobs.many {
		list = append(list, told{Notice: Notice{Kind: cloud.KindJob, Many: true}, all: true})
	} else if ch.bare.many {
		list = append(list, told{Notice: Notice{Kind: cloud.KindJob, Many: true}, of: target{kind: cloud.KindJob}})
	}
	operations, err := tx.ToldOperations(sorted[cloud.OperationID](ch.operations.ids))
	if err != nil {
		return nil, err
	}
	for i := range operations {
		o := &operations[i]
		list = append(list, told{of: operationTarget(o), Notice: Notice{
			Kind: cloud.KindOperation, ID: string(o.ID), AccountID: o.AccountID, SubjectKind: o.SubjectKind, SubjectID: o.SubjectID,
			State: string(o.State), Progress: o.Progress, Message: cmp.Or(o.Error, o.Message),
		}})
	}
	jobs, err := tx.ToldJobs(append(sorted[cloud.JobID](ch.jobs.ids), sorted[cloud.JobID](ch.bare.ids)...))
	if err != nil {
		return nil, err
	}
	for i := range jobs {
		j := &jobs[i]
		list = append(list, told{of: jobTarget(j), Notice: Notice{
			Kind: cloud.KindJob, ID: string(j.ID), AccountID: j.AccountID, SubjectKind: j.SubjectKind, SubjectID: j.SubjectID,
			OperationID: j.OperationID, State: string(j.State),
		}})
	}
	return list, nil
}

// sorted returns the ids, older ones first.
func sorted[ID ~string](ids map[string]bool) []ID {
	out := make([]ID, 0, len(ids))
	for id := range ids {
		out = append(out, ID(id))
	}
	slices.Sort(out)
	return out
}
