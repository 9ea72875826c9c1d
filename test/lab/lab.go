// Package lab puts a whole Atoll together inside a test: controllers on a real
// store, the agents' endpoint on loopback, and agents of simulated nodes.
//
// It is for tests only and must never be imported by the product.
package lab

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"atoll/internal/agent"
	"atoll/internal/blob"
	"atoll/internal/cloud"
	"atoll/internal/control"
	"atoll/internal/exchange"
	"atoll/internal/op/optest"
	"atoll/internal/pki"
	"atoll/internal/sal/sim"
	"atoll/internal/store"
)

// Lab is a running controller with its simulated nodes.
type Lab struct {
	*Controller
	T     testing.TB
	Admin *control.Request
	Token string // the admin's API token
	Log   *slog.Logger

	Faults *optest.Faults // of the controllers' operations

	change []func(*control.Config)
	root   testing.TB // what started it; T is a subtest's while one runs
	fleet  *sim.Fleet
	join   string
	blobs  string // URL of the blobs that all controllers share
	key    string // file of their master key
	mu     sync.Mutex
	nodes  map[string]*Node
}

// Controller is one running controller.
type Controller struct {
	DB      *store.DB
	Control *control.Control
	Agents  string // URL of the agents' endpoint
	listen  string
	stop    func()
}

// Stop ends the controller.
func (c *Controller) Stop() { c.stop() }

// Node is a simulated node with its agent.
type Node struct {
	Name   string
	Sim    *sim.Node
	at     []*Controller
	wires  wires
	memory *agent.Memory
	stop   context.CancelFunc
	done   chan struct{}
}

// settle is the controllers' Pace.Settle.
const settle = 200 * time.Millisecond

// New starts a controller on the store and n simulated nodes (sim-1, …), and
// waits until all are online. Everything ends with the test. Change sets what is
// to be different about the controllers.
func New(t testing.TB, db *store.DB, n int, cfg sim.Config, change ...func(*control.Config)) *Lab {
	t.Helper()
	l := &Lab{
		T: t, root: t, change: change, Log: logger(), Faults: &optest.Faults{}, nodes: map[string]*Node{},
		blobs: "file://" + t.TempDir(), key: filepath.Join(t.TempDir(), "master.key"),
	}
	var err error
	if l.fleet, err = sim.NewFleet(cfg); err != nil {
		t.Fatal(err)
	}
	l.Controller = l.AddController(db)
	t.Cleanup(l.stopNodes)
	l.Token, err = l.Control.Bootstrap(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	l.Admin = control.System("lab")
	l.join, _, err = l.Control.CreateJoinToken(t.Context(), l.Admin, control.NewJoinToken{Uses: 100000, TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		l.AddNode(fmt.Sprintf("sim-%d", i+1))
	}
	for i := range n {
		l.WaitNode(fmt.Sprintf("sim-%d", i+1), cloud.NodeOnline)
	}
	return l
}

func logger() *slog.Logger {
	if os.Getenv("LAB_LOG") == "" {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// AddController starts a controller, the first one or another one on the same
// PostgreSQL; db is its own. It ends with the test at the latest.
func (l *Lab) AddController(db *store.DB) *Controller {
	l.T.Helper()
	c := l.startController(db, "127.0.0.1:0")
	l.T.Cleanup(func() { c.stop() }) // the one that runs then
	return c
}

// KillController ends the controller without a word to the others and starts
// another one at its place, which finds the leases of the first one expired.
func (l *Lab) KillController() {
	l.T.Helper()
	l.stop()
	if err := store.ExecForTest(l.DB, "UPDATE operations SET lease_until = 0"); err != nil {
		l.T.Fatal(err)
	}
	*l.Controller = *l.startController(l.DB, l.listen)
}

func (l *Lab) startController(db *store.DB, listen string) *Controller {
	t := l.root
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ln, err := net.Listen("tcp", listen)
	if err != nil {
		t.Fatal(err)
	}
	c := &Controller{DB: db, listen: ln.Addr().String()}
	c.Agents = "https://" + c.listen
	c.Control = l.rules(ctx, db)
	c.Control.Advertise = c.listen
	c.Control.Engine().Inject = l.Faults.Inject
	ex, err := exchange.New(ctx, c.Control, []string{"127.0.0.1"}, l.Log)
	if err != nil {
		t.Fatal(err)
	}
	run := c.Control
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := run.Run(ctx); err != nil {
			t.Errorf("controller: %v", err)
		}
	})
	wg.Go(func() {
		if err := ex.Serve(ln); err != nil {
			t.Errorf("agents' endpoint: %v", err)
		}
	})
	c.stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		run.Blobs.Close() //nolint:errcheck // nothing is under way
	})
	return c
}

