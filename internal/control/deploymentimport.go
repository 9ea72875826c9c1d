package control

import (
	"context"
	"encoding/json"
	"fmt"

	"atoll/internal/authz"
	"atoll/internal/cloud"
	"atoll/internal/store"
)

// ImportDeployment is a deployment of an Octopod installation; Status is in its words.
type ImportDeployment struct {
	Name, Status                               string
	Application, Deployment                    cloud.Overrides
	Links                                      []cloud.Link
	CreatedAt, UpdatedAt, StatusAt, ArchivedAt cloud.Time
	Actions                                    []ImportAction // the oldest first
}

// ImportAction is an entry of its log.
type ImportAction struct {
	Number                  int64
	Verb                    cloud.DeploymentVerb
	ExitCode                int64
	StartedAt, FinishedAt   cloud.Time
	Stdout, Stderr          string
	Application, Deployment cloud.Overrides
}

// Imported says what was done with a deployment, or would be.
type Imported struct {
	Name    string
	Taken   bool
	State   cloud.DeploymentState
	Reason  cloud.DeploymentReason
	Actions int
	Message string
}

// ActionOutput is what is kept of an imported action, which has no job here.
type ActionOutput struct {
	Application cloud.Overrides `json:"application"`
	Deployment  cloud.Overrides `json:"deployment"`
	Stdout      string          `json:"stdout,omitempty"`
	Stderr      string          `json:"stderr,omitempty"`
}

// OutputOf returns what is kept of an imported action, nil for others.
func OutputOf(a *cloud.Action) *ActionOutput {
	var out ActionOutput
	if a.OperationID != "" || a.Verb == cloud.VerbHealth || json.Unmarshal(a.Overrides, &out) != nil {
		return nil
	}
	return &out
}

// ImportDeployments takes deployments over as they are: no script runs but those that
// tell the defaults, and each is checked soon. One whose name is taken already is
// skipped, so that an import may be repeated. A dry run says what would be done.
func (c *Control) ImportDeployments(ctx context.Context, r *Request, ref ProjectRef, list []ImportDeployment) ([]Imported, error) {
	var p *cloud.Project
	err := c.view(ctx, func(tx *store.Tx) (err error) {
		if p, err = findProject(tx, ref); err != nil {
			return err
		}
		if err = r.permit(authz.Update, projectTarget(p), ref.String()); err != nil {
			return err
		}
		return r.allow(authz.Create, target{kind: cloud.KindDeployment, name: "here", account: p.AccountID, project: p.ID})
	})
	out := make([]Imported, 0, len(list))
	for i := range list {
		var one Imported
		if err == nil {
			one, err = c.importDeployment(ctx, r, p, &list[i])
		}
		out = append(out, one)
	}
	return out, err
}

func (c *Control) importDeployment(ctx context.Context, r *Request, p *cloud.Project, in *ImportDeployment) (Imported, error) {
	d := imported(p, in)
	out := Imported{Name: in.Name, Taken: true, State: d.State, Reason: d.Reason, Message: d.Message, Actions: len(in.Actions)}
	skip := func(why error) (Imported, error) {
		return Imported{Name: in.Name, Message: cloud.UserMessage(why)}, nil
	}
	if err := d.Validate(); err != nil {
		return skip(err)
	}
	taken := func(tx *store.Tx) error {
		_, err := tx.DeploymentNamed(p.ID, d.Name)
		if err == nil {
			return cloud.FieldErrorf("name", "there is a deployment with this name already")
		}
		if cloud.Is(err, cloud.NotFound) {
			return nil
		}
		return err
	}
	if err := c.view(ctx, taken); cloud.Is(err, cloud.Invalid) {
		return skip(err)
	} else if err != nil || r.DryRun {
		return out, err
	}
	var err error
	if d.EffectiveApplication, d.EffectiveDeployment, err = c.effective(ctx, p, d.Application, d.Deployment); err != nil {
		return out, err
	}
	err = c.change(ctx, r, "deployment.import", func(ch *change) error {
		if _, err := ch.projectFor(authz.Update, ProjectRef{Project: string(p.ID)}); err != nil {
			return err
		}
		if err := ch.LockProject(p.ID); err != nil {
			return err
		}
		if err := taken(ch.Tx); err != nil {
			return err
		}
		now, err := ch.Now()
		if err != nil {
			return err
		}
		d.OwnerID, d.OwnerName, d.CheckAt = r.User.ID, r.User.Name, now
		if err := ch.countDeployment(d, d.State != cloud.DeploymentArchived, ""); err != nil {
			return err
		}
		log, err := importedLog(d, in.Actions)
		if err != nil {
			return err
		}
		if err := ch.ImportDeployment(d, log); err != nil {
			return err
		}
		return ch.event("deployment.import", deploymentSubject(d), nil, d)
	})
	if cloud.Is(err, cloud.Invalid) {
		return skip(err)
	}
	return out, err
}

