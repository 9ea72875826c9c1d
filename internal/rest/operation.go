package rest

import (
	"context"
	"net/http"
	"time"

	"atoll/api"
	"atoll/internal/cloud"
	"atoll/internal/control"
)

func operationView(o *cloud.Operation) api.Operation {
	return api.Operation{
		ID: string(o.ID), Kind: o.Kind, AccountID: string(o.AccountID), CloudspaceID: string(o.CloudspaceID), ProjectID: string(o.ProjectID),
		SubjectKind: string(o.SubjectKind), SubjectID: o.SubjectID, SubjectName: o.SubjectName, State: string(o.State),
		Step: o.Step, StepName: o.StepName, Steps: o.Steps, Attempt: o.Attempt, Progress: o.Progress, Message: o.Message, Input: o.Input,
		Error: o.Error, ErrorCode: string(o.ErrorKind), CancelAsked: o.CancelAsked, RetryOf: string(o.RetryOf), CreatedBy: o.CreatedBy,
		RequestID: o.RequestID, Deadline: o.Deadline.Time(), FinishedAt: o.FinishedAt.Time(), Meta: metaView(o.Meta),
	}
}

// accepted is 202 with the operation that was started, or 200 with it ended.
type accepted struct {
	Status   int
	Location string `header:"Location" doc:"Where the operation is."`
	Body     api.Operation
}

// accept answers with the operation, as it is after at most the wait.
func (s *Server) accept(ctx context.Context, r *control.Request, o *cloud.Operation, wait time.Duration) (*accepted, error) {
	if wait > 0 && o.State.Live() {
		until, end, err := s.wait(ctx, wait)
		if err != nil {
			return nil, err
		}
		defer end()
		if o, err = s.control.WaitOperation(until, r, o.ID); err != nil {
			return nil, err
		}
	}
	a := &accepted{http.StatusAccepted, prefix + "/operations/" + string(o.ID), operationView(o)}
	if !o.State.Live() {
		a.Status = http.StatusOK
	}
	return a, nil
}

// changed is 200 with the changed object, or 202 while an operation, which the
// object names, changes it.
type changed[T any] struct {
	Status int
	ETag   string `header:"ETag"`
	Body   T
}

// changedBy answers with the object, or, if an operation changes it, with what again
// reads after at most the wait.
func changedBy[T any](ctx context.Context, s *Server, r *control.Request, o *cloud.Operation, wait time.Duration, obj *body[T], again func() (*body[T], error)) (*changed[T], error) {
	status := http.StatusOK
	if o != nil {
		a, err := s.accept(ctx, r, o, wait)
		if err != nil {
			return nil, err
		}
		status = a.Status
		if obj, err = again(); err != nil {
			return nil, err
		}
	}
	return &changed[T]{status, obj.ETag, obj.Body}, nil
}

// OperationIn names an operation in the path.
type OperationIn struct {
	Operation string `path:"operation" format:"uuid"`
}

func (in OperationIn) id() cloud.OperationID { return cloud.OperationID(in.Operation) }

func (s *Server) registerOperations() {
	const tag, one = "Operations", "/operations/{operation}"
	add(s, get("/operations", "list-operations", tag, "List operations"), s.operationList)
	add(s, get(one, "get-operation", tag, "Show an operation; with Prefer: wait, when it has ended"), s.operationGet)
	add(s, get(one+"/jobs", "list-operation-jobs", tag, "List an operation's jobs"), s.operationJobs)
	addStart(s, start(http.MethodPost, one+"/cancel", "cancel-operation", tag, "Ask a live operation to undo itself"), s.operationCancel)
	addStart(s, start(http.MethodPost, one+"/retry", "retry-operation", tag, "Do a failed operation again, as a new one"), s.operationRetry)
}

func (s *Server) operationList(ctx context.Context, r *control.Request, in *Listing) (*page[api.Operation], error) {
	list, next, err := s.control.Operations(ctx, r, in.query())
	if err != nil {
		return nil, err
	}
	return pageOf(list, next, operationView), nil
}

type operationGet struct {
	OperationIn
	Waiting
}

func (s *Server) operationGet(ctx context.Context, r *control.Request, in *operationGet) (*body[api.Operation], error) {
	o, err := s.control.Operation(ctx, r, in.id())
	if err != nil {
		return nil, err
	}
	a, err := s.accept(ctx, r, o, in.wait())
	if err != nil {
		return nil, err
	}
	return &body[api.Operation]{Body: a.Body}, nil
}

func (s *Server) operationJobs(ctx context.Context, r *control.Request, in *OperationIn) (*page[api.Job], error) {
	list, err := s.control.OperationJobs(ctx, r, in.id())
	if err != nil {
		return nil, err
	}
	return pageOf(list, "", jobView), nil
}

type operationChange struct {
	OperationIn
	Change
	Waiting
}

func (s *Server) operationCancel(ctx context.Context, r *control.Request, in *operationChange) (*cloud.Operation, error) {
	if err := s.control.CancelOperation(ctx, r, in.id()); err != nil {
		return nil, err
	}
	return s.control.Operation(ctx, r, in.id())
}

func (s *Server) operationRetry(ctx context.Context, r *control.Request, in *operationChange) (*cloud.Operation, error) {
	return s.control.RetryOperation(ctx, r, in.id())
}
