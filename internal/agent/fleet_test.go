package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/pki"
	"atoll/internal/wire"
)

// crowd is a controller that holds the exchanges of many agents.
type crowd struct {
	url     string
	token   string
	release chan struct{} // closed at the end

	mu      sync.Mutex
	changed *sync.Cond
	held    map[string]int // exchanges held, by session
	names   map[string]int
	calls   int
}

func newCrowd(t testing.TB) *crowd {
	t.Helper()
	base := newController(t)
	c := &crowd{token: base.token, release: make(chan struct{}), held: map[string]int{}, names: map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc(wire.PathExchange, c.exchange)
	mux.HandleFunc(wire.PathJoin, func(w http.ResponseWriter, r *http.Request) {
		var req wire.JoinRequest
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
			t.Error(err)
		}
		c.mu.Lock()
		c.names[req.Name]++
		c.mu.Unlock()
		base.issue(w, req.CSR, "node-"+req.Name)
	})
	c.changed = sync.NewCond(&c.mu)
	c.url = base.serve(mux)
	t.Cleanup(func() { close(c.release) })
	return c
}

func (c *crowd) exchange(w http.ResponseWriter, r *http.Request) {
	node, _, err := pki.PeerNode(*r.TLS)
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	c.mu.Lock()
	c.held[node]++
	c.calls++
	c.changed.Broadcast()
	c.mu.Unlock()
	select {
	case <-r.Context().Done():
	case <-c.release:
	}
	c.mu.Lock()
	if c.held[node]--; c.held[node] == 0 {
		delete(c.held, node)
	}
	c.mu.Unlock()
}

// wait waits until ok.
func (c *crowd) wait(t testing.TB, what string, ok func() bool) {
	t.Helper()
	late := time.AfterFunc(time.Minute, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		ok = func() bool {
			t.Error("too late: ", what)
			return true
		}
		c.changed.Broadcast()
	})
	defer late.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	for !ok() {
		c.changed.Wait()
	}
}

func fleetOf(t testing.TB, c *crowd, n int) *Fleet {
	t.Helper()
	var configs []Config
	for i := range n {
		name := fmt.Sprintf("sim-%d", i)
		configs = append(configs, Config{
			Servers: []string{c.url}, Name: name, Node: simNode(t, name).SAL(), Roles: []cloud.Role{cloud.RoleRunner},
			Log: slog.New(slog.DiscardHandler), Backoff: 50 * time.Millisecond,
		})
	}
	f, err := NewFleet(slog.New(slog.DiscardHandler), c.token, configs)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run() = %v", err)
		}
	})
	return f
}

func TestFleet(t *testing.T) {
	c := newCrowd(t)
	f := fleetOf(t, c, 20)
	all := func() bool { return len(c.held) == 20 }
	c.wait(t, "all agents", all)

	f.Crash("sim-3", 30*time.Millisecond)
	f.Lose("sim-4", 30*time.Millisecond)
	c.wait(t, "the two to call again", func() bool { return c.calls >= 22 })
	c.wait(t, "all agents again", all)
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, n := range c.names {
		if n != 1 {
			t.Errorf("%s joined %d times", name, n)
		}
	}
}

// BenchmarkIdleAgents tells what an agent costs that waits for an answer.
func BenchmarkIdleAgents(b *testing.B) {
	const n = 500
	for b.Loop() {
		c := newCrowd(b)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		goroutines := runtime.NumGoroutine()
		fleetOf(b, c, n)
		c.wait(b, "all agents", func() bool { return len(c.held) == n })
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&after)
		used := after.HeapInuse + after.StackInuse - before.HeapInuse - before.StackInuse
		b.ReportMetric(float64(used)/n/1024, "KiB/agent+server")
		b.ReportMetric(float64(runtime.NumGoroutine()-goroutines)/n, "goroutines/agent+server")
	}
}

// BenchmarkNoop tells how many jobs go through one agent, with the controller's
// side of TLS, HTTP and JSON in the same process.
func BenchmarkNoop(b *testing.B) {
	base := newController(b)
	handed, done := 0, make(chan struct{})
	number := int64(0)
	mux := http.NewServeMux()
	mux.HandleFunc(wire.PathExchange, func(w http.ResponseWriter, r *http.Request) {
		x, err := readExchange(r)
		if err != nil {
			b.Error(err)
			return
		}
		number++
		ans := wire.Answer{Number: number}
		for i := range x.Results {
			ans.Forget = append(ans.Forget, x.Results[i].JobRef)
		}
		for range min(x.Room, b.N-handed) {
			ans.Jobs = append(ans.Jobs, newJob(cloud.ActionNoop, nil))
		}
		handed += len(ans.Jobs)
		if handed == b.N && len(ans.Jobs) == 0 {
			close(done)
			<-r.Context().Done()
			return
		}
		write(w, &ans)
	})
	mux.HandleFunc(wire.PathJoin, base.join)
	base.url = base.serve(mux)
	b.ResetTimer()
	_, end := start(b, base, testConfig(b, base))
	<-done
	b.StopTimer()
	end(true)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
}
