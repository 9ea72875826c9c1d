// Package controllers runs several controllers of the real product on one
// PostgreSQL, each a process that is stopped and killed, with agents in processes
// of their own, and drives them through a load balancer as people do.
//
// It is for tests only and must never be imported by the product.
package controllers

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"atoll/api"
	"atoll/client"
	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/test/program"
)

// cluster is the controllers with their agents.
type cluster struct {
	t       *testing.T
	bin     string
	dir     string
	config  string // that all controllers have alike
	all     []*controller
	front   *balancer
	client  *client.Client // through the balancer
	token   string
	joining string    // file of the join token
	db      *store.DB // to look at from outside
}

// controller is one of them; it keeps its addresses when it is started again.
type controller struct {
	c      *cluster
	name   string
	people string
	agents string
	cmd    *exec.Cmd
	client *client.Client // of this one alone
}

// newCluster starts n controllers on the database; config is added to their
// configuration. Everything ends with the test.
func newCluster(t *testing.T, n int, database, config string) *cluster {
	t.Helper()
	c := &cluster{t: t, bin: program.Build(t), dir: t.TempDir()}
	c.config = fmt.Sprintf("database: %q\nkey-file: %s/master.key\nblobs: file://%s/blobs\nblobs-shared: true\n%s", database, c.dir, c.dir, config)
	for i := range n {
		c.all = append(c.all, &controller{c: c, name: fmt.Sprintf("ctrl-%d", i+1), people: freeAddress(t), agents: freeAddress(t)})
	}
	c.all[0].start()
	c.token = strings.TrimSpace(c.read(filepath.Join(c.dir, "ctrl-1", "admin.token")))
	for _, s := range c.all[1:] {
		s.start()
	}
	for _, s := range c.all {
		s.client = c.newClient("http://" + s.people)
	}
	c.front = newBalancer(t, c.all)
	c.client = c.newClient("http://" + c.front.ln.Addr().String())
	token, err := c.client.JoinTokens().Create(t.Context(), api.JoinTokenCreate{Uses: 1000, TTL: "1h"})
	c.ok(err)
	c.joining = filepath.Join(c.dir, "join.token")
	c.ok(os.WriteFile(c.joining, []byte(token.Object.Secret), 0o600))
	if strings.HasPrefix(database, "postgres") {
		c.db, err = store.Open(t.Context(), database, slog.New(slog.DiscardHandler))
		c.ok(err)
		t.Cleanup(func() { c.db.Close() })
	}
	return c
}

func (c *cluster) ok(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) read(file string) string {
	c.t.Helper()
	b, err := os.ReadFile(file)
	c.ok(err)
	return string(b)
}

func (c *cluster) newClient(url string) *client.Client {
	c.t.Helper()
	cl, err := client.New(client.Config{URL: url, Token: c.token})
	c.ok(err)
	return cl
}

// run starts the binary; what it logs is shown if the test fails. It is killed
// at the end of the test at the latest.
func (c *cluster) run(name string, args ...string) *exec.Cmd {
	c.t.Helper()
	file, err := os.OpenFile(filepath.Join(c.dir, name+".log"), os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o600)
	c.ok(err)
	cmd := exec.Command(c.bin, args...)
	cmd.Stdout, cmd.Stderr = file, file
	c.ok(cmd.Start())
	c.t.Cleanup(func() {
		cmd.Process.Kill() // it may have ended
		cmd.Wait()         // or was waited for
		if c.t.Failed() {
			var lines []string
			for line := range strings.Lines(c.read(file.Name())) {
				if !strings.Contains(line, "msg=request ") {
					lines = append(lines, line)
				}
			}
			c.t.Logf("end of the log of %s:\n%s", name, strings.Join(lines[max(0, len(lines)-30):], ""))
		}
		file.Close()
	})
	return cmd
}

// start runs the controller and waits until it is ready.
func (s *controller) start() {
	t := s.c.t
	t.Helper()
	file := filepath.Join(s.c.dir, s.name+".yaml")
	text := fmt.Sprintf("listen: %s\nagent-listen: %s\ndata: %s/%s\n%s", s.people, s.agents, s.c.dir, s.name, s.c.config)
	s.c.ok(os.WriteFile(file, []byte(text), 0o600))
	s.cmd = s.c.run(s.name, "server", "--config", file)
	s.c.until(s.name+" is ready", time.Minute, s.ready)
}

