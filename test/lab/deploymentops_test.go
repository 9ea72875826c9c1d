package lab

import (
	"testing"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/control"
	"atoll/internal/op/optest"
)

// deployments are the cases of optest for all that is done to a deployment.
func (b *bench) deployments() []optest.Case {
	type ref = control.DeploymentRef
	type start func(ref) (*cloud.Deployment, *cloud.Operation, error)
	ctx, c := b.root.Context(), func() *control.Control { return b.Control } // another one after a kill
	update := func(r ref) (*cloud.Deployment, *cloud.Operation, error) {
		return c().UpdateDeployment(ctx, b.Admin, r, control.DeploymentChange{
			Application: control.ConfigChange{Set: cloud.Overrides{{Key: "image.tag", Value: "v2"}}},
		})
	}
	archive := func(r ref) (*cloud.Deployment, *cloud.Operation, error) {
		return c().ArchiveDeployment(ctx, b.Admin, r)
	}
	restore := func(r ref) (*cloud.Deployment, *cloud.Operation, error) {
		return c().RestoreDeployment(ctx, b.Admin, r)
	}
	cleanup := func(r ref) (*cloud.Deployment, *cloud.Operation, error) {
		return c().CleanupDeployment(ctx, b.Admin, r, false)
	}
	remove := func(r ref) (*cloud.Deployment, *cloud.Operation, error) {
		return c().DeleteDeployment(ctx, b.Admin, r, false)
	}
	change := func(do start, archived bool, good, bad cloud.DeploymentState) func(*testing.T) *optest.Subject {
		return func(t *testing.T) *optest.Subject {
			r := b.deployed(t, archived)
			return &optest.Subject{
				Start: func() (cloud.OperationID, error) {
					_, o, err := do(r)
					return id(o, err)
				},
				Ended: func(t *testing.T, o *cloud.Operation) { b.deploymentIs(t, r, o, good, bad) },
				Clear: func(t *testing.T) { b.forget(t, r) },
			}
		}
	}
	return []optest.Case{
		{Kind: "deployment.create", Arrange: func(t *testing.T) *optest.Subject {
			p, name := b.shop(t), b.name("web")
			return &optest.Subject{
				Start: func() (cloud.OperationID, error) { return id(b.deploy(p, name)) },
				Ended: func(t *testing.T, o *cloud.Operation) {
					b.deploymentIs(t, b.at(p, name), o, cloud.DeploymentRunning, cloud.DeploymentFailure)
				},
				Clear: func(t *testing.T) { b.forget(t, b.at(p, name)) },
			}
		}},
		{Kind: "deployment.update", Arrange: change(update, false, cloud.DeploymentRunning, cloud.DeploymentFailure)},
		{Kind: "deployment.archive", Arrange: change(archive, false, cloud.DeploymentArchived, cloud.DeploymentFailure)},
		{Kind: "deployment.restore", Arrange: change(restore, true, cloud.DeploymentRunning, cloud.DeploymentFailure)},
		{Kind: "deployment.cleanup", Arrange: change(cleanup, true, "", cloud.DeploymentArchived)},
		{Kind: "deployment.delete", Arrange: change(remove, false, "", cloud.DeploymentFailure)},
	}
}

// shop is the project of the cases; nothing checks its deployments but operations.
func (b *bench) shop(t *testing.T) (p *cloud.Project) {
	b.within(t, func() {
		var err error
		if p, err = b.Control.Project(b.root.Context(), b.Admin, control.ProjectRef{Account: "default", Project: "shop"}); cloud.Is(err, cloud.NotFound) {
			p = b.project("shop", time.Hour)
		} else if err != nil {
			t.Fatal(err)
		}
	})
	return p
}

func (b *bench) deployed(t *testing.T, archived bool) (r control.DeploymentRef) {
	p := b.shop(t)
	r = b.at(p, b.name("web"))
	b.within(t, func() {
		b.Done(b.deploy(p, r.Deployment))
		if archived {
			_, o, err := b.Control.ArchiveDeployment(b.root.Context(), b.Admin, r)
			b.Done(o, err)
		}
	})
	return r
}

// deploymentIs checks the deployment after its operation; good "" is that it is gone.
func (b *bench) deploymentIs(t *testing.T, r control.DeploymentRef, o *cloud.Operation, good, bad cloud.DeploymentState) {
	t.Helper()
	d, err := b.Control.Deployment(t.Context(), b.Admin, r)
	want := bad
	if o.State == cloud.OperationSucceeded {
		want = good
	}
	switch {
	case want == "":
		if !cloud.Is(err, cloud.NotFound) {
			t.Errorf("deployment = %+v, %v, want it gone", d, err)
		}
	case err != nil || d.State != want || d.OperationID != "" || d.Verb != "":
		t.Errorf("deployment = %+v, %v, want %s", d, err, want)
	case o.State != cloud.OperationSucceeded && (d.Reason == "" || d.Message == ""):
		t.Errorf("deployment = %+v, want a reason", d)
	}
}

// forget removes the deployment, if it is there, without its scripts.
func (b *bench) forget(t *testing.T, r control.DeploymentRef) {
	b.within(t, func() {
		_, o, err := b.Control.DeleteDeployment(t.Context(), b.Admin, r, true)
		if !cloud.Is(err, cloud.NotFound) {
			b.Done(o, err)
		}
	})
}
