package client

import (
	"context"

	"atoll/api"
)

// Deployments are the calls about deployments.
type Deployments struct {
	Kind[api.Deployment, api.DeploymentCreate, api.DeploymentUpdate]
}

// Deployments returns the calls about deployments.
func (c *Client) Deployments() Deployments {
	return Deployments{kindOf[api.Deployment, api.DeploymentCreate, api.DeploymentUpdate](c, "deployments")}
}

// InProject says in which project the name of a deployment is to be found, and in
// which account the name of the project.
func InProject(account, project string) Option {
	return func(c *call) {
		c.set("account", account)
		c.set("project", project)
	}
}

// Archive takes a deployment down and keeps its data.
func (d Deployments) Archive(ctx context.Context, ref string, opts ...Option) (*Result[api.Deployment], error) {
	return d.do(ctx, ref, "archive", nil, opts)
}

// Restore takes an archived deployment up again.
func (d Deployments) Restore(ctx context.Context, ref string, opts ...Option) (*Result[api.Deployment], error) {
	return d.do(ctx, ref, "restore", nil, opts)
}

// Touch says that a deployment is needed: its times to live begin anew.
func (d Deployments) Touch(ctx context.Context, ref string, opts ...Option) (*Result[api.Deployment], error) {
	return d.do(ctx, ref, "touch", nil, opts)
}

// Cleanup removes an archived or failed deployment with its data.
func (d Deployments) Cleanup(ctx context.Context, ref string, opts ...Option) (*Result[api.Deployment], error) {
	return d.do(ctx, ref, "cleanup", nil, opts)
}

// Actions are the calls about the log of deployments.
func (c *Client) Actions() Reader[api.Action] { return Reader[api.Action]{c, "actions"} }
