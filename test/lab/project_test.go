package lab

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/control"
	"atoll/internal/sal/sim"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
	"atoll/internal/wire"
)

// Who has a role on a project sees that one and what is in it, and nothing else.
func TestProjectMembers(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		l := New(t, db, 1, sim.Config{})
		ctx := t.Context()
		shop, other := l.project("shop", time.Hour), l.project("other", time.Hour)
		create := l.Done(l.deploy(shop, "web"))
		l.Done(l.deploy(other, "secret"))
		u := &cloud.User{Name: "quinn"}
		if err := l.Control.CreateUser(ctx, l.Admin, u, ""); err != nil {
			t.Fatal(err)
		}
		m, err := l.Control.CreateMembership(ctx, l.Admin, control.NewMembership{User: "quinn", Role: cloud.ScopeWriter, Project: shop.ID})
		if err != nil {
			t.Fatal(err)
		}
		quinn := &control.Request{User: u, Memberships: []cloud.Membership{*m}, ID: "test"}
		list, _, err := l.Control.Deployments(ctx, quinn, store.Query{})
		if err != nil || len(list) != 1 || list[0].Name != "web" {
			t.Errorf("deployments = %v, %v", list, err)
		}
		if p, _, err := l.Control.Projects(ctx, quinn, store.Query{}); err != nil || len(p) != 1 || p[0].ID != shop.ID {
			t.Errorf("projects = %v, %v", p, err)
		}
		if _, err := l.Control.Deployment(ctx, quinn, l.at(other, "secret")); !cloud.Is(err, cloud.NotFound) {
			t.Errorf("a deployment of another project = %v", err)
		}
		if o, err := l.Control.Operation(ctx, quinn, create.ID); err != nil || o.ProjectID != shop.ID {
			t.Errorf("the operation of its deployment = %+v, %v", o, err)
		}
		if o, _, err := l.Control.Operations(ctx, quinn, store.Query{}); err != nil || len(o) != 1 {
			t.Errorf("operations = %v, %v", o, err)
		}
		if a, _, err := l.Control.Actions(ctx, quinn, store.Query{}); err != nil || len(a) != 1 {
			t.Errorf("actions = %v, %v", a, err)
		}
		l.Until("its events are numbered", func() bool {
			e, _, err := l.Control.Events(ctx, quinn, store.Query{Filter: []string{"action=deployment.create"}})
			return err == nil && len(e) == 1 && e[0].SubjectName == "web"
		})
		if _, err := l.Control.UpdateProject(ctx, quinn, control.ProjectRef{Project: string(shop.ID)}, control.ProjectChange{Folder: ptr("/root")}); !cloud.Is(err, cloud.Denied) {
			t.Errorf("a writer who changes the control scripts = %v", err)
		}
		_, o, err := l.Control.ArchiveDeployment(ctx, quinn, l.at(shop, "web"))
		l.Done(o, err)
	})
}

func TestDeploymentQuota(t *testing.T) {
	t.Parallel()
	l := New(t, storetest.SQLite(t), 1, sim.Config{})
	ctx := t.Context()
	p := l.project("shop", time.Hour)
	scope := cloud.Scope{Kind: cloud.KindProject, ID: string(p.ID)}
	if _, _, err := l.Control.SetLimits(ctx, l.Admin, scope, map[cloud.Resource]int64{cloud.ResourceDeployments: 1}); err != nil {
		t.Fatal(err)
	}
	l.Done(l.deploy(p, "one"))
	_, err := l.deploy(p, "two")
	if !cloud.Is(err, cloud.Quota) || !strings.Contains(cloud.UserMessage(err), "project shop allows 1 deployments") {
		t.Errorf("a deployment over the quota = %v", err)
	}
	_, o, err := l.Control.ArchiveDeployment(ctx, l.Admin, l.at(p, "one"))
	l.Done(o, err)
	l.Done(l.deploy(p, "two"))
	if _, _, err := l.Control.RestoreDeployment(ctx, l.Admin, l.at(p, "one")); !cloud.Is(err, cloud.Quota) {
		t.Errorf("a restore over the quota = %v", err)
	}
	l.Sound()
}

