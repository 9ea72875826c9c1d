package rest

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"atoll/internal/cloud"
)

const (
	// maxRequests bounds how many requests are inside at a time, those that wait at
	// the gate among them, and so the memory that they take. Streams do not count.
	maxRequests = 2048
	// maxStreams is how many streams one caller may have open: feeds, consoles,
	// followed output, and waits for the end of something.
	maxStreams = 256
)

// callerOf names whose request it is, for fairness: an account if it is only
// that one's, else a user or an address.
func callerOf(c *call) string {
	if r := c.request; r != nil {
		return cmp.Or(string(r.User.AccountID), string(r.Account), string(r.User.ID))
	}
	return c.address
}

// weigh says how much room a request takes.
func weigh(r *http.Request) int {
	switch {
	case strings.HasSuffix(r.URL.Path, ":upload"): // its body is a stream and is not kept
		return 1
	case r.ContentLength < 0: // not known before it was read
		return 1 + maxBody/weightBytes
	}
	return 1 + int(min(r.ContentLength, maxBody)/weightBytes)
}

// bounded keeps memory and the time of answers bounded when there is more to do
// than can be done: who does not fit in is told to come again.
func (s *Server) bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := callOf(r.Context())
		leave, err := s.gate.enter(r.Context(), callerOf(c), weigh(r))
		if err != nil {
			s.refuse(w, r, err)
			return
		}
		c.leaves(leave)
		next.ServeHTTP(w, r)
	})
}

// counted is the outer bound, before anything is known of the request.
func (s *Server) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := callOf(r.Context())
		defer c.leave()
		c.leaves(func() { s.inside.Add(-1) })
		if s.inside.Add(1) > maxRequests {
			s.refuse(w, r, overloaded())
			return
		}
		next.ServeHTTP(w, r)
	})
}

// leaves has fn called when the request is no longer worked on.
func (c *call) leaves(fn func()) { c.atEnd = append(c.atEnd, fn) }

// leave gives the request's room to others. It may be called twice.
func (c *call) leave() {
	for _, fn := range c.atEnd {
		fn()
	}
	c.atEnd = nil
}

// streams counts the streams of each caller.
type streams struct {
	mu   sync.Mutex
	open map[string]int
}

// stream says that from now on the request only waits or copies: it gives its
// room to others. The context ends when the server is to stop. RateLimited if
// the caller has too many.
func (s *Server) stream(ctx context.Context) (waits context.Context, end func(), err error) {
	c := callOf(ctx)
	caller := callerOf(c)
	s.streams.mu.Lock()
	defer s.streams.mu.Unlock()
	if s.streams.open[caller] >= maxStreams {
		e := cloud.Errorf(cloud.RateLimited, "you have %d streams and waits open; close some", maxStreams)
		e.RetryAfter = 5 * time.Second
		return nil, nil, e
	}
	s.streams.open[caller]++
	c.leave()
	waits, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.draining, cancel)
	return waits, func() {
		stop()
		cancel()
		s.streams.mu.Lock()
		defer s.streams.mu.Unlock()
		if s.streams.open[caller]--; s.streams.open[caller] == 0 {
			delete(s.streams.open, caller)
		}
	}, nil
}

// wait is stream for requests that wait for the end of something.
func (s *Server) wait(ctx context.Context, limit time.Duration) (context.Context, func(), error) {
	waits, end, err := s.stream(ctx)
	if err != nil {
		return nil, nil, err
	}
	until, cancel := context.WithTimeout(waits, limit)
	return until, func() { cancel(); end() }, nil
}

// Drain has everything end that goes on until something happens, since the server
// is to stop: waits are answered with what is, streams are closed as going away,
// and /readyz says that requests should go elsewhere.
func (s *Server) Drain() { s.drain() }

// stopping is what callers are told then.
const stopping = "the controller stops; go on with another one"
