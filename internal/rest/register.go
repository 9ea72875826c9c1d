package rest

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"atoll/api"
	"atoll/internal/cloud"
	"atoll/internal/control"
)

const prefix = "/api/v1"

// handlerOf does one operation for the caller.
type handlerOf[I, O any] func(ctx context.Context, r *control.Request, in *I) (*O, error)

// add registers an operation for signed-in callers.
func add[I, O any](s *Server, op huma.Operation, fn handlerOf[I, O]) {
	op.Security = []map[string][]string{{"token": {}}, {"session": {}}}
	op.BodyReadTimeout = s.BodyTime
	huma.Register(s.api, op, func(ctx context.Context, in *I) (*O, error) {
		r := callOf(ctx).request
		callOf(ctx).bodyRead()
		if a, ok := any(in).(interface{ apply(*control.Request) error }); ok {
			if err := a.apply(r); err != nil {
				return nil, s.failure(ctx, err)
			}
		}
		out, err := fn(ctx, r, in)
		if err != nil {
			return nil, s.failure(ctx, err)
		}
		return out, nil
	})
}

// addStart is add for what starts an operation: the answer is that operation, as it
// is after the wait that was asked for.
func addStart[I any, W interface {
	*I
	wait() time.Duration
}](s *Server, op huma.Operation, fn func(context.Context, *control.Request, *I) (*cloud.Operation, error)) {
	add(s, op, func(ctx context.Context, r *control.Request, in *I) (*accepted, error) {
		o, err := fn(ctx, r, in)
		if err != nil {
			return nil, err
		}
		return s.accept(ctx, r, o, W(in).wait())
	})
}

// addEnrolling is add for what also a session may do whose user must enrol a second
// factor before anything else.
func addEnrolling[I, O any](s *Server, op huma.Operation, fn handlerOf[I, O]) {
	s.enrolling[op.Method+" "+op.Path] = true
	add(s, op, fn)
}

// addOpen registers an operation that needs no credential. Its request is nil.
func addOpen[I, O any](s *Server, op huma.Operation, fn func(ctx context.Context, in *I) (*O, error)) {
	op.Security = []map[string][]string{}
	op.BodyReadTimeout = s.BodyTime
	s.open.HandleFunc(op.Method+" "+op.Path, func(http.ResponseWriter, *http.Request) {})
	huma.Register(s.api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := fn(ctx, in)
		if err != nil {
			return nil, s.failure(ctx, err)
		}
		return out, nil
	})
}

// operation describes one. The id is verb-noun; its tag is the group in the reference.
func operation(method, path, id, tag, summary string, status int) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: method, Path: prefix + path, Tags: []string{tag}, Summary: summary,
		DefaultStatus: status,
	}
}

func get(path, id, tag, summary string) huma.Operation {
	return operation(http.MethodGet, path, id, tag, summary, http.StatusOK)
}

func post(path, id, tag, summary string) huma.Operation {
	return operation(http.MethodPost, path, id, tag, summary, http.StatusCreated)
}

// start is a POST or DELETE that starts an operation.
func start(method, path, id, tag, summary string) huma.Operation {
	return operation(method, path, id, tag, summary, http.StatusAccepted)
}

func put(path, id, tag, summary string) huma.Operation {
	return operation(http.MethodPut, path, id, tag, summary, http.StatusOK)
}

func patch(path, id, tag, summary string) huma.Operation {
	return operation(http.MethodPatch, path, id, tag, summary, http.StatusOK)
}

func remove(path, id, tag, summary string) huma.Operation {
	return operation(http.MethodDelete, path, id, tag, summary, http.StatusNoContent)
}

// Listing is the input of lists.
type Listing struct {
	Limit  int      `query:"limit" minimum:"1" maximum:"1000" doc:"Objects on the page; 100 if left out."`
	Cursor string   `query:"cursor" doc:"From next of the page before; with the same sort and filter."`
	Sort   string   `query:"sort" doc:"Key to sort by, with - before it for descending; by time of creation if left out." example:"-created_at"`
	Filter []string `query:"filter,explode" doc:"field=value, field!=value or field~part; repeatable, all must hold." example:"[\"state=running\"]"`
}

func (l *Listing) query() control.Query {
	return control.Query{Limit: l.Limit, Cursor: l.Cursor, Sort: l.Sort, Filter: l.Filter}
}

