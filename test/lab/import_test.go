package lab

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/control"
	"atoll/internal/sal/sim"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
)

// TestImport takes over a deployment of every status that Octopod has.
func TestImport(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		l := New(t, db, 1, sim.Config{})
		ctx := t.Context()
		p := l.project("shop", time.Hour)
		ref := control.ProjectRef{Project: string(p.ID)}
		then := cloud.TimeOf(time.Date(2022, 1, 2, 3, 4, 5, 0, time.UTC))
		wants := map[string]struct {
			state, then cloud.DeploymentState
			reason      cloud.DeploymentReason
		}{
			"Running":             {cloud.DeploymentRunning, cloud.DeploymentRunning, ""},
			"GenericFailure":      {cloud.DeploymentFailure, cloud.DeploymentRunning, cloud.ReasonGeneric},
			"TagMismatch":         {cloud.DeploymentFailure, cloud.DeploymentRunning, cloud.ReasonTagMismatch},
			"PartialAvailability": {cloud.DeploymentFailure, cloud.DeploymentRunning, cloud.ReasonPartial},
			"CreatePending":       {cloud.DeploymentFailure, cloud.DeploymentRunning, cloud.ReasonGeneric},
			"UpdatePending":       {cloud.DeploymentFailure, cloud.DeploymentRunning, cloud.ReasonGeneric},
			"ArchivePending":      {cloud.DeploymentFailure, cloud.DeploymentFailure, cloud.ReasonArchiveFailed},
			"Archived":            {cloud.DeploymentArchived, cloud.DeploymentArchived, ""},
			"CleanupFailed":       {cloud.DeploymentArchived, cloud.DeploymentArchived, cloud.ReasonCleanupFailed},
		}
		var list []control.ImportDeployment
		for status := range wants {
			list = append(list, control.ImportDeployment{
				Name: strings.ToLower(status), Status: status, Application: cloud.Overrides{{Key: "image.tag", Value: "v1"}, {Key: "x", Deleted: true}},
				Links: []cloud.Link{{Name: "app", URL: "https://x"}}, CreatedAt: then, UpdatedAt: then, StatusAt: then, ArchivedAt: then,
				Actions: []control.ImportAction{{Number: 7, Verb: cloud.VerbCreate, ExitCode: 1, StartedAt: then, FinishedAt: then.Add(time.Minute), Stdout: "out", Stderr: "err"}},
			})
		}
		list = append(list, control.ImportDeployment{Name: "No_Name", Status: "Running", CreatedAt: then})
		plan := *l.Admin
		plan.DryRun = true
		for _, r := range []*control.Request{&plan, l.Admin} {
			done, err := l.Control.ImportDeployments(ctx, r, ref, list)
			if err != nil {
				t.Fatal(err)
			}
			for i, d := range done[:len(done)-1] {
				want := wants[list[i].Status]
				if !d.Taken || d.State != want.state || d.Reason != want.reason || d.Actions != 1 {
					t.Errorf("%s is taken over as %+v, want %+v", list[i].Status, d, want)
				}
			}
			if bad := done[len(done)-1]; bad.Taken || bad.Message == "" {
				t.Errorf("a bad name is taken over: %+v", bad)
			}
		}
		for status, want := range wants {
			name := strings.ToLower(status)
			l.Until(fmt.Sprintf("%s is %s", name, want.then), func() bool { return l.deployment(p, name).State == want.then })
			d := l.deployment(p, name)
			log := l.actions(d)
			first := log[len(log)-1]
			if out := control.OutputOf(&first); out == nil || out.Stdout != "out" || out.Stderr != "err" || first.ActorName != "octopod" || first.Outcome != cloud.ActionFailed {
				t.Errorf("the log of %s begins with %+v, of which is kept %+v", name, first, out)
			}
			if d.CreatedAt != then || len(d.Application) != 2 || len(d.Links) != 1 || first.StartedAt != then || first.ExitCode != 1 || first.Verb != cloud.VerbCreate {
				t.Errorf("%s is %+v with %+v", name, d, log)
			}
		}
		again, err := l.Control.ImportDeployments(ctx, l.Admin, ref, list)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range again {
			if d.Taken {
				t.Errorf("%s is taken over again", d.Name)
			}
		}
		l.Done(l.update(p, "running", "check.exit=0")) // it is one like any other
		l.Sound()
	})
}
