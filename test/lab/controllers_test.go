package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/control"
	"atoll/internal/sal/sim"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
)

// twoControllers starts controllers A and B on one PostgreSQL, sim-1 at A and
// sim-2 at B.
func twoControllers(t *testing.T) (l *Lab, b *Controller) {
	dsn := storetest.DSN(t)
	l = New(t, storetest.Open(t, dsn), 1, sim.Config{})
	b = l.AddController(storetest.Open(t, dsn))
	l.AddNodeAt("sim-2", b)
	l.WaitNode("sim-2", cloud.NodeOnline)
	return l, b
}

// command makes a job of a command for the node, and is made at the controller.
func (l *Lab) command(c *Controller, node string, argv ...string) *cloud.Job {
	l.T.Helper()
	n, err := c.Control.Node(l.T.Context(), l.Admin, node)
	if err != nil {
		l.T.Fatal(err)
	}
	args, err := json.Marshal(map[string]any{"argv": argv})
	if err != nil {
		l.T.Fatal(err)
	}
	j := &cloud.Job{Action: cloud.ActionCommand, TargetNode: n.ID, Args: args}
	if err := c.Control.CreateJobs(l.T.Context(), l.Admin, []*cloud.Job{j}); err != nil {
		l.T.Fatal(err)
	}
	return j
}

// jobEnds waits for the job's end and fails the test if it takes longer than
// notices between controllers explain.
func (l *Lab) jobEnds(c *Controller, id cloud.JobID) *cloud.Job {
	l.T.Helper()
	begin := time.Now()
	ctx, cancel := context.WithTimeout(l.T.Context(), 30*time.Second)
	defer cancel()
	j, err := c.Control.WaitJob(ctx, l.Admin, id)
	if err != nil {
		l.T.Fatal(err)
	}
	if !j.State.Final() {
		l.T.Fatalf("job %s is still %s", id, j.State)
	}
	if took := time.Since(begin); took > 8*time.Second {
		l.T.Errorf("job %s took %s: nobody told the other controller", id, took)
	}
	return j
}

func (l *Lab) jobState(c *Controller, id cloud.JobID) cloud.JobState {
	l.T.Helper()
	j, err := c.Control.Job(l.T.Context(), l.Admin, id)
	if err != nil {
		l.T.Fatal(err)
	}
	return j.State
}

// holder waits until the controller holds the node's agent.
func (l *Lab) holder(node string, c *Controller) {
	l.T.Helper()
	n := l.WaitNode(node, cloud.NodeOnline)
	l.Until("the agent is at the controller", func() bool {
		var id cloud.ControllerID
		err := c.DB.View(l.T.Context(), func(tx *store.Tx) (err error) { id, _, err = tx.HolderOf(n.ID); return err })
		return err == nil && id == c.Control.ID
	})
}

func TestJobReachesAnAgentOfAnotherController(t *testing.T) {
	t.Parallel()
	l, b := twoControllers(t)
	for range 3 { // the first one makes the lane, the others go into it
		for _, c := range []*Controller{l.Controller, b} {
			for _, node := range []string{"sim-1", "sim-2"} {
				j := l.command(c, node, "echo", "here")
				if j = l.jobEnds(c, j.ID); j.State != cloud.JobSucceeded || j.Output != "here\n" {
					t.Errorf("job = %+v", j)
				}
			}
		}
	}
}

func TestCancelReachesAnAgentOfAnotherController(t *testing.T) {
	t.Parallel()
	l, b := twoControllers(t)
	j := l.command(b, "sim-2", "sleep", "infinity")
	l.Until("the job runs", func() bool { return l.jobState(b, j.ID) == cloud.JobRunning })
	if err := l.Control.CancelJob(t.Context(), l.Admin, j.ID); err != nil {
		t.Fatal(err)
	}
	if j = l.jobEnds(l.Controller, j.ID); j.State != cloud.JobCanceled {
		t.Errorf("job is %s, want canceled", j.State)
	}
}

