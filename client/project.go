package client

import (
	"context"
	"net/http"

	"atoll/api"
)

// Projects are the calls about projects.
type Projects struct {
	Kind[api.Project, api.ProjectCreate, api.ProjectUpdate]
}

// Projects returns the calls about projects.
func (c *Client) Projects() Projects {
	return Projects{kindOf[api.Project, api.ProjectCreate, api.ProjectUpdate](c, "projects")}
}

// Import takes over deployments of an Octopod installation. With DryRun it only says
// what would be done.
func (p Projects) Import(ctx context.Context, ref string, in api.ProjectImport, opts ...Option) (*api.ProjectImported, error) {
	cl := newCall(http.MethodPost, joinPath(p.Reader.path, ref, "import"), opts)
	cl.json = in
	return fetch[api.ProjectImported](ctx, p.Reader.c, cl)
}

// Defaults asks the project's control scripts for the default configuration.
func (p Projects) Defaults(ctx context.Context, ref string, in api.ProjectDefaultsAsk, opts ...Option) (*api.ProjectDefaults, error) {
	cl := newCall(http.MethodPost, joinPath(p.Reader.path, ref, "defaults"), opts)
	cl.json = in
	return fetch[api.ProjectDefaults](ctx, p.Reader.c, cl)
}
