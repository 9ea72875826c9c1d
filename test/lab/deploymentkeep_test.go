package lab

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/control"
	"atoll/internal/sal/sim"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
)

// The end of the time to live waits for what is under way, which gives a new one.
func TestExpiryWaitsForUpdate(t *testing.T) {
	t.Parallel()
	l := New(t, storetest.SQLite(t), 1, sim.Config{})
	p := l.project("shop", time.Hour)
	l.Done(l.deploy(p, "web"))
	o, err := l.update(p, "web", "update.sleep=1h")
	if err != nil {
		t.Fatal(err)
	}
	storetest.Exec(t, l.DB, "UPDATE deployments SET expires_at = 1, warned_at = 1")
	set := time.Now()
	l.Until("expired deployments were looked for", func() bool {
		for _, s := range l.Control.Loops() {
			if s.Name == "deployment-upkeep" && s.LastRun.After(set) {
				return true
			}
		}
		return false
	})
	if d := l.deployment(p, "web"); d.State != cloud.DeploymentUpdatePending || d.OperationID != o.ID {
		t.Errorf("it is %s by %s", d.State, d.Verb)
	}
	if err := l.Control.CancelOperation(t.Context(), l.Admin, o.ID); err != nil {
		t.Fatal(err)
	}
	l.Until("it is archived", func() bool { return l.deployment(p, "web").State == cloud.DeploymentArchived })
	l.Sound()
}

// A restore begins a new time to live, also if it fails.
func TestFailedRestoreExpires(t *testing.T) {
	t.Parallel()
	l := New(t, storetest.SQLite(t), 1, sim.Config{})
	ctx := t.Context()
	p := l.project("shop", time.Hour)
	ttl := time.Hour
	_, o, err := l.Control.CreateDeployment(ctx, l.Admin, control.NewDeployment{
		Project: string(p.ID), Name: "web", TTL: &ttl, Deployment: sims(t, "unarchive.exit=1"),
	})
	l.Done(o, err)
	_, o, err = l.Control.ArchiveDeployment(ctx, l.Admin, l.at(p, "web"))
	l.Done(o, err)
	if _, o, err = l.Control.RestoreDeployment(ctx, l.Admin, l.at(p, "web")); err != nil {
		t.Fatal(err)
	}
	l.Ended(o.ID)
	if d := l.deployment(p, "web"); d.State != cloud.DeploymentFailure || d.ExpiresAt == 0 {
		t.Errorf("after a restore that failed it is %s and expires at %d", d.State, d.ExpiresAt)
	}
}

// What is gone keeps nothing: no last check for ever, and no project that is locked to
// make something in it.
func TestDeploymentLeavesNothing(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		l := New(t, db, 1, sim.Config{})
		ctx := t.Context()
		p := l.project("shop", time.Hour)
		l.Done(l.deploy(p, "web", "cleanup.sleep=1h"))
		_, o, err := l.Control.ArchiveDeployment(ctx, l.Admin, l.at(p, "web"))
		l.Done(o, err)
		kept := func() (list []store.EndedJob) {
			t.Helper()
			if err := db.View(ctx, func(tx *store.Tx) (err error) { list, err = tx.EndedByKey("", "", 100); return err }); err != nil {
				t.Fatal(err)
			}
			return list
		}
		if len(kept()) == 0 {
			t.Error("its last check is not kept")
		}
		if _, _, err := l.Control.CleanupDeployment(ctx, l.Admin, l.at(p, "web"), false); err != nil {
			t.Fatal(err)
		}
		_, o, err = l.Control.DeleteDeployment(ctx, l.Admin, l.at(p, "web"), true) // in the place of the cleanup, which hangs
		if o = l.Done(o, err); !strings.Contains(string(o.Input), `"from":"Archived"`) {
			t.Errorf("if it fails, it will not be archived as before: %s", o.Input)
		}
		if left := kept(); len(left) != 0 {
			t.Errorf("its checks are kept for ever: %+v", left)
		}
		if err := l.Control.DeleteProject(ctx, l.Admin, control.ProjectRef{Project: string(p.ID)}); err != nil {
			t.Fatal(err)
		}
		if err := db.Update(ctx, func(tx *store.Tx) error { return tx.LockProject(p.ID) }); !cloud.Is(err, cloud.NotFound) {
			t.Errorf("lock of a project that is gone = %v", err)
		}
		l.Sound()
	})
}

