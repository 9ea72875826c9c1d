package control

import (
	"context"
	"encoding/json"

	"atoll/internal/authz"
	"atoll/internal/cloud"
	"atoll/internal/op"
	"atoll/internal/store"
)

// diff is what changes of the effective configuration; before may be nil.
func (c *Control) diff(p cloud.ProjectID, before, after *cloud.Deployment) (app, dep []cloud.ConfigChange, err error) {
	var old cloud.Deployment
	if before != nil {
		old = *before
	}
	plain := func(list []cloud.KeyValue) []cloud.KeyValue {
		list = append([]cloud.KeyValue(nil), list...)
		if err == nil {
			err = c.openValues(p, list)
		}
		return list
	}
	app = cloud.DiffConfig(plain(old.EffectiveApplication), plain(after.EffectiveApplication))
	dep = cloud.DiffConfig(plain(old.EffectiveDeployment), plain(after.EffectiveDeployment))
	return app, dep, err
}

// logAction writes the entry of an operation that begins.
func (ch *change) logAction(p *cloud.Project, o *cloud.Operation, before, after *cloud.Deployment, in deployInput) error {
	now, err := ch.Now()
	if err != nil {
		return err
	}
	a := &cloud.Action{
		ID: cloud.NewID[cloud.ActionID](), AccountID: p.AccountID, ProjectID: p.ID, DeploymentID: after.ID, DeploymentName: after.Name,
		Verb: verbOf(o), OperationID: o.ID, ActorID: string(ch.r.User.ID), ActorName: ch.r.User.Name,
		Outcome: cloud.ActionRunning, From: in.From, StartedAt: now,
	}
	if in.Waited {
		a.Outcome = cloud.ActionWaiting
	}
	if a.Application, a.Deployment, err = ch.c.diff(p.ID, before, after); err != nil {
		return err
	}
	public := masked(after)
	if a.Overrides, err = json.Marshal(map[string]cloud.Overrides{"application": public.Application, "deployment": public.Deployment}); err != nil {
		return err
	}
	return ch.Tx.CreateAction(a)
}

func verbOf(o *cloud.Operation) cloud.DeploymentVerb {
	return cloud.DeploymentVerb(o.Kind[len("deployment."):])
}

// retryAction writes the entry of an operation that is tried again.
func retryAction(s *op.Scope, old *cloud.Action, actor string) error {
	now, err := s.Tx.Now()
	if err != nil {
		return err
	}
	a := *old
	a.ID, a.OperationID, a.ActorID, a.ActorName = cloud.NewID[cloud.ActionID](), s.Op.ID, s.Op.CreatedBy, actor
	a.Outcome, a.StartedAt, a.FinishedAt, a.JobID, a.Script, a.ExitCode, a.Reason, a.Message = cloud.ActionRunning, now, 0, "", "", 0, "", ""
	return s.Tx.CreateAction(&a)
}

// endAction completes the entry of an operation that ends. d is the deployment as it
// is then.
func endAction(s *op.Scope, d *cloud.Deployment, cause *cloud.Error) error {
	a, err := s.Tx.ActionOf(s.Op.ID)
	if cloud.Is(err, cloud.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if a.FinishedAt, err = s.Tx.Now(); err != nil {
		return err
	}
	a.Outcome, a.To = cloud.ActionSucceeded, d.State
	if cause != nil {
		a.Outcome, a.Message = cloud.ActionFailed, cause.Message
		if s.Op.CancelAsked {
			a.Outcome = cloud.ActionCanceled
		}
		a.Reason = d.Reason
	}
	j, run, err := lastScript(s, cause != nil)
	if err != nil {
		return err
	}
	if j != nil {
		a.JobID, a.Script = j.ID, string(run.script)
		a.ExitCode = int64(run.exit)
	}
	return s.Tx.UpdateAction(a)
}

// healthAction writes the entry of a change that a check found.
func healthAction(tx *store.Tx, d *cloud.Deployment, from cloud.DeploymentState, job cloud.JobID) error {
	now, err := tx.Now()
	if err != nil {
		return err
	}
	outcome := cloud.ActionSucceeded
	if d.State == cloud.DeploymentFailure {
		outcome = cloud.ActionFailed
	}
	return tx.CreateAction(&cloud.Action{
		ID: cloud.NewID[cloud.ActionID](), AccountID: d.AccountID, ProjectID: d.ProjectID, DeploymentID: d.ID, DeploymentName: d.Name,
		Verb: cloud.VerbHealth, ActorName: "system", Outcome: outcome, From: from, To: d.State, Reason: d.Reason, Message: d.Message,
		Script: string(cloud.ScriptCheck), ExitCode: d.ExitCode, JobID: job, StartedAt: now, FinishedAt: now,
	})
}

// Actions returns a page of the log of deployments that the caller may see, those
// that are gone among them.
func (c *Control) Actions(ctx context.Context, r *Request, q store.Query) (list []cloud.Action, next string, err error) {
	err = c.view(ctx, func(tx *store.Tx) error {
		list, next, err = tx.Actions(r.query(cloud.KindDeployment, q))
		return err
	})
	return list, next, err
}

// Action returns an entry of the log if the caller may see it.
func (c *Control) Action(ctx context.Context, r *Request, id cloud.ActionID) (*cloud.Action, error) {
	var a *cloud.Action
	err := c.view(ctx, func(tx *store.Tx) (err error) {
		if a, err = tx.Action(id); err != nil {
			return err
		}
		return r.permit(authz.Read, target{kind: cloud.KindDeployment, name: a.DeploymentName, account: a.AccountID, project: a.ProjectID}, string(id))
	})
	return a, err
}
