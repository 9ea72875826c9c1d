package rest

import (
	"context"
	"time"

	"atoll/api"
	"atoll/internal/cloud"
	"atoll/internal/control"
)

func projectView(p *cloud.Project) api.Project {
	v := api.Project{
		ID: string(p.ID), AccountID: string(p.AccountID), Name: p.Name, Description: p.Description, BaseDomain: p.BaseDomain,
		Namespace: p.Namespace, Folder: p.Folder, BundleID: string(p.BundleID), Role: string(p.Role), Labels: p.Labels, UserID: p.UserID,
		ScriptTimeout: p.ScriptTimeout.String(), CheckTimeout: p.CheckTimeout.String(),
		StatusInterval: p.StatusInterval.String(), StatusTimeout: p.StatusTimeout.String(),
		ArchiveRetention: p.ArchiveRetention.String(), History: p.History.String(), DefaultTTL: p.DefaultTTL.String(), IdleTTL: p.IdleTTL.String(), DiskMiB: p.DiskMiB, Meta: metaView(p.Meta),
	}
	for _, s := range p.Secrets {
		v.Secrets = append(v.Secrets, s.Name)
	}
	return v
}

// ProjectIn names a project in the path.
type ProjectIn struct {
	Project string `path:"project" doc:"Id, or name in the account."`
	Account string `query:"account" doc:"Id or name; to find it by its name."`
}

func (in ProjectIn) ref() control.ProjectRef {
	return control.ProjectRef{Account: in.Account, Project: in.Project}
}

func (s *Server) registerProjects() {
	const tag, all, one = "Projects", "/projects", "/projects/{project}"
	add(s, get(all, "list-projects", tag, "List projects"), s.projectList)
	add(s, post(all, "create-project", tag, "Create a project"), s.projectCreate)
	add(s, get(one, "get-project", tag, "Show a project"), s.projectGet)
	add(s, patch(one, "update-project", tag, "Change a project"), s.projectUpdate)
	add(s, remove(one, "delete-project", tag, "Delete a project without deployments"), s.projectDelete)
	ask := post(one+"/defaults", "get-project-defaults", tag, "Ask a project's control scripts for the default configuration and for keys")
	ask.DefaultStatus = 200
	add(s, ask, s.projectDefaults)
	take := post(one+"/import", "import-deployments", tag, "Take over deployments of an Octopod installation")
	take.DefaultStatus, take.MaxBodyBytes = 200, maxBody
	add(s, take, s.projectImport)
}

func (s *Server) projectList(ctx context.Context, r *control.Request, in *Listing) (*page[api.Project], error) {
	list, next, err := s.control.Projects(ctx, r, in.query())
	if err != nil {
		return nil, err
	}
	return pageOf(list, next, projectView), nil
}

// projectChange turns the API's change into control's.
func projectChange(b *api.ProjectUpdate) (in control.ProjectChange, err error) {
	in = control.ProjectChange{
		Name: b.Name, Description: b.Description, BaseDomain: b.BaseDomain, Namespace: b.Namespace, Folder: b.Folder,
		Role: word[cloud.Role](b.Role), Labels: b.Labels, Secrets: b.Secrets, DiskMiB: b.DiskMiB,
	}
	for _, t := range []struct {
		field string
		from  *string
		to    **time.Duration
	}{
		{"script_timeout", b.ScriptTimeout, &in.Times.Script},
		{"check_timeout", b.CheckTimeout, &in.Times.Check},
		{"status_interval", b.StatusInterval, &in.Times.StatusInterval},
		{"status_timeout", b.StatusTimeout, &in.Times.StatusTimeout},
		{"archive_retention", b.ArchiveRetention, &in.Times.ArchiveRetention},
		{"history", b.History, &in.Times.History},
		{"default_ttl", b.DefaultTTL, &in.Times.DefaultTTL},
		{"idle_ttl", b.IdleTTL, &in.Times.IdleTTL},
	} {
		if *t.to, err = durationOr(t.field, t.from); err != nil {
			return in, err
		}
	}
	return in, nil
}

// durationOr reads a length of time; nil stays nil.
func durationOr(field string, text *string) (*time.Duration, error) {
	if text == nil {
		return nil, nil
	}
	d, err := duration(field, *text)
	return &d, err
}

type projectCreate struct {
	Creating
	Body api.ProjectCreate
}

func (s *Server) projectCreate(ctx context.Context, r *control.Request, in *projectCreate) (*created[api.Project], error) {
	change, err := projectChange(&in.Body.ProjectUpdate)
	if err != nil {
		return nil, err
	}
	p, err := s.control.CreateProject(ctx, r, in.Body.Account, change)
	if err != nil {
		return nil, err
	}
	return newObject("/projects", p.ID, p.Meta, projectView(p)), nil
}

func (s *Server) projectGet(ctx context.Context, r *control.Request, in *ProjectIn) (*body[api.Project], error) {
	p, err := s.control.Project(ctx, r, in.ref())
	if err != nil {
		return nil, err
	}
	return object(p.Meta, projectView(p)), nil
}

type projectUpdate struct {
	ProjectIn
	Versioned
	Body api.ProjectUpdate
}

func (s *Server) projectUpdate(ctx context.Context, r *control.Request, in *projectUpdate) (*body[api.Project], error) {
	change, err := projectChange(&in.Body)
	if err != nil {
		return nil, err
	}
	p, err := s.control.UpdateProject(ctx, r, in.ref(), change)
	if err != nil {
		return nil, err
	}
	return object(p.Meta, projectView(p)), nil
}

type projectDelete struct {
	ProjectIn
	Versioned
}

func (s *Server) projectDelete(ctx context.Context, r *control.Request, in *projectDelete) (*none, error) {
	return &none{}, s.control.DeleteProject(ctx, r, in.ref())
}

type projectDefaults struct {
	ProjectIn
	Body api.ProjectDefaultsAsk
}

func (s *Server) projectDefaults(ctx context.Context, r *control.Request, in *projectDefaults) (*body[api.ProjectDefaults], error) {
	d, err := s.control.ProjectDefaults(ctx, r, in.ref(), overridesOf(in.Body.Deployment))
	if err != nil {
		return nil, err
	}
	return &body[api.ProjectDefaults]{Body: api.ProjectDefaults{
		Deployment: valuesView(d.Deployment), Application: valuesView(d.Application),
		DeploymentKeys: listed(d.DeploymentKeys), ApplicationKeys: listed(d.ApplicationKeys),
	}}, nil
}
