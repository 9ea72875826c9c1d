package client

import (
	"context"
	"time"

	"atoll/api"
)

// Operations are the calls about operations.
type Operations struct{ Reader[api.Operation] }

// Operations returns the calls about operations.
func (c *Client) Operations() Operations {
	return Operations{Reader[api.Operation]{c, "operations"}}
}

// Jobs returns the operation's jobs, the oldest first.
func (o Operations) Jobs(ctx context.Context, id string, opts ...Option) ([]api.Job, error) {
	p, err := get[api.Page[api.Job]](ctx, o.c, joinPath(o.path, id, "jobs"), opts)
	if err != nil {
		return nil, err
	}
	return p.Items, nil
}

// Cancel asks the operation to end and to undo what it did.
func (o Operations) Cancel(ctx context.Context, id string, opts ...Option) (*Result[api.Operation], error) {
	return change[api.Operation](ctx, o.c, "POST", joinPath(o.path, id, "cancel"), nil, opts)
}

// Retry starts a failed operation again, as a new one.
func (o Operations) Retry(ctx context.Context, id string, opts ...Option) (*Result[api.Operation], error) {
	return change[api.Operation](ctx, o.c, "POST", joinPath(o.path, id, "retry"), nil, opts)
}

// How long one call waits for an operation: with somebody who watches its
// progress, and without.
const (
	watchedHold = time.Second
	quietHold   = 25 * time.Second
)

// Wait returns the operation when it has ended. The error is an *Error if it did
// not succeed. progress, if not nil, is called with each state seen on the way.
func (o Operations) Wait(ctx context.Context, id string, progress func(*api.Operation)) (*api.Operation, error) {
	hold := quietHold
	if progress != nil {
		hold = watchedHold
	}
	for {
		started := time.Now()
		op, err := o.Get(ctx, id, Hold(hold))
		if err != nil {
			return nil, err
		}
		if progress != nil {
			progress(op)
		}
		if !op.Live() {
			return op, OperationError(op)
		}
		if err := pause(ctx, started); err != nil {
			return op, err
		}
	}
}

// minPoll is the shortest time between two calls, should the server not hold them.
const minPoll = 200 * time.Millisecond

func pause(ctx context.Context, started time.Time) error {
	t := time.NewTimer(minPoll - time.Since(started))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// OperationError is why an operation did not succeed, as an *Error; nil if it
// did or still goes on.
func OperationError(op *api.Operation) error {
	switch op.State {
	case "failed":
		code, msg := op.ErrorCode, op.Error
		if code == "" {
			code = Internal
		}
		if msg == "" {
			msg = op.Kind + " failed"
		}
		return &Error{Code: code, Message: msg, RequestID: op.RequestID, Operation: op.ID}
	case "canceled":
		return &Error{Code: Conflict, Message: op.Kind + " of " + op.SubjectName + " was canceled", RequestID: op.RequestID, Operation: op.ID}
	}
	return nil
}
