package lab

import (
	"slices"
	"strings"
	"testing"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/control"
	"atoll/internal/sal/sim"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
)

func ptr[T any](v T) *T { return &v }

// project makes a project whose scripts the simulated nodes play. Its times are those
// of a test: checks of running deployments are as rare as the test wants.
func (l *Lab) project(name string, interval time.Duration) *cloud.Project {
	l.T.Helper()
	p, err := l.Control.CreateProject(l.T.Context(), l.Admin, "default", control.ProjectChange{
		Name: &name, BaseDomain: ptr("staging.example.com"), Folder: ptr("/srv/scripts"),
		Times: control.ProjectTimes{StatusInterval: &interval, StatusTimeout: ptr(2 * time.Second), Check: ptr(5 * time.Second)},
	})
	if err != nil {
		l.T.Fatal(err)
	}
	return p
}

func (l *Lab) at(p *cloud.Project, name string) control.DeploymentRef {
	return control.DeploymentRef{Project: string(p.ID), Deployment: name}
}

func (l *Lab) deployment(p *cloud.Project, name string) *cloud.Deployment {
	l.T.Helper()
	d, err := l.Control.Deployment(l.T.Context(), l.Admin, l.at(p, name))
	if err != nil {
		l.T.Fatal(err)
	}
	return d
}

// sims are overrides, such as "create.exit=1", that tell simulated scripts what to do.
func sims(t testing.TB, settings ...string) cloud.Overrides {
	t.Helper()
	var out cloud.Overrides
	for _, s := range settings {
		o, err := cloud.ParseOverride("sim." + s)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, o)
	}
	return out
}

func (l *Lab) deploy(p *cloud.Project, name string, settings ...string) (*cloud.Operation, error) {
	l.T.Helper()
	_, o, err := l.Control.CreateDeployment(l.T.Context(), l.Admin, control.NewDeployment{
		Project: string(p.ID), Name: name, Deployment: sims(l.T, settings...),
		Application: cloud.Overrides{{Key: "image.tag", Value: "v1"}, {Key: "password", Value: "open sesame", Secret: true}},
	})
	return o, err
}

// update sets what simulated scripts do.
func (l *Lab) update(p *cloud.Project, name string, settings ...string) (*cloud.Operation, error) {
	l.T.Helper()
	_, o, err := l.Control.UpdateDeployment(l.T.Context(), l.Admin, l.at(p, name), control.DeploymentChange{
		Deployment: control.ConfigChange{Set: sims(l.T, settings...)},
	})
	return o, err
}

func (l *Lab) actions(d *cloud.Deployment) (out []cloud.Action) {
	l.T.Helper()
	list, _, err := l.Control.Actions(l.T.Context(), l.Admin, store.Query{Sort: "-created_at", Filter: []string{"deployment=" + string(d.ID)}})
	if err != nil {
		l.T.Fatal(err)
	}
	return list
}