// Change is the input of everything that changes something.
type Change struct {
	DryRun bool `query:"dry_run" doc:"Check everything and answer 200 with the Plan; nothing is changed."`
}

func (c *Change) apply(r *control.Request) error {
	r.DryRun = c.DryRun
	return nil
}

// Creating is the input of what creates something.
type Creating struct {
	Change
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"200" doc:"Fresh for each wish: sent again with the same key, the request is not done again but answered as the first time."`
}

// Versioned is the input of changes of one object.
type Versioned struct {
	Change
	IfMatch string `header:"If-Match" doc:"The object's version (its ETag): the change is refused if it has another one now." example:"\"3\""`
}

func (v *Versioned) apply(r *control.Request) error {
	r.DryRun = v.DryRun
	text := strings.TrimSpace(v.IfMatch)
	if text == "" || text == "*" {
		return nil
	}
	n, err := strconv.ParseInt(strings.Trim(strings.TrimPrefix(text, "W/"), `"`), 10, 64)
	if err != nil || n < 1 {
		return cloud.FieldErrorf("If-Match", "%q is no version; send an ETag that this API gave", text)
	}
	r.IfMatch = n
	return nil
}

// Waiting is the input of what starts an operation.
type Waiting struct {
	Prefer string `header:"Prefer" doc:"wait=SECONDS answers when the operation has ended, or after so long (at most 300)." example:"wait=60"`
}

// maxWait is the longest Prefer: wait.
const maxWait = 300 * time.Second

// wait reads Prefer: wait=N; 0 for none.
func (w *Waiting) wait() time.Duration {
	for part := range strings.FieldsFuncSeq(w.Prefer, func(c rune) bool { return c == ',' || c == ';' }) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(part), "wait="); ok {
			if n, err := strconv.ParseInt(text, 10, 32); err == nil && n > 0 {
				return min(time.Duration(n)*time.Second, maxWait)
			}
		}
	}
	return 0
}

// body is an answer of one object.
type body[T any] struct {
	ETag string `header:"ETag" doc:"The object's version."`
	Body T
}

// created is the answer to a creation.
type created[T any] struct {
	Location string `header:"Location" doc:"Where the new object is."`
	ETag     string `header:"ETag" doc:"The object's version."`
	Body     T
}

// none is an answer without a body.
type none struct{}

type page[T any] struct {
	Body api.Page[T]
}

func etag(m cloud.Meta) string { return `"` + strconv.FormatInt(m.Version, 10) + `"` }

func object[T any](m cloud.Meta, v T) *body[T] { return &body[T]{etag(m), v} }

func newObject[T any, ID ~string](path string, id ID, m cloud.Meta, v T) *created[T] {
	return &created[T]{prefix + path + "/" + string(id), etag(m), v}
}

// pageOf turns a page of control's into one of the API's.
func pageOf[M, V any](items []M, next string, view func(*M) V) *page[V] {
	p := api.Page[V]{Items: make([]V, 0, len(items)), Next: next}
	for i := range items {
		p.Items = append(p.Items, view(&items[i]))
	}
	return &page[V]{p}
}

func metaView(m cloud.Meta) api.Meta {
	return api.Meta{CreatedAt: m.CreatedAt.Time(), UpdatedAt: m.UpdatedAt.Time(), Version: m.Version}
}

// texts turns words of cloud into strings, or back.
func texts[T, S ~string](in []S) []T {
	if in == nil {
		return nil
	}
	out := make([]T, len(in))
	for i, v := range in {
		out[i] = T(v)
	}
	return out
}

// listed is the slice, and [] instead of null for none: clients need not tell them apart.
func listed[T any](in []T) []T {
	if in == nil {
		return []T{}
	}
	return in
}

// word turns an optional string into a word of cloud.
func word[T ~string](s *string) *T {
	if s == nil {
		return nil
	}
	t := T(*s)
	return &t
}

// duration reads a length of time; "" is 0.
func duration(field, text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, cloud.FieldErrorf(field, "%.40q is no length of time such as 90s or 1h30m", text)
	}
	return d, nil
}

func durationText(ms int64) string {
	if ms == 0 {
		return ""
	}
	return (time.Duration(ms) * time.Millisecond).String()
}
