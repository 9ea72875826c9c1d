package agent

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/sal"
	"atoll/internal/wire"
)

func TestJoinAndRun(t *testing.T) {
	c := newController(t)
	cfg := testConfig(t, c)
	a, end := start(t, c, cfg)
	if a.Node() != "node-1" {
		t.Errorf("Node() = %q, want node-1", a.Node())
	}
	st, err := os.Stat(filepath.Join(cfg.DataDir, identityFile))
	if err != nil || st.Mode() != 0o600 {
		t.Errorf("identity file: mode %v, %v; want 0600", st.Mode(), err)
	}
	j := newJob(cloud.ActionNoop, nil)
	c.hand(j)
	if r := c.result(j.JobRef); r.State != cloud.JobSucceeded || !r.Simulated {
		t.Errorf("result = %+v, want succeeded and simulated", r)
	}
	c.mu.Lock()
	first, join := c.log[0], c.joins[0]
	c.mu.Unlock()
	if first.Facts == nil || first.Facts.Accelerator != "sim" || first.BootID == "" || first.Inventory == nil {
		t.Errorf("first exchange = %+v, want facts with an accelerator, boot id and inventory", first)
	}
	if first.Room != maxBacklog || first.Free["default"] != 2 || first.Free["process"] != 5 || first.Free["*"] != 1 {
		t.Errorf("room %d, free %v; want %d and the default places", first.Room, first.Free, maxBacklog)
	}
	if len(join.Roles) != len(cloud.Roles) || join.Name != "n1" {
		t.Errorf("join request = %+v", join)
	}
	end(false)

	// A second life needs no token.
	a, _ = start(t, c, cfg)
	if a.Node() != "node-1" {
		t.Errorf("Node() = %q after a restart", a.Node())
	}
	k := newJob(wire.ActionHostFacts, nil)
	c.hand(k)
	if r := c.result(k.JobRef); !strings.Contains(string(r.Result), `"hostname":"n1"`) {
		t.Errorf("host.facts = %+v", r)
	}
}

func TestJoinRefused(t *testing.T) {
	c := newController(t)
	other := newController(t)
	a, err := New(testConfig(t, c))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Join(t.Context(), "nonsense"); !cloud.Is(err, cloud.Invalid) {
		t.Errorf("Join(nonsense) = %v, want kind invalid", err)
	}
	if err := a.Join(t.Context(), other.token); !cloud.Is(err, cloud.Unavailable) {
		t.Errorf("Join() with the token of another installation = %v, want kind unavailable", err)
	}
	used := strings.Replace(c.token, "secret", "used", 1)
	if err := a.Join(t.Context(), used); !cloud.Is(err, cloud.Unauthenticated) || !strings.Contains(err.Error(), "used up") {
		t.Errorf("Join() with a used token = %v, want kind unauthenticated and the controller's reason", err)
	}
	if err := a.Run(t.Context()); !cloud.Is(err, cloud.Unauthenticated) {
		t.Errorf("Run() without an identity = %v, want kind unauthenticated", err)
	}
}

func TestLostAnswerAndDuplicates(t *testing.T) {
	c := newController(t)
	cfg := testConfig(t, c)
	runs := make(chan string, 10)
	cfg.Node.Processes = processes(func(_ context.Context, cmd sal.Command) (sal.Exit, error) {
		runs <- cmd.Name
		return sal.Exit{}, nil
	})
	_, _ = start(t, c, cfg)
	j := command("true")
	c.do(func() { c.cut = 1; c.jobs = append(c.jobs, j) })
	c.result(j.JobRef)
	c.hand(j) // handed over again though it has ended
	k := command("true")
	c.hand(k)
	c.result(k.JobRef)
	if len(runs) != 2 {
		t.Errorf("%d runs, want one of each job", len(runs))
	}
}

