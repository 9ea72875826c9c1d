package controllers

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"atoll/api"
	"atoll/client"
	"atoll/internal/store/pgtest"
)

// load is callers that make jobs and machines through the balancer, each with the
// one retry of the client, and what they were told.
type load struct {
	c     *cluster
	nodes []string
	stop  context.CancelFunc
	work  sync.WaitGroup

	kills bool // controllers are killed

	mu   sync.Mutex
	jobs []string // acknowledged
	ops  []string // accepted
	errs []error
}

// failed notes what a caller with one retry sees. Of a controller that was killed
// after it did something and before it said so, only that may be unknown.
func (l *load) failed(what string, err error) {
	if l.kills && client.CodeOf(err) == client.Conflict && strings.Contains(err.Error(), "was done") {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.errs = append(l.errs, fmt.Errorf("%s: %w", what, err))
}

func (l *load) acknowledged(ids ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.jobs = append(l.jobs, ids...)
}

func (l *load) n() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.jobs)
}

// startLoad begins with it; it ends with end.
func startLoad(c *cluster, nodes []string, kills bool) *load {
	ctx, cancel := context.WithCancel(c.t.Context())
	l := &load{c: c, nodes: nodes, stop: cancel, kills: kills}
	call := context.WithoutCancel(ctx) // what was begun is ended
	for range 3 {
		l.work.Go(func() {
			for ctx.Err() == nil {
				l.single(call)
			}
		})
	}
	l.work.Go(func() {
		for ctx.Err() == nil {
			l.batch(call)
		}
	})
	l.work.Go(func() {
		for i := 0; ctx.Err() == nil && i < 10; i++ {
			l.machine(call, fmt.Sprintf("m-%d", i))
		}
	})
	return l
}

// single waits for its job.
func (l *load) single(ctx context.Context) {
	in := api.JobCreate{Node: l.nodes[rand.IntN(len(l.nodes))], Command: []string{"true"}}
	r, err := l.c.client.Jobs().Create(ctx, in, client.Hold(5*time.Second))
	if err != nil {
		l.failed("create a job", err)
		return
	}
	l.acknowledged(r.Object.ID)
	if _, err := l.c.client.Jobs().Get(ctx, r.Object.ID); err != nil {
		l.failed("read a job", err)
	}
}

func (l *load) batch(ctx context.Context) {
	jobs := make([]api.JobCreate, 20)
	for i := range jobs {
		jobs[i] = api.JobCreate{Role: "compute", Action: "noop", Idempotent: true}
	}
	ids, err := l.c.client.Jobs().CreateBatch(ctx, jobs)
	if err != nil {
		l.failed("create a batch", err)
	}
	l.acknowledged(ids...)
}

