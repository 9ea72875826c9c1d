package control

import (
	"sync"

	"atoll/internal/authz"
	"atoll/internal/cloud"
)

// noticeReader is one reader of notices: what it is to be told yet, in bounded
// memory however slow it reads. Of an object that changed again only the newest is
// kept, and of more than maxNotices of a kind only that they are many.
type noticeReader struct {
	news   chan struct{}
	filter EventFilter

	mu      sync.Mutex
	r       *Request // whose rights count
	waiting map[cloud.Kind]*waitingNotices
}

// waitingNotices are those of one kind, in the order in which the objects changed.
type waitingNotices struct {
	many bool
	list []told
	at   map[string]int // where in list the object is
}

// follow adds a reader; forget removes it. It is told at once that many objects of
// each kind changed: what it read before may be old.
func (n *notices) follow(r *Request, f EventFilter) (rd *noticeReader, forget func()) {
	rd = &noticeReader{news: make(chan struct{}, 1), filter: f, r: r, waiting: map[cloud.Kind]*waitingNotices{}}
	rd.add([]told{
		{Notice: Notice{Kind: cloud.KindOperation, Many: true}, all: true},
		{Notice: Notice{Kind: cloud.KindJob, Many: true}, all: true},
	})
	n.count.Add(1)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.readers[rd] = true
	return rd, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.readers, rd)
		n.count.Add(-1)
	}
}

// sees reports whether the reader is told of it.
func (rd *noticeReader) sees(t *told) bool {
	if !rd.filter.takesNotice(&t.Notice) {
		return false
	}
	if t.all {
		return !rd.r.sees(t.Kind).Nothing()
	}
	return authz.Allowed(rd.r.roles(t.of), authz.Read, t.Kind)
}

func (rd *noticeReader) add(list []told) {
	rd.mu.Lock()
	defer rd.mu.Unlock()
	added := false
	for i := range list {
		if t := &list[i]; rd.sees(t) {
			w := rd.waiting[t.Kind]
			if w == nil {
				w = &waitingNotices{}
				rd.waiting[t.Kind] = w
			}
			w.add(t)
			added = true
		}
	}
	if added {
		signal(rd.news)
	}
}

func (w *waitingNotices) add(t *told) {
	at, known := w.at[t.ID]
	switch {
	case w.many:
	case known:
		w.list[at] = *t
	case t.Many || len(w.list) == maxNotices:
		*w = waitingNotices{many: true}
	default:
		if w.at == nil {
			w.at = map[string]int{}
		}
		w.at[t.ID] = len(w.list)
		w.list = append(w.list, *t)
	}
}

// take returns what the reader is to be told now, by the rights of r from now on.
func (rd *noticeReader) take(r *Request) []Notice {
	rd.mu.Lock()
	defer rd.mu.Unlock()
	rd.r = r
	var out []Notice
	for _, kind := range []cloud.Kind{cloud.KindOperation, cloud.KindJob} {
		w := rd.waiting[kind]
		if w == nil {
			continue
		}
		if w.many {
			out = append(out, Notice{Kind: kind, Many: true})
		}
		for i := range w.list {
			if rd.sees(&w.list[i]) { // still
				out = append(out, w.list[i].Notice)
			}
		}
		delete(rd.waiting, kind)
	}
	return out
}
