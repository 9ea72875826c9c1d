package control

import (
	"context"

	"atoll/internal/authz"
	"atoll/internal/cloud"
	"atoll/internal/store"
)

// CheckDeployment runs the deployment's check now and returns what it says; "" is
// that all is well. It changes nothing: the deployment's own checks do that.
func (c *Control) CheckDeployment(ctx context.Context, r *Request, ref DeploymentRef) (cloud.DeploymentReason, error) {
	var d *cloud.Deployment
	var p *cloud.Project
	err := c.view(ctx, func(tx *store.Tx) (err error) {
		if d, err = findDeployment(tx, ref); err != nil {
			return err
		}
		if err = r.permit(authz.Read, deploymentTarget(d), ref.String()); err != nil {
			return err
		}
		p, err = tx.Project(d.ProjectID)
		return err
	})
	if err != nil {
		return "", err
	}
	run := scriptOf(p, d, cloud.ScriptCheck)
	run.timeout = p.CheckTimeout
	res, err := c.ask(ctx, run)
	if cloud.Is(err, cloud.Timeout) {
		return cloud.ReasonTimeout, nil
	}
	if err != nil {
		return "", err
	}
	return cloud.CheckReason(res.ExitCode), nil
}

// ActionNumbered returns the entry of a project's log by its number (ActionID.Number).
func (c *Control) ActionNumbered(ctx context.Context, r *Request, project cloud.ProjectID, n int64) (*cloud.Action, error) {
	var a *cloud.Action
	err := c.view(ctx, func(tx *store.Tx) (err error) {
		if a, err = tx.ActionNumbered(project, n); err != nil {
			return err
		}
		return r.permit(authz.Read, target{kind: cloud.KindDeployment, name: a.DeploymentName, account: a.AccountID, project: a.ProjectID}, string(a.ID))
	})
	return a, err
}