func TestKillAndRestart(t *testing.T) {
	c := newController(t)
	cfg := testConfig(t, c)
	started := make(chan struct{}, 1)
	cfg.Node.Processes = processes(func(ctx context.Context, cmd sal.Command) (sal.Exit, error) {
		if strings.Contains(strings.Join(cmd.Argv, " "), "long") {
			started <- struct{}{}
			<-ctx.Done()
			return sal.Exit{Code: 143, Killed: true}, nil
		}
		cmd.Output.Write([]byte("done\n")) //nolint:errcheck // never fails
		return sal.Exit{}, nil
	})
	_, end := start(t, c, cfg)
	quick, long := command("quick"), command("long")
	c.hand(long, quick)
	<-started
	c.result(quick.JobRef)
	end(true)

	_, end = start(t, c, cfg)
	if r := c.result(long.JobRef); r.State != cloud.JobLost || r.StartedAt == 0 {
		t.Errorf("result of the job that was cut off = %+v, want lost", r)
	}
	// The result whose receipt the controller could not confirm comes once more.
	c.until("second result", func() bool { return len(c.results[quick.JobRef]) > 1 })
	c.hand(long) // its token is used up: it must not run
	after := newJob(cloud.ActionNoop, nil)
	c.hand(after)
	c.result(after.JobRef)
	c.do(func() { c.next.Resend = true }) // an answer, which tells what to forget
	c.until("results to be forgotten", func() bool {
		return c.last(func(x *wire.Exchange) bool { return x.Inventory != nil && len(x.Results) == 0 && x.Number > 2 })
	})
	end(true)
	if len(started) != 0 {
		t.Error("the job ran twice")
	}
	j, err := openJournal(filepath.Join(cfg.DataDir, "journal"))
	if err != nil || len(j.live) != 0 {
		t.Errorf("journal has %d entries, %v; want none once everything is forgotten", len(j.live), err)
	}
	if err := j.close(); err != nil {
		t.Error(err)
	}
}

func TestStopReportsLost(t *testing.T) {
	c := newController(t)
	cfg := testConfig(t, c)
	started := make(chan struct{}, 1)
	cfg.Node.Processes = processes(func(ctx context.Context, _ sal.Command) (sal.Exit, error) {
		started <- struct{}{}
		<-ctx.Done()
		return sal.Exit{Code: 143, Killed: true}, nil
	})
	_, end := start(t, c, cfg)
	j := command("long")
	c.hand(j)
	<-started
	end(false)
	if r := c.result(j.JobRef); r.State != cloud.JobLost || !strings.Contains(r.Error, "stopped") {
		t.Errorf("result = %+v, want lost with the reason", r)
	}
}

func TestCancelAndTimeout(t *testing.T) {
	c := newController(t)
	_, _ = start(t, c, testConfig(t, c))
	first, second, third := command("sleep", "600"), command("sleep", "600"), command("sleep", "600")
	first.Queue, second.Queue, third.Queue = "one", "one", "two"
	third.TimeoutMS = 30
	c.hand(first, second, third)
	c.until("jobs to be held", func() bool {
		return c.last(func(x *wire.Exchange) bool { return len(x.Running) >= 2 })
	})
	c.mu.Lock()
	x := c.log[len(c.log)-1]
	c.mu.Unlock()
	if x.Free["one"] != 0 || x.Room != maxWaiting-1 {
		t.Errorf("free %v, room %d; want no place in queue one and room for %d", x.Free, x.Room, maxWaiting-1)
	}
	if r := c.result(third.JobRef); r.State != cloud.JobTimedOut || r.ExitCode != 143 {
		t.Errorf("job over its time = %+v, want timed_out", r)
	}
	c.do(func() { c.next.Cancel = []wire.JobRef{second.JobRef} })
	if r := c.result(second.JobRef); r.State != cloud.JobCanceled || r.StartedAt != 0 {
		t.Errorf("waiting job = %+v, want canceled, never started", r)
	}
	c.do(func() { c.next.Cancel = []wire.JobRef{first.JobRef} })
	if r := c.result(first.JobRef); r.State != cloud.JobCanceled || r.StartedAt == 0 {
		t.Errorf("running job = %+v, want canceled", r)
	}
}

func TestReplacedExchange(t *testing.T) {
	c := newController(t)
	cfg := testConfig(t, c)
	release := make(chan struct{})
	cfg.Node.Processes = processes(func(context.Context, sal.Command) (sal.Exit, error) {
		<-release
		return sal.Exit{Code: 3}, nil
	})
	_, _ = start(t, c, cfg)
	for range 3 {
		j := command("x")
		c.hand(j)
		c.until("a held exchange", func() bool {
			return c.held != nil && c.last(func(x *wire.Exchange) bool { return len(x.Running) == 1 })
		})
		c.mu.Lock()
		before := c.replaced
		c.mu.Unlock()
		release <- struct{}{}
		if r := c.result(j.JobRef); r.State != cloud.JobFailed || r.ExitCode != 3 || r.Error != "exit code 3" {
			t.Errorf("result = %+v, want failed with exit code 3", r)
		}
		c.until("the older exchange to be replaced", func() bool { return c.replaced > before })
	}
	// Jobs are taken on the newer connection as on the older one.
	j := newJob(cloud.ActionNoop, nil)
	c.hand(j)
	c.result(j.JobRef)
}

func TestFailover(t *testing.T) {
	c := newController(t)
	gone := newController(t)
	cfg := testConfig(t, c)
	cfg.Servers = []string{gone.url, c.url}
	gone.stop()
	_, _ = start(t, c, cfg)
	j := newJob(cloud.ActionNoop, nil)
	c.hand(j)
	c.result(j.JobRef)
}