func (l *load) machine(ctx context.Context, name string) {
	r, err := l.c.client.Machines().Create(ctx, api.MachineCreate{Account: "default", Cloudspace: "default", Name: name, Image: "disk", Size: "tiny"})
	if err != nil {
		l.failed("create machine "+name, err)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ops = append(l.ops, r.Operation.ID)
}

// end stops the callers and checks that all they were promised came true.
func (l *load) end() {
	t := l.c.t
	t.Helper()
	began := time.Now()
	l.stop()
	l.work.Wait()
	for _, err := range l.errs {
		t.Error(err)
	}
	for _, id := range l.ops {
		o, err := l.c.client.Operations().Wait(t.Context(), id, nil)
		if err != nil || o.State != "succeeded" {
			t.Errorf("operation %s: %+v, %v", id, o, err)
		}
	}
	ended := time.Since(began)
	states := map[string]string{}
	l.c.until("all jobs have ended", time.Minute, func() bool {
		clear(states)
		for j, err := range l.c.client.Jobs().All(t.Context(), client.ListOptions{Limit: 1000}) {
			if err != nil || !client.Final(j.State) && j.ScheduleID == "" {
				return false
			}
			states[j.ID] = j.State
		}
		return true
	})
	for _, id := range l.jobs {
		if states[id] != "succeeded" {
			t.Errorf("job %s is %q", id, states[id])
		}
	}
	t.Logf("%d jobs and %d machines; the operations ended %s after the load, the jobs after %s", len(l.jobs), len(l.ops), ended, time.Since(began))
}

// image gives the installation an image that simulated nodes take.
func (c *cluster) image() {
	c.t.Helper()
	disk := make([]byte, 1<<20)
	disk[510], disk[511] = 0x55, 0xaa // a boot sector
	_, err := c.client.Images().Upload(c.t.Context(), client.Upload{Name: "disk"}, bytes.NewReader(disk))
	c.ok(err)
}

// ticks collects when the schedule made jobs, by node.
type ticks struct {
	stop func()
	seen map[string]api.Job
}

func (c *cluster) tick() *ticks {
	c.t.Helper()
	s, err := c.client.Schedules().Create(c.t.Context(), api.ScheduleCreate{Name: "tick", Command: []string{"true"}, All: true, Every: "1s"})
	c.ok(err)
	ctx, cancel := context.WithCancel(c.t.Context())
	k := &ticks{seen: map[string]api.Job{}}
	var work sync.WaitGroup
	work.Go(func() {
		for ctx.Err() == nil {
			page, err := c.client.Jobs().List(ctx, client.ListOptions{Sort: "-created_at", Limit: 1000, Filter: []string{"schedule=" + s.Object.ID}})
			if err == nil {
				for _, j := range page.Items {
					k.seen[j.ID] = j
				}
			}
			select {
			case <-ctx.Done():
			case <-time.After(200 * time.Millisecond):
			}
		}
	})
	k.stop = func() { cancel(); work.Wait() }
	return k
}

// once fails the test if a period fired twice, or none did.
func (k *ticks) once(c *cluster) {
	c.t.Helper()
	k.stop()
	at := map[string][]time.Time{}
	for _, j := range k.seen {
		at[j.TargetNodeID] = append(at[j.TargetNodeID], j.CreatedAt)
	}
	for node, times := range at {
		slices.SortFunc(times, time.Time.Compare)
		for i, next := range times[1:] {
			if gap := next.Sub(times[i]); gap < 300*time.Millisecond {
				c.t.Errorf("node %s got jobs of a schedule of a second %s apart", node, gap)
			}
		}
	}
	if len(k.seen) == 0 {
		c.t.Error("the schedule never fired")
	}
}

func TestKillOneOfThree(t *testing.T) {
	c := newCluster(t, 3, pgtest.DSN(t), "")
	c.image()
	c.simulate(9)
	names := c.online(9)
	k := c.tick()
	l := startLoad(c, names, true)
	c.until("there is some load", time.Minute, func() bool { return l.n() > 200 })
	victim := c.all[rand.IntN(len(c.all))]
	victim.kill()
	killed, before := time.Now(), l.n()
	c.until("the agents are at the others", 5*time.Second, func() bool {
		return !slices.Contains(slices.Collect(maps.Values(c.holders())), victim.agents)
	})
	t.Logf("%s was killed; its agents were at the others after %s", victim.name, time.Since(killed))
	c.until("the load goes on", time.Minute, func() bool { return l.n() > before+200 })
	l.end()
	k.once(c)
	if n := len(c.online(9)); n != 9 {
		t.Errorf("%d nodes are online", n)
	}
}

func TestRollingRestart(t *testing.T) {
	c := newCluster(t, 3, pgtest.DSN(t), fmt.Sprintf("drain-time: %s\n", 4*checkEvery))
	c.image()
	c.simulate(6)
	l := startLoad(c, c.online(6), false)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last int64
	var feed sync.WaitGroup
	feed.Go(func() {
		for e, err := range c.client.Events().Follow(ctx, client.Feed{All: true}) {
			if err != nil {
				if ctx.Err() == nil {
					t.Errorf("the feed ended: %v", err)
				}
				return
			}
			if e.Seq != last+1 {
				t.Errorf("event %d follows event %d", e.Seq, last)
			}
			last = e.Seq
		}
	})
	for _, s := range c.all {
		before, began := l.n(), time.Now()
		s.stop()
		stopped := time.Since(began)
		c.until("the others go on", time.Minute, func() bool { return l.n() > before+100 })
		s.start()
		t.Logf("%s stopped in %s and was back after %s", s.name, stopped, time.Since(began))
	}
	l.end()
	cancel()
	feed.Wait()
	if last == 0 {
		t.Error("the feed gave nothing")
	}
}

func TestConsoleAndOutputOfAnotherControllersAgent(t *testing.T) {
	c := newCluster(t, 2, pgtest.DSN(t), "")
	c.agent("real-1", c.all[0])
	c.run("sim", "sim", "--server", "https://"+c.all[0].agents, "--token-file", c.joining, "--nodes", "1")
	c.online(2)
	c.image()
	_, err := c.client.Machines().Create(t.Context(), api.MachineCreate{Account: "default", Cloudspace: "default", Name: "m", Image: "disk", Size: "tiny"}, client.Hold(time.Minute))
	c.ok(err)
	for _, s := range c.all { // the first one holds the agents
		console(t, s)
		output(t, s)
	}
}

// console types at the machine's console, opened at the controller.
func console(t *testing.T, s *controller) {
	t.Helper()
	line, err := s.client.Machines().Console(t.Context(), "m", client.In("default", "default"))
	if err != nil {
		t.Fatalf("open the console at %s: %v", s.name, err)
	}
	defer line.Close()
	if _, err := io.WriteString(line, "uname\r"); err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for buf := make([]byte, 1024); !strings.Contains(got.String(), "Linux"); {
		n, err := line.Read(buf)
		if err != nil {
			t.Fatalf("the console at %s ended with %v after %q", s.name, err, got.String())
		}
		got.Write(buf[:n])
	}
}

// output follows a job that writes a line when it was read that there is one more
// to write, at the controller. Without word from the controller that holds the
// agent each line would take two seconds.
func output(t *testing.T, s *controller) {
	t.Helper()
	const lines, limit = 6, 9 * time.Second
	dir := t.TempDir()
	script := fmt.Sprintf(`for i in $(seq %d); do echo $i; while [ ! -e %s/$i ]; do sleep 0.02; done; done`, lines, dir)
	r, err := s.client.Jobs().Create(t.Context(), api.JobCreate{Node: "real-1", Command: []string{"sh", "-c", script}})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	var began time.Time
	for line, err := range s.client.Jobs().Logs(t.Context(), r.Object.ID, true) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; line.Text != fmt.Sprint(n) {
			t.Fatalf("line %d is %q", n, line.Text)
		}
		if n == 1 {
			began = time.Now()
		}
		if err := os.WriteFile(fmt.Sprintf("%s/%d", dir, n), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(began); n != lines || took > limit {
		t.Errorf("at %s %d lines came in %s", s.name, n, took)
	}
}
