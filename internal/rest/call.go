package rest

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"runtime/debug"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"atoll/internal/cloud"
	"atoll/internal/control"
)

// call is what is known of one HTTP request.
type call struct {
	id      string // X-Request-Id
	address string
	route   string           // the operation's path, for metrics and log
	request *control.Request // nil for callers without credential
	secret  bool             // the answer must not be stored
	plain   bool             // errors are plain text
	conn    *http.ResponseController
	atEnd   []func() // of the work on the request
}

// bodyRead ends the time limit of the body: the connection is watched while the
// request is worked on, and would seem to fail when the limit passes.
func (c *call) bodyRead() {
	if c.conn != nil {
		_ = c.conn.SetReadDeadline(time.Time{}) // a test's recorder has none
	}
}

type callKey struct{}

// callOf returns the call of a request's context; an empty one outside of requests.
func callOf(ctx context.Context) *call {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c
	}
	return &call{}
}

// saneID is the form of request ids that are taken from the caller.
var saneID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// recorder counts what is written and keeps the status.
type recorder struct {
	http.ResponseWriter
	status int
	n      int64
	last   context.Context // when it has ended, the connection's next request is to go elsewhere
}

func (w *recorder) begin(status int) {
	if w.status != 0 {
		return
	}
	w.status = status
	if w.last != nil && w.last.Err() != nil {
		w.Header().Set("Connection", "close")
	}
}

// WriteHeader keeps the status.
func (w *recorder) WriteHeader(status int) {
	w.begin(status)
	w.ResponseWriter.WriteHeader(status)
}

// Write counts the bytes.
func (w *recorder) Write(p []byte) (int, error) {
	w.begin(http.StatusOK)
	n, err := w.ResponseWriter.Write(p)
	w.n += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController flush, hijack and set deadlines.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// observe is the outermost layer: request id, log, metrics, panics.
func (s *Server) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		c := &call{id: r.Header.Get("X-Request-Id"), address: s.addressOf(r), route: "other", conn: http.NewResponseController(w)}
		if !saneID.MatchString(c.id) {
			c.id = cloud.NewID[string]()
		}
		w.Header().Set("X-Request-Id", c.id)
		rec := &recorder{ResponseWriter: w, last: s.draining}
		r = r.WithContext(context.WithValue(r.Context(), callKey{}, c))
		s.metrics.inFlight.Inc()
		defer func() {
			if cause := recover(); cause != nil {
				s.panicked(rec, r, cause)
			}
			s.metrics.inFlight.Dec()
			s.metrics.count(r.Method, c.route, rec.status, time.Since(began))
			s.access(r, c, rec, time.Since(began))
		}()
		next.ServeHTTP(rec, r)
	})
}

// panicked answers 500 if nothing was answered yet.
func (s *Server) panicked(w *recorder, r *http.Request, cause any) {
	if cause == http.ErrAbortHandler {
		panic(cause)
	}
	s.Log.Error("panic", "request_id", callOf(r.Context()).id, "panic", fmt.Sprint(cause), "stack", string(debug.Stack()))
	if w.status == 0 {
		s.refuse(w, r, fmt.Errorf("panic: %v", cause))
	}
}

// access writes one line of the access log: never a query, header or body.
func (s *Server) access(r *http.Request, c *call, w *recorder, took time.Duration) {
	user := ""
	if c.request != nil {
		user = c.request.User.Name
	}
	s.Log.Info("request", "request_id", c.id, "method", r.Method, "path", r.URL.Path, "status", w.status, "bytes", w.n,
		"ms", took.Milliseconds(), "user", user, "address", c.address)
}

// noteRoute tells the outer layers which operation it is.
func noteRoute(ctx huma.Context, next func(huma.Context)) {
	callOf(ctx.Context()).route = ctx.Operation().Path
	next(ctx)
}

// secure sets the headers that keep browsers from doing harm with answers.
func (s *Server) secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Cache-Control", "no-store")
		if r.TLS != nil {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}
