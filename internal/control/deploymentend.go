package control

import (
	"context"
	"encoding/json"

	"atoll/internal/authz"
	"atoll/internal/cloud"
	"atoll/internal/store"
)

// ArchiveDeployment takes the deployment down and keeps its data. What is under way
// is canceled before: a create that is stuck is no reason to wait.
func (c *Control) ArchiveDeployment(ctx context.Context, r *Request, ref DeploymentRef) (*cloud.Deployment, *cloud.Operation, error) {
	return c.end(ctx, r, ref, cloud.VerbArchive, false)
}

// CleanupDeployment removes an archived deployment, or one that failed, with its
// data; with force any, and without its scripts.
func (c *Control) CleanupDeployment(ctx context.Context, r *Request, ref DeploymentRef, force bool) (*cloud.Deployment, *cloud.Operation, error) {
	return c.end(ctx, r, ref, cloud.VerbCleanup, force)
}

// DeleteDeployment archives the deployment if it is not, and cleans it up. With
// force it only forgets it: what there is of it stays.
func (c *Control) DeleteDeployment(ctx context.Context, r *Request, ref DeploymentRef, force bool) (*cloud.Deployment, *cloud.Operation, error) {
	return c.end(ctx, r, ref, cloud.VerbDelete, force)
}

func (c *Control) end(ctx context.Context, r *Request, ref DeploymentRef, verb cloud.DeploymentVerb, force bool) (*cloud.Deployment, *cloud.Operation, error) {
	act := authz.Execute
	if verb != cloud.VerbArchive {
		act = authz.Delete
	}
	var d *cloud.Deployment
	var o *cloud.Operation
	err := c.change(ctx, r, "deployment."+string(verb), func(ch *change) error {
		var p *cloud.Project
		var err error
		if d, p, err = ch.deploymentFor(act, ref); err != nil {
			return err
		}
		if err := endable(d, verb, force); err != nil {
			return err
		}
		before := *d
		o = deploymentOperation(verb, d)
		in := deployInput{Force: force}
		if in.From, err = endingFrom(ch.Tx, d); err != nil {
			return err
		}
		if d.WaitingID != "" {
			if _, err := ch.supersede(d.WaitingID); err != nil {
				return err
			}
			d.WaitingID = ""
		}
		if in.After, err = ch.supersede(d.OperationID); err != nil {
			return err
		}
		now, err := ch.Now()
		if err != nil {
			return err
		}
		pend(d, cloud.DeploymentDeletePending, verb, o.ID, now)
		if err := ch.Tx.UpdateDeployment(d); err != nil {
			return err
		}
		o, err = ch.operate(p, o, d, in, &before)
		return err
	})
	return masked(d), shown(o), err
}

// endingFrom is the state that the deployment has if its end does not come about: that
// of before, if one end takes the place of another.
func endingFrom(tx *store.Tx, d *cloud.Deployment) (cloud.DeploymentState, error) {
	if d.State != cloud.DeploymentDeletePending {
		return d.State, nil
	}
	o, err := tx.Operation(d.OperationID)
	var in deployInput
	if err == nil {
		err = json.Unmarshal(o.Input, &in)
	}
	return in.From, err
}

// endable refuses what the state does not allow, with the way out.
func endable(d *cloud.Deployment, verb cloud.DeploymentVerb, force bool) error {
	switch {
	case verb == cloud.VerbArchive && d.State == cloud.DeploymentArchived:
		return cloud.StateErrorf(string(d.State), "deployment %s is archived already", d.Name)
	case d.State == cloud.DeploymentDeletePending && !force:
		return cloud.StateErrorf(string(d.State), "deployment %s is %s (%s is under way); cancel operation %s, or use --force", d.Name, d.State, d.Verb, d.OperationID)
	case verb == cloud.VerbCleanup && !force && d.State != cloud.DeploymentArchived && d.State != cloud.DeploymentFailure:
		return cloud.StateErrorf(string(d.State), "deployment %s is %s; archive it first, or delete it", d.Name, d.State)
	}
	return nil
}

// RestoreDeployment takes an archived deployment up again, with its data. Its
// configuration is checked as for a new one: defaults may have changed.
func (c *Control) RestoreDeployment(ctx context.Context, r *Request, ref DeploymentRef) (*cloud.Deployment, *cloud.Operation, error) {
	next, err := c.planRestore(ctx, r, ref)
	if err != nil {
		return nil, nil, err
	}
	var d *cloud.Deployment
	var o *cloud.Operation
	err = c.change(ctx, r, "deployment.restore", func(ch *change) error {
		var p *cloud.Project
		if d, p, err = ch.deploymentFor(authz.Execute, ref); err != nil {
			return err
		}
		if err := restorable(d); err != nil {
			return err
		}
		before := *d
		o = deploymentOperation(cloud.VerbRestore, d)
		now, err := ch.Now()
		if err != nil {
			return err
		}
		d.EffectiveApplication, d.EffectiveDeployment = next.EffectiveApplication, next.EffectiveDeployment
		d.UsedAt, d.IdleWarnedAt = now, 0
		pend(d, cloud.DeploymentCreatePending, cloud.VerbRestore, o.ID, now)
		if d.TTL != 0 {
			d.ExpiresAt, d.WarnedAt = now.Add(d.TTL), 0 // also of one that fails
		}
		if err := ch.countDeployment(d, true, o.ID); err != nil {
			return err
		}
		if err := ch.Tx.UpdateDeployment(d); err != nil {
			return err
		}
		o, err = ch.operate(p, o, d, deployInput{From: before.State}, &before)
		return err
	})
	return masked(d), shown(o), err
}

// TouchDeployment says that somebody needs the deployment: its time to live, and that
// after which an unused one is archived, begin anew.
func (c *Control) TouchDeployment(ctx context.Context, r *Request, ref DeploymentRef) (*cloud.Deployment, error) {
	var d *cloud.Deployment
	err := c.change(ctx, r, "deployment.touch", func(ch *change) error {
		var err error
		if d, _, err = ch.deploymentFor(authz.Execute, ref); err != nil {
			return err
		}
		if d.State == cloud.DeploymentArchived {
			return cloud.StateErrorf(string(d.State), "deployment %s is archived; restore it", d.Name)
		}
		before := *d
		if d.UsedAt, err = ch.Now(); err != nil {
			return err
		}
		d.IdleWarnedAt = 0
		if d.TTL != 0 {
			d.ExpiresAt, d.WarnedAt = d.UsedAt.Add(d.TTL), 0
		}
		if err := ch.Tx.UpdateDeployment(d); err != nil {
			return err
		}
		return ch.event("deployment.touch", deploymentSubject(d), &before, d)
	})
	return masked(d), err
}

func restorable(d *cloud.Deployment) error {
	if d.State != cloud.DeploymentArchived {
		return cloud.StateErrorf(string(d.State), "deployment %s is %s; only an archived one can be restored", d.Name, d.State)
	}
	return nil
}

func (c *Control) planRestore(ctx context.Context, r *Request, ref DeploymentRef) (*cloud.Deployment, error) {
	var d *cloud.Deployment
	var p *cloud.Project
	err := c.view(ctx, func(tx *store.Tx) (err error) {
		if d, err = findDeployment(tx, ref); err != nil {
			return err
		}
		if err := r.permit(authz.Execute, deploymentTarget(d), ref.String()); err != nil {
			return err
		}
		if p, err = tx.Project(d.ProjectID); err != nil {
			return err
		}
		return restorable(d)
	})
	if err != nil {
		return nil, err
	}
	return d, c.gate(ctx, p, d)
}