func TestDeploymentLives(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		l := New(t, db, 1, sim.Config{})
		ctx := t.Context()
		p := l.project("shop", time.Hour)
		l.Done(l.deploy(p, "orange-button"))
		d := l.deployment(p, "orange-button")
		if d.State != cloud.DeploymentRunning || d.OperationID != "" || d.DeployedAt == 0 {
			t.Fatalf("after create it is %+v", d)
		}
		if len(d.Links) != 1 || d.Links[0].URL != "http://orange-button.staging.example.com" {
			t.Errorf("links = %v", d.Links)
		}
		if d.EffectiveApplication[1].Value != cloud.SecretMask || d.Application[1].Value != cloud.SecretMask {
			t.Errorf("a secret is shown: %v, %v", d.EffectiveApplication, d.Application)
		}

		l.Done(l.update(p, d.Name, "create.sleep=1ms"))
		_, o, err := l.Control.ArchiveDeployment(ctx, l.Admin, l.at(p, d.Name))
		l.Done(o, err)
		if d = l.deployment(p, d.Name); d.State != cloud.DeploymentArchived || d.ArchivedAt == 0 {
			t.Errorf("after archive it is %+v", d)
		}
		if _, err := l.update(p, d.Name, "a=b"); cloud.KindOf(err) != cloud.Conflict {
			t.Errorf("update of an archived one = %v", err)
		}
		_, o, err = l.Control.RestoreDeployment(ctx, l.Admin, l.at(p, d.Name))
		l.Done(o, err)
		if d = l.deployment(p, d.Name); d.State != cloud.DeploymentRunning || d.ArchivedAt != 0 {
			t.Errorf("after restore it is %+v", d)
		}
		_, o, err = l.Control.DeleteDeployment(ctx, l.Admin, l.at(p, d.Name), false)
		l.Done(o, err)
		if _, err := l.Control.Deployment(ctx, l.Admin, l.at(p, d.Name)); cloud.KindOf(err) != cloud.NotFound {
			t.Errorf("after delete: %v", err)
		}
		var verbs []string
		for _, a := range l.actions(d) {
			if a.Outcome != cloud.ActionSucceeded || a.FinishedAt == 0 {
				t.Errorf("action %s ended as %+v", a.Verb, a)
			}
			verbs = append(verbs, string(a.Verb))
		}
		if got := strings.Join(verbs, " "); got != "delete restore archive update create" {
			t.Errorf("the log has %s", got)
		}
		if err := l.Control.DeleteProject(ctx, l.Admin, control.ProjectRef{Project: string(p.ID)}); err != nil {
			t.Error(err)
		}
		l.Sound()
	})
}

// A script's failure is the deployment's at once, with what failed and how.
func TestDeploymentFailures(t *testing.T) {
	t.Parallel()
	l := New(t, storetest.SQLite(t), 1, sim.Config{})
	ctx := t.Context()
	p := l.project("shop", time.Hour)
	fails := func(o *cloud.Operation, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if o = l.Ended(o.ID); o.State != cloud.OperationFailed {
			t.Errorf("%s is %s", o.Kind, o.State)
		}
	}
	is := func(name string, state cloud.DeploymentState, reason cloud.DeploymentReason, script string, exit int64) {
		t.Helper()
		d := l.deployment(p, name)
		if d.State != state || d.Reason != reason || d.Script != script || d.ExitCode != exit || d.OperationID != "" {
			t.Errorf("%s is %s (%s, script %q, exit code %d, %s); want %s (%s, %q, %d)",
				name, d.State, d.Reason, d.Script, d.ExitCode, d.Message, state, reason, script, exit)
		}
	}
	fails(l.deploy(p, "create-fails", "create.exit=7"))
	is("create-fails", cloud.DeploymentFailure, cloud.ReasonScriptFailed, "create", 7)
	fails(l.deploy(p, "never-good", "check.exit=2"))
	is("never-good", cloud.DeploymentFailure, cloud.ReasonPartial, "check", 2)

	if _, err := l.deploy(p, "refused", "config_check.exit=1", "config_check.stdout=no such image"); !strings.Contains(cloud.UserMessage(err), "no such image") || cloud.KindOf(err) != cloud.Invalid {
		t.Errorf("a configuration that config_check refuses = %v", err)
	}
	if _, err := l.Control.Deployment(ctx, l.Admin, l.at(p, "refused")); cloud.KindOf(err) != cloud.NotFound {
		t.Errorf("it left something behind: %v", err)
	}
	// The new value counts, not the old one.
	l.Done(l.deploy(p, "web"))
	if _, err := l.update(p, "web", "config_check.exit=1"); cloud.KindOf(err) != cloud.Invalid {
		t.Errorf("an update that config_check refuses = %v", err)
	}
	is("web", cloud.DeploymentRunning, "", "", 0)
	fails(l.update(p, "web", "update.exit=3"))
	is("web", cloud.DeploymentFailure, cloud.ReasonScriptFailed, "update", 3)

	l.Done(l.update(p, "web", "update.exit=0", "archive.exit=4"))
	_, o, err := l.Control.ArchiveDeployment(ctx, l.Admin, l.at(p, "web"))
	fails(o, err)
	is("web", cloud.DeploymentFailure, cloud.ReasonArchiveFailed, "archive", 4)
	l.Done(l.update(p, "web", "archive.exit=0", "cleanup.exit=5"))
	_, o, err = l.Control.ArchiveDeployment(ctx, l.Admin, l.at(p, "web"))
	l.Done(o, err)
	_, o, err = l.Control.CleanupDeployment(ctx, l.Admin, l.at(p, "web"), false)
	fails(o, err)
	is("web", cloud.DeploymentArchived, cloud.ReasonCleanupFailed, "cleanup", 5)
	if o, err = l.Control.RetryOperation(ctx, l.Admin, o.ID); err != nil {
		t.Fatal(err)
	}
	fails(o, err)
	_, o, err = l.Control.CleanupDeployment(ctx, l.Admin, l.at(p, "web"), true)
	l.Done(o, err)
	if _, err := l.Control.Deployment(ctx, l.Admin, l.at(p, "web")); cloud.KindOf(err) != cloud.NotFound {
		t.Errorf("after a forced cleanup: %v", err)
	}
	l.Sound()
}