// rules returns a controller's rules over the store, which do not run yet.
func (l *Lab) rules(ctx context.Context, db *store.DB) *control.Control {
	t := l.root
	t.Helper()
	blobs, err := blob.Open(ctx, l.blobs)
	if err != nil {
		t.Fatal(err)
	}
	keys, _, err := pki.LoadKeyring(l.key)
	if err != nil {
		t.Fatal(err)
	}
	cfg := control.Config{
		DB: db, Blobs: blobs, Keys: keys, Passwords: pki.PasswordsForTest(1), Log: l.Log, PublicURL: "http://lab", ImageURLAllow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, SharedBlobs: true,
		Pace: control.Pace{Settle: settle, Nodes: 100 * time.Millisecond},
	}
	for _, change := range l.change {
		change(&cfg)
	}
	c, err := control.New(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (l *Lab) stopNodes() {
	for _, n := range l.nodes {
		n.stop()
	}
	for _, n := range l.nodes {
		<-n.done
	}
}

// AddNode joins a simulated node and runs its agent, at the first controller.
func (l *Lab) AddNode(name string) *Node {
	l.T.Helper()
	return l.AddNodeAt(name, l.Controller)
}

// AddNodeAt is AddNode at controllers, of which the agent takes the first that
// answers.
func (l *Lab) AddNodeAt(name string, c ...*Controller) *Node {
	l.T.Helper()
	n := &Node{Name: name, Sim: l.fleet.Node(name), at: c, memory: &agent.Memory{}}
	a := l.agent(n)
	if err := a.Join(l.T.Context(), l.join); err != nil {
		l.T.Fatal(err)
	}
	l.run(n, a)
	l.mu.Lock()
	l.nodes[name] = n
	l.mu.Unlock()
	return n
}

func (l *Lab) agent(n *Node) *agent.Agent {
	servers := make([]string, len(n.at))
	for i, c := range n.at {
		servers[i] = c.Agents
	}
	a, err := agent.New(agent.Config{
		Servers: servers, Dial: n.wires.dial, Memory: n.memory, Name: n.Name, Node: n.Sim.SAL(),
		Roles: cloud.Roles, Version: "lab", Log: l.Log, Backoff: 200 * time.Millisecond,
	})
	if err != nil {
		l.T.Fatal(err)
	}
	return a
}

func (l *Lab) run(n *Node, a *agent.Agent) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(l.T.Context()))
	n.stop, n.done = cancel, make(chan struct{})
	go func() {
		defer close(n.done)
		if err := a.Run(ctx); err != nil {
			l.root.Errorf("agent %s: %v", n.Name, err)
		}
	}()
}

// Node returns the node with the name.
func (l *Lab) Node(name string) *Node {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.nodes[name]
}

// Stop ends the node's agent.
func (n *Node) Stop() {
	n.stop()
	<-n.done
}

// Restart runs a new agent on the node, which Stop has stopped.
func (l *Lab) Restart(n *Node) { l.run(n, l.agent(n)) }

// RestartAt is Restart with an agent that talks to the controllers.
func (l *Lab) RestartAt(n *Node, c ...*Controller) {
	n.at = c
	l.Restart(n)
}

// WaitNode waits until the node is in the state.
func (l *Lab) WaitNode(name string, want cloud.NodeState) *cloud.Node {
	l.T.Helper()
	var n *cloud.Node
	l.Until(fmt.Sprintf("node %s is %s", name, want), func() bool {
		var err error
		n, err = l.Control.Node(l.T.Context(), l.Admin, name)
		return err == nil && n.State == want
	})
	return n
}

// Until waits for a condition, for at most a minute.
func (l *Lab) Until(what string, is func() bool) {
	l.T.Helper()
	deadline := time.Now().Add(time.Minute)
	for !is() {
		if time.Now().After(deadline) {
			l.T.Fatalf("not within a minute: %s", what)
		}
		time.Sleep(5 * time.Millisecond) // between two looks at the state
	}
}

// Done waits until the operation has ended and fails the test unless it succeeded.
func (l *Lab) Done(o *cloud.Operation, err error) *cloud.Operation {
	l.T.Helper()
	if err != nil {
		l.T.Fatal(err)
	}
	if o = l.Ended(o.ID); o.State != cloud.OperationSucceeded {
		l.T.Fatalf("operation %s of %s: %s: %s (at %s)", o.Kind, o.SubjectName, o.State, o.Error, o.StepName)
	}
	return o
}

// Ended waits until the operation has ended, however.
func (l *Lab) Ended(id cloud.OperationID) *cloud.Operation {
	l.T.Helper()
	ctx, cancel := context.WithTimeout(l.T.Context(), time.Minute)
	defer cancel()
	o, err := l.Control.WaitOperation(ctx, l.Admin, id)
	if err != nil {
		l.T.Fatal(err)
	}
	if o.State.Live() {
		l.T.Fatalf("operation %s is still %s at %s: %s", o.Kind, o.State, o.StepName, o.Message)
	}
	return o
}

// Sound fails the test if something is stuck or the ledger does not balance.
func (l *Lab) Sound() {
	l.T.Helper()
	err := l.DB.View(l.T.Context(), func(tx *store.Tx) error {
		wrong, err := Unsound(tx)
		for _, w := range wrong {
			l.T.Error(w)
		}
		return err
	})
	if err != nil {
		l.T.Fatal(err)
	}
}
