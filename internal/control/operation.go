package control

import (
	"context"
	"encoding/json"

	"atoll/internal/authz"
	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/wire"
)

func operationTarget(o *cloud.Operation) target {
	t := target{kind: cloud.KindOperation, name: string(o.ID), account: o.AccountID, cloudspace: o.CloudspaceID, project: o.ProjectID}
	if o.SubjectKind == cloud.KindMachine {
		t.machine = cloud.MachineID(o.SubjectID)
	}
	return t
}

// shown is the operation for people: without what of its input may be secret.
func shown(o *cloud.Operation) *cloud.Operation {
	if o == nil || o.Kind != opImageCreate && o.SubjectKind != cloud.KindDeployment {
		return o
	}
	public := *o
	if o.Kind == opImageCreate {
		public.Input = publicImageInput(o.Input)
	} else {
		public.Input = publicDeployInput(o.Input)
	}
	return &public
}

// shownJob is the job for people: a control script's arguments without its secrets,
// sealed as they are.
func shownJob(j *cloud.Job) *cloud.Job {
	if j == nil || j.Action != wire.ActionControlRun {
		return j
	}
	public := *j
	var run wire.ControlRun
	if json.Unmarshal(j.Args, &run) != nil {
		public.Args = nil
		return &public
	}
	run.Deployment, run.Application, run.Env = maskedValues(run.Deployment), maskedValues(run.Application), maskedValues(run.Env)
	public.Args, _ = json.Marshal(run) // what was read can be written
	return &public
}

func shownJobs(list []cloud.Job) []cloud.Job {
	for i := range list {
		list[i] = *shownJob(&list[i])
	}
	return list
}

// Operation returns the operation if the caller may see it.
func (c *Control) Operation(ctx context.Context, r *Request, id cloud.OperationID) (*cloud.Operation, error) {
	var o *cloud.Operation
	err := c.view(ctx, func(tx *store.Tx) (err error) {
		if o, err = tx.Operation(id); err != nil {
			return err
		}
		return r.allow(authz.Read, operationTarget(o))
	})
	return shown(o), err
}

// WaitOperation returns the operation when it has ended, or as it is when ctx ends.
func (c *Control) WaitOperation(ctx context.Context, r *Request, id cloud.OperationID) (*cloud.Operation, error) {
	if _, err := c.Operation(context.WithoutCancel(ctx), r, id); err != nil {
		return nil, err
	}
	o, err := c.ops.Wait(ctx, id)
	return shown(o), err
}

// Operations returns a page of the operations that the caller may see.
func (c *Control) Operations(ctx context.Context, r *Request, q store.Query) (list []cloud.Operation, next string, err error) {
	err = c.view(ctx, func(tx *store.Tx) error {
		list, next, err = tx.Operations(r.query(cloud.KindOperation, q))
		return err
	})
	for i := range list {
		list[i] = *shown(&list[i])
	}
	return list, next, err
}

// OperationJobs returns the operation's jobs, the children of a fan-out.
func (c *Control) OperationJobs(ctx context.Context, r *Request, id cloud.OperationID) ([]cloud.Job, error) {
	if _, err := c.Operation(ctx, r, id); err != nil {
		return nil, err
	}
	var list []cloud.Job
	err := c.view(ctx, func(tx *store.Tx) (err error) { list, err = tx.JobsOf(id); return err })
	return shownJobs(list), err
}

// CancelOperation asks a live operation to undo itself.
func (c *Control) CancelOperation(ctx context.Context, r *Request, id cloud.OperationID) error {
	return c.change(ctx, r, "operation.cancel", func(ch *change) error {
		o, err := ch.Operation(id)
		if err != nil {
			return err
		}
		if err := r.allow(authz.Execute, operationTarget(o)); err != nil {
			return err
		}
		if err := c.ops.Cancel(ch.Tx, id); err != nil {
			return err
		}
		return ch.event("operation.cancel", subject{cloud.KindOperation, string(id), o.SubjectName, o.AccountID, o.CloudspaceID, o.ProjectID}, nil, nil)
	})
}

// RetryOperation starts a failed operation again, as a new one.
func (c *Control) RetryOperation(ctx context.Context, r *Request, id cloud.OperationID) (*cloud.Operation, error) {
	var again *cloud.Operation
	err := c.change(ctx, r, "operation.retry", func(ch *change) error {
		o, err := ch.Operation(id)
		if err != nil {
			return err
		}
		if err := r.allow(authz.Execute, operationTarget(o)); err != nil {
			return err
		}
		if o.AccountID != "" {
			if _, err := ch.active(o.AccountID); err != nil {
				return err
			}
		}
		if again, err = c.ops.Retry(ch.Tx, id, string(r.User.ID), r.ID); err != nil {
			return err
		}
		return ch.event("operation.retry", subject{cloud.KindOperation, string(again.ID), o.SubjectName, o.AccountID, o.CloudspaceID, o.ProjectID}, nil, nil)
	})
	return shown(again), err
}