// A project's scripts do with overrides what they like, with its secrets: who may
// only read cannot try them.
func TestReaderTriesNoOverrides(t *testing.T) {
	t.Parallel()
	l := New(t, storetest.SQLite(t), 1, sim.Config{})
	ctx := t.Context()
	p := l.project("shop", time.Hour)
	u := &cloud.User{Name: "quinn"}
	if err := l.Control.CreateUser(ctx, l.Admin, u, ""); err != nil {
		t.Fatal(err)
	}
	for role, want := range map[cloud.UserRole]bool{cloud.ScopeReader: false, cloud.ScopeWriter: true} {
		r := &control.Request{User: u, ID: "test", Memberships: []cloud.Membership{{UserID: u.ID, AccountID: p.AccountID, ProjectID: p.ID, Role: role}}}
		ref := control.ProjectRef{Project: string(p.ID)}
		if _, err := l.Control.ProjectDefaults(ctx, r, ref, nil); err != nil {
			t.Errorf("a %s asks for the defaults: %v", role, err)
		}
		_, err := l.Control.ProjectDefaults(ctx, r, ref, cloud.Overrides{{Key: "chart_repo_url", Value: "https://elsewhere.example.com"}})
		if got := err == nil; got != want || !want && !cloud.Is(err, cloud.Denied) {
			t.Errorf("a %s tries overrides: %v", role, err)
		}
	}
}

// A deployment that nobody uses is announced, and archived some time after that, unless
// somebody uses or touches it.
func TestUnusedDeploymentIsArchived(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		l := New(t, db, 1, sim.Config{})
		ctx := t.Context()
		p := l.project("shop", time.Hour)
		ref := control.ProjectRef{Project: string(p.ID)}
		idle, ttl := 4*time.Hour, 100*time.Hour
		set := control.ProjectChange{Times: control.ProjectTimes{IdleTTL: &idle}}
		if _, err := l.Control.UpdateProject(ctx, l.Admin, ref, set); cloud.KindOf(err) != cloud.Invalid || !strings.Contains(err.Error(), "does not see") {
			t.Errorf("where use is not seen: %v", err)
		}
		if _, err := l.Control.CreateBundle(ctx, l.Admin, control.NewBundle{Project: ref, Kind: cloud.BundleProcess, Use: true}, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Control.UpdateProject(ctx, l.Admin, ref, set); err != nil {
			t.Fatal(err)
		}
		_, o, err := l.Control.CreateDeployment(ctx, l.Admin, control.NewDeployment{Project: string(p.ID), Name: "web", TTL: &ttl})
		l.Done(o, err)
		events := func() int {
			t.Helper()
			list, _, err := l.Control.Events(ctx, l.Admin, store.Query{Filter: []string{"action=deployment.expires"}})
			if err != nil {
				t.Fatal(err)
			}
			return len(list)
		}
		age := func(hours int) {
			t.Helper()
			at := strconv.FormatInt(int64(cloud.Now().Add(-time.Duration(hours)*time.Hour)), 10)
			storetest.Exec(t, db, "UPDATE deployments SET used_at = "+at+", deployed_at = "+at+", created_at = "+at)
		}
		age(2)
		l.upkeep()
		if n := events(); n != 0 {
			t.Errorf("after half of the time there are %d notices", n)
		}
		age(100)
		l.Until("the notice", func() bool { return events() == 1 })
		l.upkeep()
		if d := l.deployment(p, "web"); d.State != cloud.DeploymentRunning || d.IdleWarnedAt == 0 {
			t.Errorf("right after the notice it is %s", d.State)
		}
		before := l.deployment(p, "web").ExpiresAt
		if d, err := l.Control.TouchDeployment(ctx, l.Admin, l.at(p, "web")); err != nil || d.IdleWarnedAt != 0 || d.ExpiresAt <= before {
			t.Errorf("after a touch it is %+v, %v", d, err)
		}
		age(100)
		l.Until("another notice", func() bool { return events() == 2 })
		storetest.Exec(t, db, "UPDATE deployments SET idle_warned_at = "+strconv.FormatInt(int64(cloud.Now().Add(-2*time.Hour)), 10))
		l.Until("it is archived", func() bool { return l.deployment(p, "web").State == cloud.DeploymentArchived })
		if _, err := l.Control.TouchDeployment(ctx, l.Admin, l.at(p, "web")); cloud.KindOf(err) != cloud.Conflict {
			t.Errorf("a touch of an archived one: %v", err)
		}
		l.Sound()
	})
}

// upkeep waits until deployments were looked at.
func (l *Lab) upkeep() {
	l.T.Helper()
	begin := time.Now()
	l.Until("deployments were looked at", func() bool {
		for _, s := range l.Control.Loops() {
			if s.Name == "deployment-upkeep" && s.LastRun.After(begin) {
				return true
			}
		}
		return false
	})
}