// imported is the deployment in our words. A pending one has nobody here who goes on
// with it: its next check says how it is, as of all whose failure a check has found.
func imported(p *cloud.Project, in *ImportDeployment) *cloud.Deployment {
	d := &cloud.Deployment{
		ID: cloud.IDAt[cloud.DeploymentID](in.CreatedAt), AccountID: p.AccountID, ProjectID: p.ID, Name: in.Name,
		Application: in.Application.Clean(), Deployment: in.Deployment.Clean(), Links: in.Links,
		DeployedAt: in.CreatedAt, StatusAt: in.StatusAt, Meta: cloud.Meta{CreatedAt: in.CreatedAt, UpdatedAt: in.UpdatedAt},
	}
	d.State = cloud.DeploymentFailure
	switch in.Status {
	case "Running":
		d.State = cloud.DeploymentRunning
	case "Archived":
		d.State = cloud.DeploymentArchived
	case "TagMismatch", "PartialAvailability", "GenericFailure":
		d.Reason, d.Message, d.Script = cloud.DeploymentReason(in.Status), "it was so in Octopod", string(cloud.ScriptCheck)
	case "CleanupFailed":
		d.Reason, d.Message = cloud.ReasonCleanupFailed, "its cleanup failed in Octopod; clean it up again"
		if in.ArchivedAt != 0 {
			d.State = cloud.DeploymentArchived
		}
	case "ArchivePending":
		d.Reason, d.Message = cloud.ReasonArchiveFailed, "its archive had not ended in Octopod; archive it again"
	default: // CreatePending, UpdatePending
		d.Script = string(cloud.ScriptCheck)
		d.Reason, d.Message = cloud.ReasonGeneric, fmt.Sprintf("it was %s in Octopod; its next check says how it is", in.Status)
	}
	if d.State == cloud.DeploymentArchived {
		if d.ArchivedAt = in.ArchivedAt; d.ArchivedAt == 0 {
			d.ArchivedAt = in.StatusAt
		}
	}
	return d
}

func importedLog(d *cloud.Deployment, list []ImportAction) ([]cloud.Action, error) {
	out := make([]cloud.Action, 0, len(list))
	for _, in := range list {
		a := cloud.Action{
			ID: cloud.IDAt[cloud.ActionID](in.StartedAt), AccountID: d.AccountID, ProjectID: d.ProjectID, DeploymentID: d.ID, DeploymentName: d.Name,
			Verb: in.Verb, ActorName: "octopod", Outcome: cloud.ActionSucceeded, ExitCode: in.ExitCode,
			Message:   fmt.Sprintf("action %d of Octopod", in.Number),
			StartedAt: in.StartedAt, FinishedAt: in.FinishedAt,
		}
		if in.ExitCode != 0 {
			a.Outcome = cloud.ActionFailed
		}
		var err error
		if a.Overrides, err = json.Marshal(ActionOutput{in.Application, in.Deployment, in.Stdout, in.Stderr}); err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}