func TestRotation(t *testing.T) {
	c := newController(t)
	cfg := testConfig(t, c)
	a, end := start(t, c, cfg)
	c.until("an exchange", func() bool { return len(c.serials) == 1 })
	c.do(func() { c.next.Renew = true })
	c.until("an exchange with the new certificate", func() bool { return len(c.serials) == 2 })
	end(false)
	stored, err := os.ReadFile(filepath.Join(cfg.DataDir, identityFile))
	if err != nil || string(stored) != string(a.id.Load().text) {
		t.Errorf("the new certificate is not the stored one (%v)", err)
	}

	// A certificate past two thirds of its life is renewed without being asked:
	// it begins five minutes before it was made.
	c.do(func() { c.lifetime = time.Minute })
	if err := a.Join(t.Context(), c.token); err != nil {
		t.Fatal(err)
	}
	c.do(func() { c.lifetime = time.Hour })
	_, _ = start(t, c, cfg)
	c.until("an exchange with a third certificate", func() bool { return len(c.serials) == 3 })
}

func TestExpired(t *testing.T) {
	c := newController(t)
	cfg := testConfig(t, c)
	c.lifetime = time.Millisecond // certificates count in whole seconds: it has expired when it is made
	a, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Join(t.Context(), c.token); err != nil {
		t.Fatal(err)
	}
	if err := a.Run(t.Context()); !cloud.Is(err, cloud.Unauthenticated) || !strings.Contains(err.Error(), "join again") {
		t.Errorf("Run() = %v, want kind unauthenticated and the way out", err)
	}
}

func TestNoRoles(t *testing.T) {
	c := newController(t)
	cfg := testConfig(t, c)
	cfg.Node.Machines, cfg.Node.Networks, cfg.Node.Volumes, cfg.Node.Images = nil, nil, nil, nil
	_, _ = start(t, c, cfg)
	for action, want := range map[string]string{
		wire.ActionMachineStart: "compute role", wire.ActionVolumeEnsure: "volumes", wire.ActionImageEnsure: "images",
		wire.ActionNetworkEnsure: "network role", "dance": "does not know the action",
	} {
		j := newJob(action, map[string]any{"id": "x", "unknown": 1})
		c.hand(j)
		if r := c.result(j.JobRef); r.State != cloud.JobFailed || !strings.Contains(r.Error, want) {
			t.Errorf("%s = %s %q, want failed with %q", action, r.State, r.Error, want)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if roles := c.joins[0].Roles; len(roles) != 2 { // boot and runner
		t.Errorf("offered roles %v, want boot and runner", roles)
	}
}

// TestShortJobsAreRecordedAhead shows the price of recording the starts of short
// jobs together: those that were recorded do not run after a kill, no others are lost.
func TestShortJobsAreRecordedAhead(t *testing.T) {
	c := newController(t)
	cfg := testConfig(t, c)
	cfg.Queues = map[string]int{cloud.QueueDefault: 1}
	blocked, ran := make(chan struct{}), make(chan string, 100)
	cfg.Node.Processes = processes(func(ctx context.Context, cmd sal.Command) (sal.Exit, error) {
		ran <- cmd.Argv[0]
		if cmd.Argv[0] == "long" {
			close(blocked)
			<-ctx.Done()
			return sal.Exit{Code: 143, Killed: true}, nil
		}
		return sal.Exit{}, nil
	})
	_, end := start(t, c, cfg)
	var jobs []wire.Job
	for i := range 30 {
		jobs = append(jobs, command(fmt.Sprint("short-", i)))
	}
	jobs[5] = command("long")
	c.hand(jobs...)
	<-blocked
	c.do(func() { c.next.Cancel = []wire.JobRef{jobs[6].JobRef} })
	if r := c.result(jobs[6].JobRef); r.State != cloud.JobCanceled {
		t.Errorf("the job that was canceled while it waited = %+v", r)
	}
	end(true)
	_, _ = start(t, c, cfg)
	if r := c.result(jobs[5].JobRef); r.State != cloud.JobLost {
		t.Errorf("the job that was cut off = %+v, want lost", r)
	}
	lost := 0
	c.do(func() {
		for i, j := range jobs {
			for _, r := range c.results[j.JobRef] {
				switch {
				case i < 5 && r.State != cloud.JobSucceeded, i == 6 && r.State != cloud.JobCanceled, i > 5+ahead:
					t.Errorf("job %d = %+v", i, r)
				case i > 6:
					lost++
				}
			}
		}
	})
	if lost == 0 || lost >= ahead {
		t.Errorf("%d jobs that waited are lost, want 1 to %d", lost, ahead-1)
	}
	if len(ran) != 6 {
		t.Errorf("%d jobs ran, want 6", len(ran))
	}
}
