// Package agent is what runs on each node: it joins the installation, asks a
// controller for jobs in one long call after the other (the exchange), runs them
// in queues through the node's drivers, and reports how they ended.
//
// It must never decide what a node should have or who may run what; it never
// starts a job twice, never accepts connections, and never runs a script whose
// signature does not hold.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/sal"
	"atoll/internal/wire"
)

// Config is what an agent is made with.
type Config struct {
	Servers []string // URLs (https://host:port) of controllers; the next one is tried when one fails
	// DataDir holds the identity, journal, spool and scripts. One agent at a time.
	DataDir string
	// Memory takes the place of DataDir for simulated nodes.
	Memory *Memory
	// WorkDir is where each script of a project gets the folder that it runs in: the
	// work folder of the driver Node.Processes. Default DataDir/work.
	WorkDir string
	Name    string // of the node; it counts when the node joins
	Node    sal.Node
	Roles   []cloud.Role // to offer at most, when the node joins; what the node cannot do is left out
	Version string       // of this program
	// Process runs the control scripts of the bundle builtin:process; nil: this node
	// has no such deployments.
	Process ProcessBundle
	Log     *slog.Logger // default: slog.Default()
	// Queues is the places per queue; "*" is for queues made on demand. Default: DefaultQueues.
	Queues map[string]int
	// Dial opens connections to controllers. Default: wire.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Backoff is the longest pause between attempts to reach a controller. Default 15 s.
	Backoff time.Duration
}

// DefaultQueues are the places per queue: hypervisor serialises changes to
// machines, io long copies.
func DefaultQueues() map[string]int {
	return map[string]int{
		cloud.QueueDefault: 2, cloud.QueueHypervisor: 1, cloud.QueueIO: 1, cloud.QueueProcess: 5, anyQueue: 1,
		cloud.QueueControl: 5, cloud.QueueAsk: 5, cloud.QueueCheck: 10,
	}
}

const (
	anyQueue       = "*"
	defaultBackoff = 15 * time.Second
)

// Memory is what the agent of a simulated node keeps in place of files. The
// instance that follows a simulated crash gets the same one.
type Memory struct {
	mu       sync.Mutex
	identity []byte
	jobs     map[wire.JobRef]*entry
}

// Agent is one agent. Make it with New; call Join once in the life of a node and
// then Run, once per Agent.
type Agent struct {
	cfg     Config
	log     *slog.Logger
	servers []*url.URL
	actions map[string]action
	session string // new with each instance
	id      atomic.Pointer[identity]

	journal *journal
	spool   *spool
	scripts scriptCache
	bundles bundleCache
	work    context.Context // of jobs; ends with a cause
	stop    context.CancelCauseFunc
	wg      sync.WaitGroup // everything that Run started

	host hostState

	mu      sync.Mutex
	talk    talkState
	jobs    jobState
	streams int
	closed  bool // nothing new is started
}

// Why jobs end before they are done.
var (
	errTimeout  = errors.New("the job's time is over")
	errCanceled = errors.New("canceled")
	errStopped  = errors.New("the agent was stopped while it ran the job")
	errKilled   = errors.New("the agent was killed")
)

// New returns an agent for the configuration. Its error is Invalid and names the
// setting, or tells which file in DataDir cannot be used.
func New(cfg Config) (*Agent, error) {
	a := &Agent{cfg: cfg, log: cfg.Log, session: cloud.NewID[string](), actions: builtin()}
	if err := a.configure(); err != nil {
		return nil, err
	}
	id, err := a.loadIdentity()
	if err != nil {
		return nil, err
	}
	if id != nil {
		a.id.Store(id)
	}
	if m := cfg.Memory; m != nil {
		m.mu.Lock()
		if m.jobs == nil {
			m.jobs = map[wire.JobRef]*entry{}
		}
		a.journal = memoryJournal(m.jobs)
		m.mu.Unlock()
		a.spool, err = openSpool("")
	} else {
		if a.journal, err = openJournal(filepath.Join(cfg.DataDir, "journal")); err != nil {
			return nil, err
		}
		if a.spool, err = openSpool(filepath.Join(cfg.DataDir, "spool")); err != nil {
			return nil, errors.Join(err, a.journal.close())
		}
		a.scripts.dir = filepath.Join(cfg.DataDir, "scripts")
		a.bundles.dir = filepath.Join(cfg.DataDir, "bundles")
	}
	a.work, a.stop = context.WithCancelCause(context.Background())
	for _, r := range a.journal.left() {
		a.jobs.done(&r)
	}
	return a, err
}

