// Package sim simulates nodes behind the interfaces of package sal: thousands of
// them in one process, with latency, capacity, state and seeded faults.
// Rehearsals (atoll sim) and the tests of the server use it (docs/simulated-nodes.md).
//
// It must never execute anything on the host, and neither read nor write its
// files. A node without a call in progress costs memory only, no goroutine and no
// timer. The same seed and the same order of calls give the same behaviour. Time
// is the time package's, so that testing/synctest can run it.
package sim

import (
	"context"
	"encoding/binary"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"

	"atoll/internal/cloud"
	"atoll/internal/sal"
)

// Config says how the nodes of a fleet behave. Its zero value is a fleet of
// healthy nodes that answer at once.
type Config struct {
	Seed    uint64
	Profile Profile
	Faults  Faults
	Harness Harness // nil: a node that is down refuses its calls itself
}

// Fleet makes simulated nodes. They share what cannot differ between nodes: the
// profile, and the images that one of them has fetched and checked.
type Fleet struct {
	config Config
	images store
}

// NewFleet returns a fleet. Its error is cloud.Invalid and names the setting.
func NewFleet(c Config) (*Fleet, error) {
	if err := c.Profile.validate(); err != nil {
		return nil, err
	}
	if err := c.Faults.validate(); err != nil {
		return nil, err
	}
	if len(c.Profile.Shapes) == 0 {
		c.Profile.Shapes = Typical().Shapes
	}
	return &Fleet{config: c}, nil
}

// Node makes the node with the name, which is also its host name. What it is and
// does follows from the fleet's seed and the name; two nodes of one name are
// alike and independent.
func (f *Fleet) Node(name string) *Node {
	h := fnv.New64a()
	h.Write([]byte(name)) // never fails
	n := &Node{fleet: f, name: name, id: h.Sum64(), faults: f.config.Faults, changed: make(chan struct{}, 1)}
	n.random.Seed(f.config.Seed, n.id)
	return n
}

// Node is one simulated node. All its methods are safe for concurrent use.
type Node struct {
	fleet   *Fleet
	name    string
	id      uint64 // hash of the name
	changed chan struct{}

	mu     sync.Mutex
	random rand.PCG
	faults Faults
	life   uint32    // grows when the agent dies: a call of an earlier life changes nothing
	boot   uint32    // grows when the host boots
	downTo time.Time // the agent is dead until then
	lostTo time.Time // the network is gone until then

	// The maps are nil until something is in them.
	commands map[string]struct{} // names of running commands
	remnants []string            // names of commands that a dead agent left running
	images   map[string]image    // by checksum
	volumes  map[cloud.DiskID]volume
	machines map[cloud.MachineID]*machine
	deleted  map[cloud.MachineID]int64 // newest epoch of machines that were deleted
	networks map[cloud.CloudspaceID]*network
	held     map[port]struct{} // public ports of others on the host
}

// Name returns the node's name.
func (n *Node) Name() string { return n.name }

// Holdings counts what nodes have, besides images.
type Holdings struct{ Machines, Volumes, Networks, Taps, Commands int }

// Holds returns what the node has at the moment.
func (n *Node) Holds() Holdings {
	taps := len(n.Taps())
	n.mu.Lock()
	defer n.mu.Unlock()
	return Holdings{len(n.machines), len(n.volumes), len(n.networks), taps, len(n.commands)}
}

// SAL returns the node as an agent sees it. It may be called for each agent
// instance anew: the state is the node's.
func (n *Node) SAL() sal.Node {
	return sal.Node{
		Host: host{n}, Processes: processes{n}, Images: images{n}, Volumes: volumes{n},
		Machines: machines{n}, Networks: networks{n}, Simulated: true,
	}
}

// host implements sal.Host.
type host struct{ n *Node }

// Facts implements sal.Host.
func (h host) Facts(ctx context.Context) (cloud.NodeFacts, error) {
	var facts cloud.NodeFacts
	err := h.n.do(ctx, HostFacts, func() error {
		facts = h.n.facts()
		return nil
	})
	return facts, err
}