// Another runner takes over what one that was lost had begun.
func TestRunnerLost(t *testing.T) {
	t.Parallel()
	l := New(t, storetest.SQLite(t), 2, sim.Config{})
	p := l.project("shop", time.Hour)
	create, err := l.deploy(p, "web", "create.sleep=3s")
	if err != nil {
		t.Fatal(err)
	}
	var lost cloud.NodeID
	l.Until("the script runs", func() bool {
		jobs, err := l.Control.OperationJobs(t.Context(), l.Admin, create.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range jobs {
			if j.Queue == cloud.QueueControl && j.State == cloud.JobRunning {
				lost = j.NodeID
			}
		}
		return lost != ""
	})
	for _, name := range []string{"sim-1", "sim-2"} {
		if n := l.WaitNode(name, cloud.NodeOnline); n.ID == lost {
			l.Node(name).Stop()
			storetest.Exec(t, l.DB, "UPDATE nodes SET state = 'offline', last_seen_at = 1 WHERE name = '"+name+"'")
			break
		}
	}
	l.Control.Engine().Signal(create.ID)
	l.Done(create, nil)
	d := l.deployment(p, "web")
	if d.State != cloud.DeploymentRunning || d.RunnerID == lost || d.RunnerID == "" {
		t.Errorf("it is %s on %s; %s was lost", d.State, d.RunnerID, lost)
	}
	l.Sound()
}

// The time to live ends with an archive, after notice, and what is archived is
// cleaned up when it was kept long enough.
func TestDeploymentEndsByItself(t *testing.T) {
	t.Parallel()
	l := New(t, storetest.SQLite(t), 1, sim.Config{})
	ctx := t.Context()
	p := l.project("shop", time.Hour)
	ttl := time.Hour
	_, o, err := l.Control.CreateDeployment(ctx, l.Admin, control.NewDeployment{Project: string(p.ID), Name: "web", TTL: &ttl})
	l.Done(o, err)
	d := l.deployment(p, "web")
	if left := d.ExpiresAt.Sub(d.DeployedAt); left != ttl {
		t.Errorf("it expires %s after it was deployed", left)
	}
	storetest.Exec(t, l.DB, "UPDATE deployments SET expires_at = 1")
	l.Until("it is archived", func() bool { return l.deployment(p, "web").State == cloud.DeploymentArchived })
	l.Until("that was announced", func() bool {
		e, _, err := l.Control.Events(ctx, l.Admin, store.Query{Filter: []string{"action=deployment.expires"}})
		return err == nil && len(e) == 1
	})
	storetest.Exec(t, l.DB, "UPDATE deployments SET archived_at = 1")
	l.Until("it is cleaned up", func() bool {
		_, err := l.Control.Deployment(ctx, l.Admin, l.at(p, "web"))
		return cloud.Is(err, cloud.NotFound)
	})
	if a := l.actions(d); len(a) != 3 || a[0].Verb != cloud.VerbCleanup || a[0].ActorName != "archive retention" || a[1].ActorName != "time to live" {
		t.Errorf("the log has %+v", a)
	}
	l.Sound()
}

// No secret is in what is stored of a job; its agent gets it.
func TestDeploymentSecrets(t *testing.T) {
	t.Parallel()
	l := New(t, storetest.SQLite(t), 1, sim.Config{})
	p := l.project("shop", time.Hour)
	if _, err := l.Control.UpdateProject(t.Context(), l.Admin, control.ProjectRef{Project: string(p.ID)}, control.ProjectChange{
		Secrets: map[string]string{"TOKEN": "open barley"},
	}); err != nil {
		t.Fatal(err)
	}
	o := l.Done(l.deploy(p, "web"))
	jobs, err := l.Control.OperationJobs(t.Context(), l.Admin, o.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range jobs {
		if j.Action != wire.ActionControlRun || strings.Contains(string(j.Args), "open") {
			t.Errorf("job %s has %s", j.Action, j.Args)
		}
	}
	if strings.Contains(string(o.Input), "open sesame") {
		t.Errorf("the operation has %s", o.Input)
	}
	if a := l.actions(l.deployment(p, "web")); len(a) != 1 || *a[0].Application[1].New != cloud.SecretMask {
		t.Errorf("the log has %+v", a)
	}
	// What people see has no secret, not even sealed, and what is sealed is no way to
	// what it hides.
	var run wire.ControlRun
	if err := json.Unmarshal(jobs[0].Args, &run); err != nil || len(run.Env) != 1 || run.Env[0].Value != cloud.SecretMask {
		t.Fatalf("the job has %s, %v", jobs[0].Args, err)
	}
	project, err := l.Control.Project(t.Context(), l.Admin, control.ProjectRef{Project: string(p.ID)})
	if err != nil {
		t.Fatal(err)
	}
	sealed := project.Secrets[0].Sealed
	_, again, err := l.Control.UpdateDeployment(t.Context(), l.Admin, l.at(p, "web"), control.DeploymentChange{
		Deployment: control.ConfigChange{Set: cloud.Overrides{{Key: "stolen", Value: sealed, Secret: true}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(again.Input), `"stolen","value":"***"`) {
		t.Errorf("the operation shows %s", again.Input)
	}
	l.Done(again, err)
	if err = l.DB.View(t.Context(), func(tx *store.Tx) (err error) { jobs, err = tx.JobsOf(again.ID); return err }); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(jobs[0].Args, &run); err != nil || len(run.Deployment) != 1 || run.Deployment[0].Value == sealed {
		t.Errorf("a secret of the project is opened for a deployment: %s, %v", jobs[0].Args, err)
	}
}
