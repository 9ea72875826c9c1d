package rest

import (
	"context"
	"net/http"

	"atoll/api"
	"atoll/internal/cloud"
	"atoll/internal/control"
)

func deploymentView(d *cloud.Deployment) api.Deployment {
	v := api.Deployment{
		ID: string(d.ID), AccountID: string(d.AccountID), ProjectID: string(d.ProjectID), Name: d.Name, State: string(d.State),
		Reason: string(d.Reason), Message: d.Message, Script: d.Script, ExitCode: d.ExitCode, Action: string(d.Verb),
		OperationID: string(d.OperationID), WaitingID: string(d.WaitingID),
		Application: overridesView(d.Application), Deployment: overridesView(d.Deployment),
		EffectiveApplication: valuesView(d.EffectiveApplication), EffectiveDeployment: valuesView(d.EffectiveDeployment),
		Links: make([]api.Link, 0, len(d.Links)), Labels: d.Labels, OwnerID: string(d.OwnerID), Owner: d.OwnerName, Comment: d.Comment,
		RunnerID: string(d.RunnerID), ExpiresAt: d.ExpiresAt.Time(), UsedAt: d.UsedAt.Time(), DeployedAt: d.DeployedAt.Time(), ArchivedAt: d.ArchivedAt.Time(),
		StatusAt: d.StatusAt.Time(), CheckedAt: d.CheckedAt.Time(), CheckError: d.CheckError, Meta: metaView(d.Meta),
	}
	if d.TTL != 0 {
		v.TTL = d.TTL.String()
	}
	for _, l := range d.Links {
		v.Links = append(v.Links, api.Link(l))
	}
	return v
}

func foundView(f *control.Found) api.Deployment {
	v := deploymentView(&f.Deployment)
	for _, at := range f.Finds {
		v.Found = append(v.Found, api.Match(at))
	}
	return v
}

func overridesView(list cloud.Overrides) []api.Override {
	out := make([]api.Override, 0, len(list))
	for _, o := range list {
		out = append(out, api.Override(o))
	}
	return out
}

func overridesOf(list []api.Override) cloud.Overrides {
	out := make(cloud.Overrides, 0, len(list))
	for _, o := range list {
		out = append(out, cloud.Override(o))
	}
	return out
}

func valuesView(list []cloud.KeyValue) []api.KeyValue {
	out := make([]api.KeyValue, 0, len(list))
	for _, v := range list {
		out = append(out, api.KeyValue(v))
	}
	return out
}

func changesView(list []cloud.ConfigChange) []api.ConfigChange {
	out := make([]api.ConfigChange, 0, len(list))
	for _, v := range list {
		out = append(out, api.ConfigChange(v))
	}
	return out
}

// DeploymentIn names a deployment in the path.
type DeploymentIn struct {
	Deployment string `path:"deployment" doc:"Id, or name in the project."`
	Project    string `query:"project" doc:"Id, or name in the account; to find the deployment by its name."`
	Account    string `query:"account" doc:"Id or name; to find the project by its name."`
}

func (in DeploymentIn) ref() control.DeploymentRef {
	return control.DeploymentRef{Account: in.Account, Project: in.Project, Deployment: in.Deployment}
}

func (s *Server) registerDeployments() {
	const tag, all, one = "Deployments", "/deployments", "/deployments/{deployment}"
	add(s, get(all, "list-deployments", tag, "List deployments, or search for some"), s.deploymentList)
	addStart(s, start(http.MethodPost, all, "create-deployment", tag, "Create a deployment"), s.deploymentCreate)
	add(s, get(one, "get-deployment", tag, "Show a deployment"), s.deploymentGet)
	add(s, patch(one, "update-deployment", tag, "Change a deployment; answers 202 when its configuration changes by an operation"), s.deploymentUpdate)
	addStart(s, start(http.MethodPost, one+"/archive", "archive-deployment", tag, "Take a deployment down and keep its data"), s.deploymentArchive)
	addStart(s, start(http.MethodPost, one+"/restore", "restore-deployment", tag, "Take an archived deployment up again"), s.deploymentRestore)
	touch := post(one+"/touch", "touch-deployment", tag, "Say that a deployment is needed: its times to live begin anew")
	touch.DefaultStatus = http.StatusOK
	add(s, touch, s.deploymentTouch)
	addStart(s, start(http.MethodPost, one+"/cleanup", "cleanup-deployment", tag, "Remove an archived or failed deployment with its data"), s.deploymentCleanup)
	addStart(s, start(http.MethodDelete, one, "delete-deployment", tag, "Archive a deployment and clean it up"), s.deploymentDelete)
	add(s, get("/actions", "list-actions", tag, "List what was done to deployments, those that are gone among them"), s.actionList)
	add(s, get("/actions/{action}", "get-action", tag, "Show an entry of the log of deployments"), s.actionGet)
}

type deploymentListing struct {
	Listing
	Search string `query:"search" maxLength:"400" doc:"Words that all must be found in the name, owner, comment, labels or overrides: a part of one of them, or its letters in their order. What fits best comes first, and says where it was found; sort cannot be given." example:"orange v1"`
}

func (s *Server) deploymentList(ctx context.Context, r *control.Request, in *deploymentListing) (*page[api.Deployment], error) {
	if in.Search != "" {
		list, next, err := s.control.SearchDeployments(ctx, r, in.query(), in.Search)
		if err != nil {
			return nil, err
		}
		return pageOf(list, next, foundView), nil
	}
	list, next, err := s.control.Deployments(ctx, r, in.query())
	if err != nil {
		return nil, err
	}
	return pageOf(list, next, deploymentView), nil
}