// facts is called with the lock held.
func (n *Node) facts() cloud.NodeFacts {
	s := n.shape()
	return cloud.NodeFacts{
		Hostname: n.name, OS: "Atoll simulated node", Kernel: kernel, Architecture: "amd64",
		CPUs: s.CPUs, CPUModel: s.CPUModel, MemoryMiB: s.MemoryMiB,
		DiskMiB: s.DiskMiB, DiskFreeMiB: s.DiskMiB - n.diskUsed(), BootID: n.bootID(),
		// 198.18.0.0/15 is set aside for benchmarks (RFC 2544): nobody's address.
		Addresses: []string{address(n.id)}, PublicAddress: address(n.id), Accelerator: Accelerator, Missing: []string{},
	}
}

// shape returns what the node's hardware is; it never changes.
func (n *Node) shape() Shape {
	shapes := n.fleet.config.Profile.Shapes
	r := rand.New(rand.NewPCG(n.fleet.config.Seed, ^n.id))
	s := shapes[r.IntN(len(shapes))]
	if s.CPUModel == "" {
		s.CPUModel = "Simulated CPU"
	}
	if s.Spread > 0 {
		s.MemoryMiB -= r.Int64N(1 + s.MemoryMiB*int64(s.Spread)/100)
		s.DiskMiB -= r.Int64N(1 + s.DiskMiB*int64(s.Spread)/100)
	}
	return s
}

// bootID is called with the lock held.
func (n *Node) bootID() string {
	var id uuid.UUID
	r := rand.NewPCG(n.fleet.config.Seed+uint64(n.boot), n.id)
	binary.BigEndian.PutUint64(id[:8], r.Uint64())
	binary.BigEndian.PutUint64(id[8:], r.Uint64())
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80 // version 4, as Linux has it
	return id.String()
}

// do is a call that does its work in apply, with the lock held, when its latency
// is over. Faults hit it before or after.
func (n *Node) do(ctx context.Context, kind Call, apply func() error) error {
	c, err := n.begin(ctx, kind, 0)
	if err != nil {
		return err
	}
	if err := c.wait(ctx, c.delay); err != nil {
		return err
	}
	return c.commit(ctx, apply)
}

// call is one call in progress.
type call struct {
	n     *Node
	kind  Call
	life  uint32
	delay time.Duration
	fault fault
	late  bool // the fault comes after the work is done
}

// begin draws the latency and the fault of a call; bytes are what it moves. A
// fault that comes before the work is met here.
func (n *Node) begin(ctx context.Context, kind Call, bytes int64) (*call, error) {
	if err := ctx.Err(); err != nil {
		return nil, ended(ctx, kind)
	}
	n.mu.Lock()
	if left := time.Until(n.downTo); left > 0 {
		n.mu.Unlock()
		return nil, n.dead(kind, left)
	}
	c := &call{n: n, kind: kind, life: n.life}
	r := rand.New(&n.random)
	c.delay = n.fleet.config.Profile.Latency[kind].draw(r, bytes)
	if kind.changes() {
		c.fault, c.late = n.faults.draw(r)
		if kind == ProcessRun && c.fault == faultRefuse {
			c.late = false // an error of Run means that nothing started
		}
	}
	n.mu.Unlock()
	if c.fault != faultNone && !c.late {
		if err := c.meet(ctx); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// wait lets d pass.
func (c *call) wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ended(ctx, c.kind)
	}
}

// commit does the work, with the lock held, unless the agent died meanwhile, and
// then meets a late fault.
func (c *call) commit(ctx context.Context, apply func() error) error {
	n := c.n
	n.mu.Lock()
	if c.life != n.life {
		left := time.Until(n.downTo)
		n.mu.Unlock()
		return n.died(ctx, c.kind, left)
	}
	err := apply()
	n.mu.Unlock()
	if err == nil && c.late {
		err = c.meet(ctx)
	}
	return err
}

// ended is the error of a call whose ctx ended first.
func ended(ctx context.Context, kind Call) error {
	return cloud.Wrap(cloud.Timeout, context.Cause(ctx), "%s was given up before it was done", kind)
}

// put sets m[k], making the map if need be.
func put[K comparable, V any](m *map[K]V, k K, v V) {
	if *m == nil {
		*m = make(map[K]V, 1)
	}
	(*m)[k] = v
}

// drop deletes m[k] and gives up an empty map.
func drop[K comparable, V any](m *map[K]V, k K) {
	delete(*m, k)
	if len(*m) == 0 {
		*m = nil
	}
}

var (
	_ sal.Host      = host{}
	_ sal.Processes = processes{}
	_ sal.Images    = images{}
	_ sal.Volumes   = volumes{}
	_ sal.Machines  = machines{}
	_ sal.Networks  = networks{}
)
