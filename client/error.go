package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"atoll/api"
)

// The codes of errors, as in docs/errors.md.
const (
	Invalid         = "invalid"
	Unauthenticated = "unauthenticated"
	SecondFactor    = "second-factor"
	Denied          = "denied"
	NotFound        = "not-found"
	Conflict        = "conflict"
	Quota           = "quota"
	Capacity        = "capacity"
	TooLarge        = "too-large"
	RateLimited     = "rate-limited"
	Unavailable     = "unavailable"
	Timeout         = "timeout"
	Internal        = "internal"

	SecondFactorMissing = "second-factor-missing"
)

// Error is a refusal by the server, or an operation that failed.
type Error struct {
	Status     int    // of the HTTP answer; 0 for a failed operation
	Code       string // the kind of error, stable
	Message    string // for people: what failed, on what, and the way out
	Field      string // the input field that is wrong, "" if none
	State      string // the object's current state, with Conflict
	Version    int64  // the object's present version, with a Conflict about IfMatch
	RequestID  string
	RetryAfter time.Duration // 0 if the server named no time
	Operation  string        // id of the operation that failed, "" if none
}

func (e *Error) Error() string {
	if e.Field != "" && !strings.HasPrefix(e.Message, e.Field+": ") {
		return e.Field + ": " + e.Message
	}
	return e.Message
}

// CodeOf returns the code of err, "" if the error is not the server's.
func CodeOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// byStatus is the code of an answer that carries none, such as a proxy's.
var byStatus = map[int]string{
	http.StatusUnauthorized: Unauthenticated, http.StatusForbidden: Denied, http.StatusNotFound: NotFound,
	http.StatusConflict: Conflict, http.StatusPreconditionFailed: Conflict, http.StatusRequestEntityTooLarge: TooLarge,
	http.StatusTooManyRequests: RateLimited, http.StatusBadGateway: Unavailable, http.StatusServiceUnavailable: Unavailable,
	http.StatusGatewayTimeout: Timeout, http.StatusBadRequest: Invalid, http.StatusUnprocessableEntity: Invalid,
}

// maxProblem bounds what is read of an error answer.
const maxProblem = 1 << 20

// errorOf reads the problem of a refused call and closes the body.
func errorOf(res *http.Response) *Error {
	defer res.Body.Close()
	e := &Error{Status: res.StatusCode, RequestID: res.Header.Get("X-Request-Id"), RetryAfter: retryAfter(res.Header)}
	body, _ := io.ReadAll(io.LimitReader(res.Body, maxProblem)) // what could be read must do
	var p api.Problem
	if json.Unmarshal(body, &p) == nil && p.Code != "" {
		e.Code, e.Message, e.Field, e.State, e.Version = p.Code, p.Detail, p.Field, p.State, p.Version
		if p.RequestID != "" {
			e.RequestID = p.RequestID
		}
		if e.RetryAfter == 0 {
			e.RetryAfter = time.Duration(p.RetryAfter) * time.Second
		}
		for i, f := range p.Errors {
			if i > 0 {
				e.Message += fmt.Sprintf("; %s: %s", f.Field, f.Detail)
			}
		}
	}
	if e.Code == "" {
		if e.Code = byStatus[res.StatusCode]; e.Code == "" {
			e.Code = Internal
		}
	}
	if e.Message == "" {
		e.Message = fmt.Sprintf("%s %s was answered with %s", res.Request.Method, res.Request.URL.Path, res.Status)
	}
	return e
}

// retryAfter reads the header in both its forms; 0 if there is none.
func retryAfter(h http.Header) time.Duration {
	v := h.Get("Retry-After")
	if n, err := strconv.Atoi(v); err == nil && n > 0 {
		return time.Duration(n) * time.Second
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(0, time.Until(t))
	}
	return 0
}
