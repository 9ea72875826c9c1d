package cloud

import (
	"errors"
	"fmt"
	"time"
)

// ErrorKind is the class of an error: one HTTP status and one CLI exit code
// belong to each (docs/errors.md).
type ErrorKind string

// The kinds of errors.
const (
	Invalid         ErrorKind = "invalid"         // the input is wrong; Field says where
	Unauthenticated ErrorKind = "unauthenticated" // nobody, or a credential that does not hold
	SecondFactor    ErrorKind = "second-factor"   // the password is right, and a code is needed with it
	Denied          ErrorKind = "denied"          // known, and not allowed
	NotFound        ErrorKind = "not-found"       // does not exist, or may not be known to exist
	Conflict        ErrorKind = "conflict"        // wrong state, taken name, stale version
	Quota           ErrorKind = "quota"           // a limit that somebody can raise
	Capacity        ErrorKind = "capacity"        // no node can take it now
	TooLarge        ErrorKind = "too-large"       // body or object over a fixed limit
	RateLimited     ErrorKind = "rate-limited"    // too many calls; RetryAfter says when
	Unavailable     ErrorKind = "unavailable"     // a part that is needed is away; try again
	Timeout         ErrorKind = "timeout"         // not done within the given time
	Internal        ErrorKind = "internal"        // a defect or a broken part of ours

	// SecondFactorMissing: the session may do nothing until its user enrols one.
	SecondFactorMissing ErrorKind = "second-factor-missing"
)

// Error is the error that callers see. The cause is for the log only.
type Error struct {
	Kind    ErrorKind
	Message string // a sentence for the user: what failed, on what, and the way out
	Field   string // the input field that is wrong, in the API's spelling; "" if none
	State   string // the current state, with Conflict
	Version int64  // the present version, with a Conflict about one that has passed; else 0
	// RetryAfter is set with RateLimited and Unavailable where a time is known.
	RetryAfter time.Duration
	Cause      error
}

func (e *Error) Error() string {
	msg := e.Message
	if e.Field != "" {
		msg = e.Field + ": " + msg
	}
	if e.Cause != nil {
		msg += ": " + e.Cause.Error()
	}
	return msg
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Errorf makes an Error of the kind; all of the text is for the user.
func Errorf(kind ErrorKind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// Wrap makes an Error with a cause that only the log sees.
func Wrap(kind ErrorKind, cause error, format string, args ...any) *Error {
	e := Errorf(kind, format, args...)
	e.Cause = cause
	return e
}

// FieldErrorf makes an Invalid error about one input field.
func FieldErrorf(field, format string, args ...any) *Error {
	e := Errorf(Invalid, format, args...)
	e.Field = field
	return e
}

// StateErrorf makes a Conflict that carries the object's current state.
func StateErrorf(state, format string, args ...any) *Error {
	e := Errorf(Conflict, format, args...)
	e.State = state
	return e
}

// KindOf returns the kind of err: Internal for errors that carry none, "" for nil.
func KindOf(err error) ErrorKind {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}

// Is reports whether err has the kind.
func Is(err error, kind ErrorKind) bool { return KindOf(err) == kind }

// UserMessage is what a user may read of err: an Error's message with its field,
// and nothing of the cause.
func UserMessage(err error) string {
	var e *Error
	if !errors.As(err, &e) {
		return "internal error"
	}
	if e.Field != "" {
		return e.Field + ": " + e.Message
	}
	return e.Message
}
