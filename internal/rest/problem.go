package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"atoll/api"
	"atoll/internal/cloud"
	"atoll/internal/control"
)

// statusOf is the HTTP status of each kind of error; docs/errors.md shows it.
var statusOf = map[cloud.ErrorKind]int{
	cloud.Invalid:         http.StatusUnprocessableEntity,
	cloud.Unauthenticated: http.StatusUnauthorized,
	cloud.SecondFactor:    http.StatusUnauthorized,
	cloud.Denied:          http.StatusForbidden,
	cloud.NotFound:        http.StatusNotFound,
	cloud.Conflict:        http.StatusConflict,
	cloud.Quota:           http.StatusForbidden,
	cloud.Capacity:        http.StatusServiceUnavailable,
	cloud.TooLarge:        http.StatusRequestEntityTooLarge,
	cloud.RateLimited:     http.StatusTooManyRequests,
	cloud.Unavailable:     http.StatusServiceUnavailable,
	cloud.Timeout:         http.StatusGatewayTimeout,
	cloud.Internal:        http.StatusInternalServerError,

	cloud.SecondFactorMissing: http.StatusForbidden,
}

// kindOf is the kind of an error that Huma found, by its status.
var kindOf = map[int]cloud.ErrorKind{
	http.StatusRequestEntityTooLarge: cloud.TooLarge,
	http.StatusRequestTimeout:        cloud.Timeout,
	http.StatusInternalServerError:   cloud.Internal,
}

// retryAfter is when to try again where the error knows no time.
const retryAfter = 5

// answer is a Problem with its headers: an error to Huma.
type answer struct {
	api.Problem
	header http.Header
}

// GetHeaders are the headers of the answer.
func (a *answer) GetHeaders() http.Header { return a.header }

// planned is the answer to a dry run, an "error" to Huma.
type planned struct{ api.Plan }

// Error names the plan.
func (p *planned) Error() string { return "dry run: " + p.Action }

// GetStatus is 200.
func (p *planned) GetStatus() int { return http.StatusOK }

// failure is the one place that turns an error into an answer. The cause goes
// to the log, the user's message to the caller.
func (s *Server) failure(ctx context.Context, err error) error {
	var plan *control.Planned
	if errors.As(err, &plan) {
		return &planned{planView(&plan.Plan)}
	}
	return s.problem(ctx, err)
}

func (s *Server) problem(ctx context.Context, err error) *answer {
	c := callOf(ctx)
	kind := cloud.KindOf(err)
	if kind == cloud.Internal && ctx.Err() != nil {
		kind, err = cloud.Unavailable, cloud.Wrap(cloud.Unavailable, err, "the request was ended before it was done")
	}
	status, known := statusOf[kind]
	if !known {
		kind, status = cloud.Internal, http.StatusInternalServerError
	}
	a := &answer{api.Problem{
		Title: http.StatusText(status), Status: status, Code: string(kind), Detail: cloud.UserMessage(err), RequestID: c.id,
	}, http.Header{}}
	var e *cloud.Error
	if errors.As(err, &e) {
		a.Field, a.State, a.Version = e.Field, e.State, e.Version
		if e.RetryAfter > 0 {
			a.RetryAfter = int64(math.Ceil(e.RetryAfter.Seconds()))
		}
	}
	if a.RetryAfter == 0 && (status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests) {
		a.RetryAfter = retryAfter
	}
	if a.RetryAfter > 0 {
		a.header.Set("Retry-After", strconv.FormatInt(a.RetryAfter, 10))
	}
	if kind == cloud.Unauthenticated {
		a.header.Set("WWW-Authenticate", `Bearer realm="atoll"`)
	}
	if kind == cloud.Internal {
		a.Detail = "internal error; tell your operator the request id " + c.id
		s.Log.ErrorContext(ctx, "request failed", "request_id", c.id, "route", c.route, "err", err)
	} else if e != nil && e.Cause != nil {
		s.Log.WarnContext(ctx, "request refused", "request_id", c.id, "route", c.route, "code", kind, "err", err)
	}
	return a
}

// refuse answers with the error outside of Huma.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	a := s.problem(r.Context(), err)
	if callOf(r.Context()).plain {
		maps.Copy(w.Header(), a.header)
		w.Header().Set("Content-Type", "text/plain;charset=utf-8")
		w.WriteHeader(a.Status)
		io.WriteString(w, a.Detail) // the caller may be gone
		return
	}
	s.writeProblem(w, a)
}

func (s *Server) writeProblem(w http.ResponseWriter, a *answer) {
	for k, v := range a.header {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Type", api.ProblemType)
	w.WriteHeader(a.Status)
	if err := json.NewEncoder(w).Encode(&a.Problem); err != nil {
		s.Log.Debug("write an error answer", slog.Any("err", err))
	}
}

func (s *Server) noRoute(w http.ResponseWriter, r *http.Request) {
	s.refuse(w, r, cloud.Errorf(cloud.NotFound, "there is no %s %s in this API; /docs lists what there is", r.Method, r.URL.Path))
}

// transform turns the errors that Huma itself finds into Problems. Values are
// left out: a body may hold secrets.
func (s *Server) transform(ctx huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	c := callOf(ctx.Context())
	kind := kindOf[m.Status]
	if kind == "" {
		kind = cloud.Invalid
	}
	p := &api.Problem{Title: http.StatusText(m.Status), Status: m.Status, Code: string(kind), Detail: m.Detail, RequestID: c.id}
	for _, d := range m.Errors {
		p.Errors = append(p.Errors, fieldProblem(d))
	}
	if len(p.Errors) > 0 {
		p.Field = p.Errors[0].Field
		p.Detail = p.Errors[0].Detail
		if p.Field != "" {
			p.Detail = p.Field + ": " + p.Detail
		}
	}
	if kind == cloud.Internal {
		s.Log.Error("request failed", "request_id", c.id, "route", c.route, "err", fmt.Sprint(m.Detail, p.Errors))
		p.Detail, p.Errors, p.Field = "internal error; tell your operator the request id "+c.id, nil, ""
	}
	return p, nil
}

// fieldProblem names a field in the API's spelling: disk_gib for body.disk_gib.
func fieldProblem(d *huma.ErrorDetail) api.ProblemField {
	field := d.Location
	if name, ok := strings.CutPrefix(d.Message, "expected required property "); ok {
		name, _, _ = strings.Cut(name, " ")
		return fieldProblem(&huma.ErrorDetail{Location: field + "." + name, Message: "is required"})
	}
	for _, in := range []string{"body.", "query.", "path.", "header."} {
		field = strings.TrimPrefix(field, in)
	}
	switch d.Message {
	case "unexpected property":
		return api.ProblemField{Field: field, Detail: "is no field here; is it misspelled?"}
	case "unknown query parameter":
		return api.ProblemField{Field: field, Detail: "is no query parameter here; is it misspelled?"}
	}
	return api.ProblemField{Field: field, Detail: d.Message}
}