func (a *Agent) configure() error {
	c := &a.cfg
	if a.log == nil {
		a.log = slog.Default()
	}
	if len(c.Servers) == 0 {
		return cloud.FieldErrorf("server", "is required: the URL of a controller's agent listener, such as https://ctrl-01:8443")
	}
	for _, s := range c.Servers {
		u, err := url.Parse(s)
		if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.Path != "" && u.Path != "/" {
			return cloud.FieldErrorf("server", "%q is no URL such as https://ctrl-01:8443", s)
		}
		a.servers = append(a.servers, &url.URL{Scheme: u.Scheme, Host: u.Host})
	}
	if c.Dial == nil {
		c.Dial = wire.Dialer(dialTimeout).DialContext
	}
	if c.Backoff == 0 {
		c.Backoff = defaultBackoff
	}
	queues := DefaultQueues()
	maps.Copy(queues, c.Queues)
	for name, places := range queues {
		if places < 1 {
			return cloud.FieldErrorf("queues", "%s needs at least one place", name)
		}
	}
	c.Queues = queues
	switch {
	case (c.DataDir == "") == (c.Memory == nil):
		return cloud.FieldErrorf("data", "give the agent a folder")
	case c.Memory != nil && !c.Node.Simulated:
		return cloud.FieldErrorf("data", "only a simulated node can do without a folder")
	case c.Node.Host == nil || c.Node.Processes == nil:
		return cloud.FieldErrorf("node", "every node needs the drivers of host and processes")
	case c.Memory != nil:
		return nil
	}
	if c.WorkDir == "" {
		c.WorkDir = filepath.Join(c.DataDir, "work")
	}
	if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
		return fmt.Errorf("data folder of the agent: %w", err)
	}
	return os.MkdirAll(c.WorkDir, 0o711)
}

// Run serves until ctx ends, or until the certificate has expired, which is its
// only error. When ctx ends, running jobs are ended and reported as lost, for at
// most stopGrace. Machines go on without the agent.
func (a *Agent) Run(ctx context.Context) error {
	id := a.id.Load()
	if id == nil {
		return cloud.Errorf(cloud.Unauthenticated, "node %s has not joined: start the agent with a join token", a.cfg.Name)
	}
	if err := id.expired(time.Now()); err != nil {
		return err
	}
	a.begin(ctx)
	a.refresh(true)
	err := a.serve(ctx)
	a.end(err == nil && !errors.Is(context.Cause(a.work), errKilled))
	return err
}

// begin does what is due before the first exchange.
func (a *Agent) begin(ctx context.Context) {
	remnants, err := a.cfg.Node.Processes.Remnants(ctx)
	if err != nil {
		a.log.Error("end what an earlier agent left running", "err", err)
	}
	if len(remnants) > 0 {
		a.log.Warn("ended what an earlier agent left running", "jobs", remnants)
	}
	if m := a.cfg.WorkDir; m != "" && a.scripts.dir != "" {
		a.scripts.clean(m, a.log)
	}
	var used []string
	if s := a.cfg.Node.Services; s != nil {
		for _, st := range s.List() {
			used = append(used, st.Show...)
		}
	}
	if err := a.bundles.clean(used); err != nil {
		a.log.Warn("clean up archives that nobody uses", "err", err)
	}
	a.probe(ctx)
}

// stopGrace is how long Run goes on after its ctx has ended: jobs get five
// seconds to end by themselves, and one exchange reports them.
const stopGrace = 12 * time.Second

// end stops everything, and tells the controller if word is set.
func (a *Agent) end(word bool) {
	a.stop(errStopped)
	if word {
		ctx, cancel := context.WithTimeout(context.Background(), stopGrace)
		a.lastWord(ctx)
		cancel()
	}
	a.mu.Lock()
	a.closed = true
	a.talk.hangUp()
	a.mu.Unlock()
	a.wg.Wait()
	if err := errors.Join(a.journal.close(), a.spool.close()); err != nil {
		a.log.Error("close the agent's files", "err", err)
	}
}

// hangUp closes all connections, as a network that goes away does.
func (a *Agent) hangUp() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.talk.hangUp()
}

// Kill ends the agent as kill -9 would: from this moment nothing that it says is
// heard and nothing is written. Run returns soon.
func (a *Agent) Kill() {
	if err := a.journal.close(); err != nil {
		a.log.Error("close the journal", "err", err)
	}
	a.mu.Lock()
	a.closed = true
	a.talk.hangUp()
	a.mu.Unlock()
	a.stop(errKilled)
}
