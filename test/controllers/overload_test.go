package controllers

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"atoll/api"
	"atoll/client"
)

var overload = flag.Duration("overload", 10*time.Second, "how long TestOverload asks for ten times what can be done")

// maxMemory is what a controller may take at most while it is asked for too much.
const maxMemory = 400 << 20

// memory returns the resident memory of the process in bytes.
func memory(t *testing.T, pid int) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if kib, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(kib), " kB"), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n << 10
		}
	}
	t.Fatalf("process %d says nothing of its memory", pid)
	return 0
}

// storm offers batches of jobs at a rate, whatever becomes of them.
type storm struct {
	c    *cluster
	url  string
	body []byte
	http http.Client

	mu       sync.Mutex
	statuses map[int]int
	accepted int // jobs
	problems []string
}

const stormBatch = 100

func newStorm(c *cluster) *storm {
	jobs := make([]api.JobCreate, stormBatch)
	for i := range jobs {
		jobs[i] = api.JobCreate{Node: fmt.Sprintf("sim-%d", i%4+1), Action: "noop", Idempotent: true}
	}
	body, err := json.Marshal(api.JobBatch{Jobs: jobs})
	c.ok(err)
	return &storm{
		c: c, url: c.all[0].client.URL() + "/api/v1/jobs:batch", body: body, statuses: map[int]int{},
		http: http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 1000}},
	}
}

// offer sends one batch and notes the answer.
func (s *storm) offer() int {
	r, err := http.NewRequest(http.MethodPost, s.url, bytes.NewReader(s.body))
	if err != nil {
		s.note(0, err.Error())
		return 0
	}
	r.Header.Set("Authorization", "Bearer "+s.c.token)
	r.Header.Set("Content-Type", "application/json")
	res, err := s.http.Do(r)
	if err != nil {
		s.note(0, err.Error())
		return 0
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		s.note(0, err.Error())
		return 0
	}
	problem := ""
	switch res.StatusCode {
	case http.StatusCreated:
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		if res.Header.Get("Retry-After") == "" {
			problem = fmt.Sprintf("%s without Retry-After", res.Status)
		}
	default:
		problem = res.Status
	}
	s.note(res.StatusCode, problem)
	return res.StatusCode
}

func (s *storm) note(status int, problem string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.statuses[status]++
	if status == http.StatusCreated {
		s.accepted += stormBatch
	}
	if problem != "" {
		s.problems = append(s.problems, problem)
	}
}

// sustainable measures how many batches per second a few callers get done who
// wait for each answer.
func (s *storm) sustainable() float64 {
	const limit = 2 * time.Second
	var work sync.WaitGroup
	began := time.Now()
	for range 4 {
		work.Go(func() {
			for time.Since(began) < limit {
				s.offer()
			}
		})
	}
	work.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return float64(s.statuses[http.StatusCreated]) / time.Since(began).Seconds()
}

// rage offers so many batches per second for so long.
func (s *storm) rage(rate float64, long time.Duration) {
	var work sync.WaitGroup
	defer work.Wait()
	began := time.Now()
	for n := 0; time.Since(began) < long; {
		for due := int(rate * time.Since(began).Seconds()); n < due; n++ {
			work.Go(func() { s.offer() })
		}
		time.Sleep(5 * time.Millisecond) // the pace of a caller who waits for nobody
	}
}