type deploymentCreate struct {
	Creating
	Waiting
	Body api.DeploymentCreate
}

func (s *Server) deploymentCreate(ctx context.Context, r *control.Request, in *deploymentCreate) (*cloud.Operation, error) {
	b := in.Body
	ttl, err := durationOr("ttl", b.TTL)
	if err != nil {
		return nil, err
	}
	_, o, err := s.control.CreateDeployment(ctx, r, control.NewDeployment{
		Account: b.Account, Project: b.Project, Name: b.Name, Application: overridesOf(b.Application), Deployment: overridesOf(b.Deployment),
		Labels: b.Labels, Comment: b.Comment, TTL: ttl,
	})
	return o, err
}

func (s *Server) deploymentGet(ctx context.Context, r *control.Request, in *DeploymentIn) (*body[api.Deployment], error) {
	d, err := s.control.Deployment(ctx, r, in.ref())
	if err != nil {
		return nil, err
	}
	return object(d.Meta, deploymentView(d)), nil
}

type deploymentUpdate struct {
	DeploymentIn
	Versioned
	Waiting
	Body api.DeploymentUpdate
}

func configChange(u *api.ConfigUpdate) (c control.ConfigChange) {
	if u == nil {
		return c
	}
	c.Set, c.Unset = overridesOf(u.Set), u.Unset
	if u.Replace != nil {
		all := overridesOf(*u.Replace)
		c.Replace = &all
	}
	return c
}

func (s *Server) deploymentUpdate(ctx context.Context, r *control.Request, in *deploymentUpdate) (*changed[api.Deployment], error) {
	b := in.Body
	ttl, err := durationOr("ttl", b.TTL)
	if err != nil {
		return nil, err
	}
	d, o, err := s.control.UpdateDeployment(ctx, r, in.ref(), control.DeploymentChange{
		Comment: b.Comment, Labels: b.Labels, Owner: b.Owner, TTL: ttl,
		Application: configChange(b.Application), Deployment: configChange(b.Deployment),
	})
	if err != nil {
		return nil, err
	}
	return changedBy(ctx, s, r, o, in.wait(), object(d.Meta, deploymentView(d)), func() (*body[api.Deployment], error) {
		return s.deploymentGet(ctx, r, &DeploymentIn{Deployment: string(d.ID)})
	})
}

type deploymentAction struct {
	DeploymentIn
	Versioned
	Waiting
}

func (s *Server) deploymentArchive(ctx context.Context, r *control.Request, in *deploymentAction) (*cloud.Operation, error) {
	_, o, err := s.control.ArchiveDeployment(ctx, r, in.ref())
	return o, err
}

func (s *Server) deploymentRestore(ctx context.Context, r *control.Request, in *deploymentAction) (*cloud.Operation, error) {
	_, o, err := s.control.RestoreDeployment(ctx, r, in.ref())
	return o, err
}

type deploymentTouch struct {
	DeploymentIn
	Versioned
}

func (s *Server) deploymentTouch(ctx context.Context, r *control.Request, in *deploymentTouch) (*body[api.Deployment], error) {
	d, err := s.control.TouchDeployment(ctx, r, in.ref())
	if err != nil {
		return nil, err
	}
	return object(d.Meta, deploymentView(d)), nil
}

type deploymentEnd struct {
	DeploymentIn
	Versioned
	Waiting
	Force bool `query:"force" doc:"Without its control scripts: it is forgotten, and what there is of it stays."`
}

func (s *Server) deploymentCleanup(ctx context.Context, r *control.Request, in *deploymentEnd) (*cloud.Operation, error) {
	_, o, err := s.control.CleanupDeployment(ctx, r, in.ref(), in.Force)
	return o, err
}

func (s *Server) deploymentDelete(ctx context.Context, r *control.Request, in *deploymentEnd) (*cloud.Operation, error) {
	_, o, err := s.control.DeleteDeployment(ctx, r, in.ref(), in.Force)
	return o, err
}

func actionView(a *cloud.Action) api.Action {
	return api.Action{
		ID: string(a.ID), AccountID: string(a.AccountID), ProjectID: string(a.ProjectID), DeploymentID: string(a.DeploymentID), DeploymentName: a.DeploymentName,
		Action: string(a.Verb), OperationID: string(a.OperationID), ActorID: a.ActorID, Actor: a.ActorName, Outcome: string(a.Outcome),
		From: string(a.From), To: string(a.To), Reason: string(a.Reason), Message: a.Message, Script: a.Script, ExitCode: a.ExitCode,
		JobID: string(a.JobID), Application: changesView(a.Application), Deployment: changesView(a.Deployment),
		StartedAt: a.StartedAt.Time(), FinishedAt: a.FinishedAt.Time(),
	}
}

func (s *Server) actionList(ctx context.Context, r *control.Request, in *Listing) (*page[api.Action], error) {
	list, next, err := s.control.Actions(ctx, r, in.query())
	if err != nil {
		return nil, err
	}
	return pageOf(list, next, actionView), nil
}

// ActionIn names an entry of the log in the path.
type ActionIn struct {
	Action string `path:"action" format:"uuid"`
}

func (s *Server) actionGet(ctx context.Context, r *control.Request, in *ActionIn) (*body[api.Action], error) {
	a, err := s.control.Action(ctx, r, cloud.ActionID(in.Action))
	if err != nil {
		return nil, err
	}
	v := actionView(a)
	if out := control.OutputOf(a); out != nil {
		v.Imported = &api.ImportedLog{
			Application: overridesView(out.Application), Deployment: overridesView(out.Deployment), Stdout: out.Stdout, Stderr: out.Stderr,
		}
	}
	return &body[api.Action]{Body: v}, nil
}