// While an update runs one more may wait, and a newer one takes its place.
func TestDeploymentUpdatesWait(t *testing.T) {
	t.Parallel()
	l := New(t, storetest.SQLite(t), 1, sim.Config{})
	p := l.project("shop", time.Hour)
	l.Done(l.deploy(p, "web"))
	first, err := l.update(p, "web", "update.sleep=1s", "n=1")
	if err != nil {
		t.Fatal(err)
	}
	second, err := l.update(p, "web", "update.sleep=0s", "n=2")
	if err != nil {
		t.Fatal(err)
	}
	third, err := l.update(p, "web", "m=3")
	if err != nil {
		t.Fatal(err)
	}
	if d := l.deployment(p, "web"); d.State != cloud.DeploymentUpdatePending || d.OperationID != first.ID || d.WaitingID != third.ID {
		t.Errorf("while updates wait it is %s, operation %s, waiting %s", d.State, d.OperationID, d.WaitingID)
	}
	if o := l.Ended(second.ID); o.State != cloud.OperationCanceled {
		t.Errorf("the update that was replaced is %s", o.State)
	}
	l.Done(first, nil)
	l.Done(third, nil)
	d := l.deployment(p, "web")
	if d.State != cloud.DeploymentRunning || d.WaitingID != "" {
		t.Errorf("afterwards it is %+v", d)
	}
	got := map[string]string{}
	for _, v := range d.EffectiveDeployment {
		got[v.Key] = v.Value
	}
	if got["sim.n"] != "2" || got["sim.m"] != "3" { // each was made from the one before
		t.Errorf("its configuration is %v", d.EffectiveDeployment)
	}
	l.Sound()
}

// What an update that waits makes of the deployment is computed when its turn comes,
// and one that is refused then can be retried.
func TestWaitingUpdateIsComputedAgain(t *testing.T) {
	t.Parallel()
	l := New(t, storetest.SQLite(t), 1, sim.Config{})
	p := l.project("shop", time.Hour)
	l.Done(l.deploy(p, "web"))
	first, err := l.update(p, "web", "update.sleep=1s")
	if err != nil {
		t.Fatal(err)
	}
	second, err := l.update(p, "web", "update.sleep=0s", "app_config.stdout=color,red", "config_check.exit=0")
	if err != nil {
		t.Fatal(err)
	}
	replace := func(old, by string) {
		t.Helper()
		storetest.Exec(t, l.DB, "UPDATE operations SET input = replace(input, '"+old+"', '"+by+"') WHERE id = '"+string(second.ID)+"'")
	}
	const good, bad = `"sim.config_check.exit","value":"0"`, `"sim.config_check.exit","value":"1"`
	replace(`"color","value":"red"`, `"color","value":"stale"`) // as if the default had been another one
	replace(good, bad)
	l.Done(first, nil)
	if o := l.Ended(second.ID); o.State != cloud.OperationFailed {
		t.Errorf("the update that config_check refuses when it begins is %s", o.State)
	}
	if d := l.deployment(p, "web"); d.State != cloud.DeploymentRunning || d.WaitingID != "" {
		t.Errorf("afterwards it is %+v", d)
	}

	replace(bad, good)
	l.Done(l.Control.RetryOperation(t.Context(), l.Admin, second.ID))
	d := l.deployment(p, "web")
	got := map[string]string{}
	for _, v := range d.EffectiveApplication {
		got[v.Key] = v.Value
	}
	if d.State != cloud.DeploymentRunning || d.WaitingID != "" || got["color"] != "red" || got["password"] != cloud.SecretMask {
		t.Errorf("it is %s with %v", d.State, d.EffectiveApplication)
	}
	if a := l.actions(d)[0]; a.Outcome != cloud.ActionSucceeded || len(a.Application) != 1 || *a.Application[0].New != "red" {
		t.Errorf("the log has %+v", a)
	}
	l.Sound()
}

