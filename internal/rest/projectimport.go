package rest

import (
	"context"

	"atoll/api"
	"atoll/internal/cloud"
	"atoll/internal/control"
)

type projectImport struct {
	ProjectIn
	Change
	Body api.ProjectImport
}

// projectImport answers a dry run as it answers the import itself.
func (s *Server) projectImport(ctx context.Context, r *control.Request, in *projectImport) (*body[api.ProjectImported], error) {
	list := make([]control.ImportDeployment, 0, len(in.Body.Deployments))
	for i := range in.Body.Deployments {
		list = append(list, importDeployment(&in.Body.Deployments[i]))
	}
	done, err := s.control.ImportDeployments(ctx, r, in.ref(), list)
	if err != nil {
		return nil, err
	}
	out := api.ProjectImported{Deployments: make([]api.ImportedDeployment, 0, len(done))}
	for _, d := range done {
		v := api.ImportedDeployment{Name: d.Name, Outcome: "skipped", Message: d.Message}
		if d.Taken {
			v.Outcome, v.State, v.Reason, v.Actions = "imported", string(d.State), string(d.Reason), d.Actions
		}
		out.Deployments = append(out.Deployments, v)
	}
	return &body[api.ProjectImported]{Body: out}, nil
}

func importDeployment(d *api.ImportDeployment) control.ImportDeployment {
	out := control.ImportDeployment{
		Name: d.Name, Status: d.Status, Application: overridesOf(d.Application), Deployment: overridesOf(d.Deployment),
		CreatedAt: cloud.TimeOf(d.CreatedAt), UpdatedAt: cloud.TimeOf(d.UpdatedAt), StatusAt: cloud.TimeOf(d.StatusAt), ArchivedAt: cloud.TimeOf(d.ArchivedAt),
	}
	for _, l := range d.Links {
		out.Links = append(out.Links, cloud.Link(l))
	}
	for _, a := range d.Actions {
		out.Actions = append(out.Actions, control.ImportAction{
			Number: a.Number, Verb: cloud.DeploymentVerb(a.Action), ExitCode: a.ExitCode,
			StartedAt: cloud.TimeOf(a.StartedAt), FinishedAt: cloud.TimeOf(a.FinishedAt),
			Stdout: a.Stdout, Stderr: a.Stderr, Application: overridesOf(a.Application), Deployment: overridesOf(a.Deployment),
		})
	}
	return out
}
