package lab

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/sal/sim"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
	"atoll/internal/wire"
)

// scripts are the control scripts that ran for deployments since the job, in their
// order, and what notifications were told. Defaults are left out: they are asked once.
func (l *Lab) scripts(after *cloud.JobID) (ran, told []string) {
	l.T.Helper()
	list, _, err := l.Control.Jobs(l.T.Context(), l.Admin, store.Query{Limit: store.MaxLimit, Filter: []string{"action=" + wire.ActionControlRun}})
	if err != nil {
		l.T.Fatal(err)
	}
	last := *after
	for i := range list {
		var run wire.ControlRun
		if err := json.Unmarshal(list[i].Args, &run); err != nil {
			l.T.Fatal(err)
		}
		switch {
		case list[i].ID <= *after || run.Name == "":
		case run.Script == cloud.ScriptNotifications:
			told = append(told, run.OldStatus+" "+run.NewStatus)
		default:
			ran = append(ran, string(run.Script))
		}
		last = max(last, list[i].ID)
	}
	*after = last
	return ran, told
}

// The scripts of each action come in the original's order, and notifications say the
// same, but for a pending state: that is told when it begins.
func TestOctopodOrder(t *testing.T) {
	t.Parallel()
	c, p := newOctopod(t)
	var last cloud.JobID
	step := func(what, ran, told string) {
		t.Helper()
		r, n := c.l.scripts(&last)
		if got := strings.Join(r, " "); got != ran {
			t.Errorf("%s ran %s, want %s", what, got, ran)
		}
		if got := strings.Join(n, ", "); got != told {
			t.Errorf("%s told %s, want %s", what, got, told)
		}
	}
	c.want("POST", "/deployments", octopodBody("web"), 200, octopodSuccess)
	c.until("web", notPending, running)
	step("create", "config_check info create check", "CreatePending Running")
	c.want("PUT", "/deployments/web", octopodBody("", "n=1"), 200, octopodSuccess)
	c.until("web", notPending, running)
	step("update", "config_check info update check", "Running UpdatePending, UpdatePending Running")
	c.want("DELETE", "/deployments/web", "", 200, octopodSuccess)
	c.until("web", notPending, archived)
	step("archive", "archive archive_check", "Running ArchivePending, ArchivePending Archived")
	c.want("PATCH", "/deployments/web/restore", "", 200, octopodSuccess)
	c.until("web", notPending, running)
	step("restore", "config_check info unarchive check", "Archived CreatePending, CreatePending Running")
	c.want("DELETE", "/deployments/web", "", 200, octopodSuccess)
	c.until("web", notPending, archived)
	step("archive", "archive archive_check", "Running ArchivePending, ArchivePending Archived")
	c.want("DELETE", "/deployments/web/cleanup", "", 200, octopodSuccess)
	c.l.Until("web is gone", func() bool { _, text := c.ask("GET", "/deployments", ""); return text == "[]" })
	step("cleanup", "cleanup", "Archived ArchivePending")
	c.l.Done(c.l.deploy(p, "api"))
	c.l.scripts(&last)
	c.want("DELETE", "/deployments/api/delete", "", 200, octopodSuccess)
	c.l.Until("api is gone", func() bool { _, text := c.ask("GET", "/deployments", ""); return text == "[]" })
	step("delete", "", "Running ArchivePending")
	c.l.Sound()
}

// What is asked of a deployment that something is done to.
func TestOctopodLocked(t *testing.T) {
	t.Parallel()
	c, _ := newOctopod(t)
	const locked = "The deployment is currently being processed."
	c.want("POST", "/deployments", octopodBody("web"), 200, octopodSuccess)
	c.until("web", notPending, running)
	c.want("PUT", "/deployments/web", octopodBody("", "update.sleep=1s"), 200, octopodSuccess)
	c.want("PUT", "/deployments/web", octopodBody("", "archive_check.exit=1"), 200, octopodSuccess) // it waits; the original refused
	c.want("PATCH", "/deployments/web/restore", "", 409, locked)
	c.want("DELETE", "/deployments/web/cleanup", "", 409, locked)
	c.until("web", "DeploymentPending", `{"tag":"UpdatePending"}`)
	c.l.Until("the update that waited is done", func() bool {
		_, text := c.ask("GET", "/deployments/web/full_info", "")
		return strings.Contains(text, "archive_check") && strings.Contains(text, notPending)
	})
	c.want("DELETE", "/deployments/web", "", 200, octopodSuccess)
	c.want("DELETE", "/deployments/web", "", 409, locked) // the archive is under way: the original's would be locked, too
	// An archive check that is never good ends after the project's time; the original's
	// went on for ever.
	c.until("web", notPending, genericFailure)
	c.want("DELETE", "/deployments/web", "", 200, octopodSuccess)
	c.until("web", notPending, genericFailure)
	c.l.Sound()
}

// Answers of scripts that are no CSV, and checks that are not good yet.
func TestOctopodAnswers(t *testing.T) {
	t.Parallel()
	c, _ := newOctopod(t)
	overrides := func(script, stdout string) string {
		text, err := json.Marshal([][2]string{{"sim." + script + ".stdout", stdout}})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	c.want("POST", "/application_overrides", overrides("app_config", "image.tag,"), 200, `[["image.tag",""]]`)
	c.want("POST", "/application_overrides", overrides("app_config", `a,"x,y"`), 200, `[["a","x,y"]]`)
	c.want("POST", "/application_override_keys", overrides("app_keys", "a\nb\n"), 200, `["a","b"]`)
	if code, text := c.ask("POST", "/application_overrides", overrides("app_config", "a")); code != 503 || !strings.Contains(text, "line 1 of the answer has 1 columns") {
		t.Errorf("an answer of one column: %d %s", code, text) // the original: 500 and its parser's text
	}
	// A check that is not good leaves CreatePending as it is until the time is over.
	c.want("POST", "/deployments", octopodBody("web", "check.exit=1"), 200, octopodSuccess)
	c.until("web", "DeploymentPending", `{"tag":"CreatePending"}`)
	c.l.Until("a check was not good", func() bool {
		var none cloud.JobID
		ran, _ := c.l.scripts(&none)
		return slices.Contains(ran, "check")
	})
	c.until("web", notPending, genericFailure)
	c.l.Sound()
}

// A deployment that fails, and goes on failing for another reason, says the last one.
func TestFailureFollowsTheCheck(t *testing.T) {
	t.Parallel()
	l := New(t, storetest.SQLite(t), 1, sim.Config{})
	p := l.project("shop", time.Second)
	l.Done(l.deploy(p, "web"))
	for _, tt := range []struct {
		exit string
		want cloud.DeploymentReason
	}{
		{"1", cloud.ReasonGeneric},
		{"2", cloud.ReasonPartial},
		{"3", cloud.ReasonTagMismatch},
		{"101", cloud.ReasonGeneric},
		{"0", ""},
	} {
		storetest.Exec(t, l.DB, `UPDATE deployments SET effective_deployment = '[{"key":"sim.check.exit","value":"`+tt.exit+`"}]'`)
		l.Until("the reason after exit code "+tt.exit, func() bool {
			d := l.deployment(p, "web")
			return d.Reason == tt.want && (d.State == cloud.DeploymentRunning) == (tt.want == "")
		})
	}
	l.Sound()
}