// A check that was not good yet is no part of an action that went well.
func TestActionAfterSlowStart(t *testing.T) {
	t.Parallel()
	l := New(t, storetest.SQLite(t), 1, sim.Config{})
	p := l.project("shop", time.Hour)
	create, err := l.deploy(p, "web", "check.exit=2")
	if err != nil {
		t.Fatal(err)
	}
	l.Until("a check was not good", func() bool {
		jobs, err := l.Control.OperationJobs(t.Context(), l.Admin, create.ID)
		return err == nil && slices.ContainsFunc(jobs, func(j cloud.Job) bool {
			return j.Queue == cloud.QueueCheck && j.State == cloud.JobSucceeded
		})
	})
	storetest.Exec(t, l.DB, `UPDATE deployments SET effective_deployment = '[]'`)
	l.Done(create, nil)
	if a := l.actions(l.deployment(p, "web"))[0]; a.Script != "create" || a.ExitCode != 0 {
		t.Errorf("the log has script %s with exit code %d, want create with 0", a.Script, a.ExitCode)
	}
}

// An archive need not wait for a create that is stuck.
func TestArchiveCancelsCreate(t *testing.T) {
	t.Parallel()
	l := New(t, storetest.SQLite(t), 1, sim.Config{})
	p := l.project("shop", time.Hour)
	create, err := l.deploy(p, "stuck", "create.sleep=1h")
	if err != nil {
		t.Fatal(err)
	}
	_, o, err := l.Control.ArchiveDeployment(t.Context(), l.Admin, l.at(p, "stuck"))
	l.Done(o, err)
	if o := l.Ended(create.ID); o.State != cloud.OperationCanceled {
		t.Errorf("the create is %s", o.State)
	}
	if d := l.deployment(p, "stuck"); d.State != cloud.DeploymentArchived {
		t.Errorf("it is %s", d.State)
	}
	l.Sound()
}

// Checks find what changed by itself.
func TestDeploymentHealth(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		l := New(t, db, 1, sim.Config{})
		p := l.project("shop", time.Second)
		l.Done(l.deploy(p, "web"))
		sick := func(exit string) {
			t.Helper()
			if err := store.ExecForTest(db, `UPDATE deployments SET effective_deployment = '[{"key":"sim.check.exit","value":"`+exit+`"}]'`); err != nil {
				t.Fatal(err)
			}
		}
		reach := func(state cloud.DeploymentState, reason cloud.DeploymentReason) {
			t.Helper()
			l.Until("the deployment is "+string(state)+" "+string(reason), func() bool {
				d := l.deployment(p, "web")
				return d.State == state && d.Reason == reason
			})
		}
		version := l.deployment(p, "web").Version
		sick("1")
		reach(cloud.DeploymentFailure, cloud.ReasonGeneric)
		sick("3")
		reach(cloud.DeploymentFailure, cloud.ReasonTagMismatch)
		sick("0")
		reach(cloud.DeploymentRunning, "")
		d := l.deployment(p, "web")
		if d.Version != version {
			t.Error("checks made new versions, which users' updates would fail for")
		}
		if a := l.actions(d); len(a) != 4 || a[0].Verb != cloud.VerbHealth || a[0].To != cloud.DeploymentRunning || a[2].ExitCode != 1 {
			t.Errorf("the log has %+v", a)
		}
		l.Sound()
	})
}