func (s *controller) ready() bool {
	res, err := http.Get("http://" + s.people + "/readyz")
	if err != nil {
		return false
	}
	res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// kill ends the process without a word.
func (s *controller) kill() {
	s.cmd.Process.Kill()
	s.cmd.Wait()
}

// stop ends the controller as systemd does.
func (s *controller) stop() {
	s.c.t.Helper()
	s.c.ok(s.cmd.Process.Signal(syscall.SIGTERM))
	if err := s.cmd.Wait(); err != nil {
		s.c.t.Errorf("%s ended with %v", s.name, err)
	}
}

// agentURLs are all controllers' for agents.
func (c *cluster) agentURLs() string {
	var urls []string
	for _, s := range c.all {
		urls = append(urls, "https://"+s.agents)
	}
	return strings.Join(urls, ",")
}

// simulate joins n simulated nodes and waits until they are online.
func (c *cluster) simulate(n int) {
	c.t.Helper()
	c.run("sim", "sim", "--server", c.agentURLs(), "--token-file", c.joining, "--nodes", fmt.Sprint(n))
	c.online(n)
}

// agent starts the agent of a real node without machines, at the controller alone.
func (c *cluster) agent(name string, at *controller) {
	c.t.Helper()
	c.run(name, "agent", "--server", "https://"+at.agents, "--token-file", c.joining, "--data", filepath.Join(c.dir, name), "--name", name, "--no-machines")
	c.until(name+" is online", time.Minute, func() bool {
		n, err := c.client.Nodes().Get(c.t.Context(), name)
		return err == nil && n.State == "online"
	})
}

// online waits until n nodes are, and returns their names.
func (c *cluster) online(n int) (names []string) {
	c.t.Helper()
	c.until(fmt.Sprintf("%d nodes are online", n), time.Minute, func() bool {
		names = nil
		for node, err := range c.client.Nodes().All(c.t.Context(), client.ListOptions{Filter: []string{"state=online"}}) {
			if err != nil {
				return false
			}
			names = append(names, node.Name)
		}
		return len(names) == n
	})
	return names
}

// holders returns for each node where the controller is reached that holds its agent.
func (c *cluster) holders() map[string]string {
	c.t.Helper()
	held := map[string]string{}
	c.ok(c.db.View(c.t.Context(), func(tx *store.Tx) error {
		nodes, _, err := tx.Nodes(store.Query{Visible: store.Everything, Limit: store.MaxLimit})
		for _, n := range nodes {
			_, at, err := tx.HolderOf(n.ID)
			if err != nil && !cloud.Is(err, cloud.Unavailable) {
				return err
			}
			held[n.Name] = at
		}
		return err
	}))
	return held
}

// until waits for a state.
func (c *cluster) until(what string, limit time.Duration, is func() bool) {
	c.t.Helper()
	for end := time.Now().Add(limit); !is(); time.Sleep(20 * time.Millisecond) { // between two looks
		if time.Now().After(end) {
			c.t.Fatalf("not within %s: %s", limit, what)
		}
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// balancer leads each connection to the next controller that is ready, as the
// load balancers in front of real installations do.
type balancer struct {
	ln    net.Listener
	mu    sync.Mutex
	ready []*controller
	turn  int
}

// checkEvery is how often the balancer looks at /readyz.
const checkEvery = 50 * time.Millisecond

func newBalancer(t *testing.T, all []*controller) *balancer {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &balancer{ln: ln, ready: all}
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { b.check(ctx, all) })
	work.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			work.Go(func() { b.lead(ctx, conn) })
		}
	})
	t.Cleanup(func() { cancel(); ln.Close(); work.Wait() })
	return b
}

func (b *balancer) check(ctx context.Context, all []*controller) {
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var ready []*controller
		for _, s := range all {
			if s.ready() {
				ready = append(ready, s)
			}
		}
		b.mu.Lock()
		b.ready = ready
		b.mu.Unlock()
	}
}

// lead connects to a controller; one that refuses is passed over.
func (b *balancer) lead(ctx context.Context, from net.Conn) {
	defer from.Close()
	b.mu.Lock()
	ready := b.ready
	b.turn++
	turn := b.turn
	b.mu.Unlock()
	for i := range ready {
		to, err := net.Dial("tcp", ready[(turn+i)%len(ready)].people)
		if err != nil {
			continue
		}
		defer context.AfterFunc(ctx, func() { to.Close(); from.Close() })()
		ended := make(chan struct{}, 2)
		for _, way := range [][2]net.Conn{{to, from}, {from, to}} {
			go func() { io.Copy(way[0], way[1]); ended <- struct{}{} }() // ends with either end
		}
		<-ended
		to.Close()
		from.Close()
		<-ended
		return
	}
}