func TestAgentThatTurnsToAnotherControllerGetsItsJobs(t *testing.T) {
	t.Parallel()
	l, b := twoControllers(t)
	l.jobEnds(l.Controller, l.command(l.Controller, "sim-1", "true").ID)
	n := l.Node("sim-1")
	n.Stop()
	l.RestartAt(n, l.Controller, b)
	l.holder("sim-1", l.Controller)
	n.Cut(l.Controller) // which still believes to hold the agent
	l.holder("sim-1", b)
	l.jobEnds(l.Controller, l.command(l.Controller, "sim-1", "true").ID)
	l.jobEnds(b, l.command(b, "sim-1", "true").ID)
	n.Mend(l.Controller)
	n.Cut(b)
	l.holder("sim-1", l.Controller)
	l.jobEnds(b, l.command(b, "sim-1", "true").ID)
	l.jobEnds(l.Controller, l.command(l.Controller, "sim-1", "true").ID)
}

func TestOperationOfAStoppedControllerGoesOn(t *testing.T) {
	t.Parallel()
	l, b := twoControllers(t)
	o, err := b.Control.StartRun(t.Context(), l.Admin, control.Run{Command: []string{"sleep", "3"}, Nodes: []string{"sim-1"}})
	if err != nil {
		t.Fatal(err)
	}
	// B owns it, A holds the agent.
	l.Until("the job runs", func() bool {
		jobs, err := l.Control.OperationJobs(t.Context(), l.Admin, o.ID)
		return err == nil && len(jobs) == 1 && jobs[0].State == cloud.JobRunning
	})
	b.Stop()
	if o = l.Ended(o.ID); o.State != cloud.OperationSucceeded {
		t.Errorf("operation = %s: %s", o.State, o.Error)
	}
	l.Sound()
}

func TestMachineOfAnotherControllersNode(t *testing.T) {
	t.Parallel()
	l, b := twoControllers(t)
	l.image("disk")
	for i, c := range []*Controller{l.Controller, b} {
		var wg sync.WaitGroup
		for k := range 3 {
			wg.Go(func() {
				_, o, err := c.Control.CreateMachine(t.Context(), l.Admin, control.NewMachine{
					Account: "default", Cloudspace: "default", Name: fmt.Sprintf("m-%d-%d", i, k), Image: "disk", Size: "tiny",
				})
				l.Done(o, err)
			})
		}
		wg.Wait()
	}
	l.Sound()
}

func TestSchedulesFireOnceAndEventsHaveOneOrder(t *testing.T) {
	t.Parallel()
	l, b := twoControllers(t)
	s := &cloud.Schedule{Name: "tick", Command: []string{"true"}, All: true, Every: "1s"}
	if err := l.Control.CreateSchedule(t.Context(), l.Admin, s); err != nil {
		t.Fatal(err)
	}
	var jobs []cloud.Job
	l.Until("four times on two nodes", func() bool {
		if len(jobs) < 8 {
			// The retention of a short period keeps the last one only: count what was made.
			list, _, err := b.Control.Jobs(t.Context(), l.Admin, control.Query{Limit: 200})
			for _, j := range list {
				if err == nil && j.ScheduleID == s.ID && !slices.ContainsFunc(jobs, func(o cloud.Job) bool { return o.ID == j.ID }) {
					jobs = append(jobs, j)
				}
			}
		}
		return len(jobs) >= 8
	})
	for i, j := range jobs {
		for _, o := range jobs[:i] {
			gap := j.CreatedAt.Sub(o.CreatedAt).Abs()
			if o.TargetNode == j.TargetNode && gap < 300*time.Millisecond {
				t.Errorf("node %s got jobs %s apart", j.TargetNode, gap)
			}
		}
	}
	seen := map[int64]bool{}
	at, after := time.Now(), int64(0)
	for time.Since(at) < 10*time.Second {
		list, next, err := b.Control.EventsAfter(t.Context(), l.Admin, after, control.EventFilter{}, 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 {
			break
		}
		for _, e := range list {
			if seen[e.Seq] || e.Seq <= after {
				t.Errorf("event %s has the number %d, which is not new", e.ID, e.Seq)
			}
			seen[e.Seq] = true
		}
		after = next
	}
	if len(seen) < 4 {
		t.Errorf("%d numbered events", len(seen))
	}
}
