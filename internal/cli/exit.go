package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"atoll/client"
)

// The exit codes, as in docs/errors.md.
const (
	exitError    = 1
	exitUsage    = 2
	exitNotFound = 3
	exitDenied   = 4
	exitConflict = 5
	exitTimeout  = 6
	exitQuota    = 7
)

var exitCodes = map[string]int{
	client.NotFound: exitNotFound, client.Denied: exitDenied, client.Unauthenticated: exitDenied,
	client.SecondFactor: exitDenied, client.SecondFactorMissing: exitDenied,
	client.Conflict: exitConflict, client.Timeout: exitTimeout, client.Quota: exitQuota, client.Capacity: exitQuota,
}

// ExitCode is the exit code for an error; 0 for nil.
func ExitCode(err error) int {
	var usage *usageError
	var timeout *timeoutError
	var run *runError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &run):
		return exitError
	case errors.As(err, &timeout), errors.Is(err, context.DeadlineExceeded):
		return exitTimeout
	}
	if code, ok := exitCodes[client.CodeOf(err)]; ok {
		return code
	}
	return exitError
}

// usageError is wrong use of the command line.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// timeoutError is the end of --timeout.
type timeoutError struct{ after time.Duration }

func (e *timeoutError) Error() string { return fmt.Sprintf("not done within %s", e.after) }

// runError is a run that did not succeed everywhere.
type runError struct{ err error }

func (e *runError) Error() string { return e.err.Error() }
func (e *runError) Unwrap() error { return e.err }

// waitError says what goes on when waiting for it ended.
type waitError struct {
	operation string
	err       error
}

func (e *waitError) Error() string {
	text := e.err.Error()
	if errors.Is(e.err, context.Canceled) {
		text = "interrupted"
	}
	return fmt.Sprintf("%s; the operation goes on: atoll operation show %s", text, e.operation)
}

func (e *waitError) Unwrap() error { return e.err }

// explain adds the way out where only the command line knows it.
func (a *app) explain(err error) error {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w; is Atoll running there? ATOLL_URL or 'atoll login' say where it is", err)
	case client.CodeOf(err) == client.Unauthenticated:
		return fmt.Errorf("%w; set ATOLL_TOKEN, or run 'atoll login'", err)
	}
	return err
}

// sentences are the lines to print for an error: one for each of several.
func sentences(err error) []string {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		var out []string
		for _, e := range many.Unwrap() {
			out = append(out, sentences(e)...)
		}
		return out
	}
	text := strings.Join(strings.Fields(err.Error()), " ")
	var e *client.Error
	if errors.As(err, &e) {
		var ids []string
		if e.Operation != "" {
			ids = append(ids, "operation "+e.Operation)
		}
		if e.RequestID != "" && !strings.Contains(text, e.RequestID) {
			ids = append(ids, "request id "+e.RequestID)
		}
		if len(ids) > 0 {
			text += " (" + strings.Join(ids, ", ") + ")"
		}
	}
	return []string{text}
}