// quiet is a tenant who asks for little, one thing after the other, while others
// storm. It returns how long each took.
func quiet(ctx context.Context, t *testing.T, c *client.Client) (took []time.Duration) {
	for i := 0; ctx.Err() == nil; i++ {
		began := time.Now()
		name := fmt.Sprintf("quiet-%d", i)
		if _, err := c.Tokens().Create(context.WithoutCancel(ctx), api.TokenCreate{Name: name}); err != nil {
			t.Errorf("the quiet tenant cannot make a token: %v", err)
		}
		if _, err := c.Machines().List(context.WithoutCancel(ctx), client.ListOptions{}); err != nil {
			t.Errorf("the quiet tenant cannot list machines: %v", err)
		}
		took = append(took, time.Since(began))
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
	slices.Sort(took)
	return took
}

// tenant returns a client of a new user who is admin of the default account.
func (c *cluster) tenant(name string) *client.Client {
	c.t.Helper()
	ctx := c.t.Context()
	s, err := c.client.ServiceAccounts().Create(ctx, api.ServiceAccountCreate{Account: "default", Name: name})
	c.ok(err)
	_, err = c.client.Memberships().Create(ctx, api.MembershipCreate{User: s.Object.ID, Role: "admin", Account: "default"})
	c.ok(err)
	token, err := c.client.Tokens().Create(ctx, api.TokenCreate{Name: "test", User: s.Object.ID})
	c.ok(err)
	cl, err := client.New(client.Config{URL: c.all[0].client.URL(), Token: token.Object.Secret})
	c.ok(err)
	return cl
}

func TestOverload(t *testing.T) {
	c := newCluster(t, 1, "sqlite:"+t.TempDir()+"/atoll.db", "")
	c.simulate(4)
	tenant := c.tenant("quiet")
	s := newStorm(c)
	rate := s.sustainable()
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	var took []time.Duration
	var most int64
	work.Go(func() { took = quiet(ctx, t, tenant) })
	work.Go(func() {
		for ctx.Err() == nil {
			most = max(most, memory(t, c.all[0].cmd.Process.Pid))
			time.Sleep(100 * time.Millisecond) // between two looks
		}
	})
	s.rage(10*rate, *overload)
	cancel()
	work.Wait()
	t.Logf("%.0f batches/s can be done; offered 10 times that for %s: answers %v; memory at most %d MiB; quiet tenant: %d calls, median %s, worst %s",
		rate, *overload, s.statuses, most>>20, len(took), took[len(took)/2], took[len(took)-1])
	for _, p := range s.problems[:min(len(s.problems), 10)] {
		t.Errorf("a batch was answered: %s", p)
	}
	if s.statuses[http.StatusServiceUnavailable]+s.statuses[http.StatusTooManyRequests] == 0 {
		t.Error("nothing was refused: this was no overload")
	}
	if most > maxMemory {
		t.Errorf("the controller took %d MiB", most>>20)
	}
	if half := took[len(took)/2]; half > 3*time.Second {
		t.Errorf("half of the quiet tenant's calls took more than %s", half)
	}
	began := time.Now()
	c.until("new work is done at once", 20*time.Second, func() bool {
		r, err := c.client.Jobs().Create(t.Context(), api.JobCreate{Role: "compute", Action: "noop", Priority: 100}, client.Hold(2*time.Second))
		return err == nil && r.Object.State == "succeeded"
	})
	t.Logf("recovered %s after it", time.Since(began))
	c.until("all accepted work is done", max(time.Minute, 2**overload), func() bool {
		page, err := c.client.Jobs().List(t.Context(), client.ListOptions{Filter: []string{"state=queued"}, Limit: 1})
		return err == nil && len(page.Items) == 0
	})
	t.Logf("all of %d accepted jobs were done %s after it", s.accepted, time.Since(began))
}

// TestFrozenAgent: an agent that takes nothing from its connection slows nobody.
func TestFrozenAgent(t *testing.T) {
	c := newCluster(t, 1, "sqlite:"+t.TempDir()+"/atoll.db", "")
	c.simulate(3)
	frozen := c.run("frozen", "sim", "--server", c.agentURLs(), "--token-file", c.joining, "--nodes", "1", "--prefix", "frozen-")
	c.online(4)
	c.ok(frozen.Process.Signal(syscall.SIGSTOP))
	big := api.JobCreate{Node: "frozen-1", Action: "noop", Idempotent: true, Args: json.RawMessage(`{"x":"` + strings.Repeat("x", 60<<10) + `"}`)}
	for range 6 { // far more than the buffers of a connection take
		_, err := c.client.Jobs().CreateBatch(t.Context(), slices.Repeat([]api.JobCreate{big}, 100))
		c.ok(err)
	}
	var took []time.Duration
	for i := range 60 {
		began := time.Now()
		r, err := c.client.Jobs().Create(t.Context(), api.JobCreate{Node: fmt.Sprintf("sim-%d", i%3+1), Action: "noop"}, client.Hold(20*time.Second))
		c.ok(err)
		if r.Object.State != "succeeded" {
			t.Fatalf("job %+v", r.Object)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	t.Logf("beside a frozen agent: median %s, worst %s; memory %d MiB", took[30], took[59], memory(t, c.all[0].cmd.Process.Pid)>>20)
	if took[54] > time.Second {
		t.Errorf("a tenth of the jobs beside a frozen agent took more than %s", took[54])
	}
	c.ok(frozen.Process.Signal(syscall.SIGCONT))
	c.until("the frozen agent does its jobs", time.Minute, func() bool {
		page, err := c.client.Jobs().List(t.Context(), client.ListOptions{Filter: []string{"state!=succeeded"}, Limit: 1})
		return err == nil && len(page.Items) == 0
	})
}
