package sim

import (
	"cmp"
	"context"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/wire"
)

// machines implements sal.Machines.
type machines struct{ n *Node }

type machine struct {
	name      string
	epoch     int64
	power     cloud.Power
	detail    string
	hostBoot  string // boot id of the host when it was last started
	since     time.Time
	until     time.Time // when the last run ended; zero while it runs
	memoryMiB int64
	disks     []cloud.DiskID
	nics      []wire.NIC
	display   *display // nil until somebody looked
}

// Probe implements sal.Machines.
func (m machines) Probe(ctx context.Context) (string, error) {
	return Accelerator, m.n.do(ctx, MachineProbe, func() error { return nil })
}

// Start implements sal.Machines. More memory than the node has left is
// cloud.Capacity; a volume or network that is not there is cloud.NotFound.
func (m machines) Start(ctx context.Context, spec wire.MachineSpec) error {
	if err := validateMachine(spec); err != nil {
		return err
	}
	n := m.n
	n.mu.Lock()
	err := n.fresh(spec.MachineRef) // a stale epoch is refused at once
	n.mu.Unlock()
	if err != nil {
		return err
	}
	return n.do(ctx, MachineStart, func() error { return n.start(spec) })
}

// start is called with the lock held.
func (n *Node) start(spec wire.MachineSpec) error {
	if err := n.fresh(spec.MachineRef); err != nil {
		return err
	}
	m := n.machines[spec.ID]
	if m != nil && m.power == cloud.PowerOn {
		m.epoch = spec.Epoch
		return nil
	}
	if err := n.fits(spec); err != nil {
		return err
	}
	for i, nic := range spec.NICs {
		if _, err := n.attach(nic.Network, nic.MAC); err != nil {
			for _, done := range spec.NICs[:i] {
				n.detach(done.Network, done.MAC)
			}
			return err
		}
	}
	if m == nil {
		m = &machine{}
		put(&n.machines, spec.ID, m)
		drop(&n.deleted, spec.ID)
	}
	for _, nic := range m.nics {
		if !slices.Contains(spec.NICs, nic) {
			n.detach(nic.Network, nic.MAC)
		}
	}
	*m = machine{
		name: spec.Name, epoch: spec.Epoch, power: cloud.PowerOn, hostBoot: n.bootID(),
		memoryMiB: spec.MemoryMiB, disks: spec.Disks, nics: spec.NICs, since: time.Now(),
	}
	n.signal()
	return nil
}

func validateMachine(spec wire.MachineSpec) error {
	if !cloud.IsID(string(spec.ID)) {
		return cloud.FieldErrorf("id", "%q is not the id of a machine", spec.ID)
	}
	if err := cloud.ValidateName(cloud.KindMachine, spec.Name); err != nil {
		return err
	}
	size := cloud.Size{Name: "machine", VCPUs: spec.VCPUs, MemoryMiB: spec.MemoryMiB, DiskGiB: 1}
	if err := size.Validate(); err != nil {
		return err
	}
	if len(spec.Disks) == 0 {
		return cloud.FieldErrorf("disks", "machine %s needs a disk to boot from", spec.ID)
	}
	for _, nic := range spec.NICs {
		if _, err := parseMAC(nic.MAC); err != nil {
			return cloud.FieldErrorf("mac", "%v", err)
		}
	}
	return nil
}

// fresh refuses an epoch older than the newest known one; the lock is held.
func (n *Node) fresh(ref wire.MachineRef) error {
	known := n.deleted[ref.ID]
	if m := n.machines[ref.ID]; m != nil {
		known = m.epoch
	}
	if ref.Epoch >= known {
		return nil
	}
	return cloud.Errorf(cloud.Conflict, "machine %s: epoch %d is older than %d, which node %s knows; read its placement again",
		ref.ID, ref.Epoch, known, n.name)
}

// fits checks what the machine needs; the lock is held.
func (n *Node) fits(spec wire.MachineSpec) error {
	for _, id := range spec.Disks {
		if _, ok := n.volumes[id]; !ok {
			return cloud.Errorf(cloud.NotFound, "volume %s of machine %s is not on node %s; ensure the volume first", id, spec.ID, n.name)
		}
		if user := n.userOf(id); user != "" {
			return cloud.Errorf(cloud.Conflict, "volume %s of machine %s is in use; stop machine %s first", id, spec.ID, user)
		}
	}
	free := n.shape().MemoryMiB
	for id, m := range n.machines {
		if m.power != cloud.PowerOn || id == spec.ID {
			continue
		}
		free -= m.memoryMiB
	}
	if spec.MemoryMiB > free {
		return cloud.Errorf(cloud.Capacity, "machine %s needs %d MiB of memory and node %s has %d MiB left; use another node",
			spec.ID, spec.MemoryMiB, n.name, free)
	}
	return nil
}

// Stop implements sal.Machines. A simulated guest obeys within the latency of
// the call, or is switched off when the grace is over. A machine that the node
// does not know is off.
func (m machines) Stop(ctx context.Context, stop wire.MachineStop) error {
	n := m.n
	c, err := n.begin(ctx, MachineStop, 0)
	if err != nil {
		return err
	}
	n.mu.Lock()
	have := n.machines[stop.ID]
	err = n.fresh(stop.MachineRef)
	idle := have == nil || have.power != cloud.PowerOn
	n.mu.Unlock()
	if err != nil {
		return err
	}
	if !idle {
		if err := c.wait(ctx, min(c.delay, time.Duration(stop.GraceMS)*time.Millisecond)); err != nil {
			return err
		}
	}
	return c.commit(ctx, func() error {
		if err := n.fresh(stop.MachineRef); err != nil {
			return err
		}
		have := n.machines[stop.ID]
		if have == nil {
			return nil
		}
		have.epoch = stop.Epoch
		if have.power != cloud.PowerOff {
			have.switchOff(cloud.PowerOff, "")
			n.signal()
		}
		return nil
	})
}

// Reboot implements sal.Machines. A machine that is off is cloud.Conflict.
func (m machines) Reboot(ctx context.Context, ref wire.MachineRef) error {
	n := m.n
	return n.do(ctx, MachineReboot, func() error {
		if err := n.fresh(ref); err != nil {
			return err
		}
		have, err := n.running(ref.ID)
		if err != nil {
			return err
		}
		if have.display != nil {
			have.display.reboot()
		}
		return nil
	})
}

// running returns the machine, which must run; the lock is held.
func (n *Node) running(id cloud.MachineID) (*machine, error) {
	m := n.machines[id]
	if m == nil {
		return nil, cloud.Errorf(cloud.NotFound, "machine %s is not on node %s", id, n.name)
	}
	if m.power != cloud.PowerOn {
		return nil, cloud.StateErrorf(string(m.power), "machine %s does not run; start it first", id)
	}
	return m, nil
}

// Delete implements sal.Machines.
func (m machines) Delete(ctx context.Context, ref wire.MachineRef) error {
	n := m.n
	return n.do(ctx, MachineDelete, func() error {
		if err := n.fresh(ref); err != nil {
			return err
		}
		put(&n.deleted, ref.ID, ref.Epoch)
		have := n.machines[ref.ID]
		if have == nil {
			return nil
		}
		have.switchOff(cloud.PowerOff, "")
		for _, nic := range have.nics {
			n.detach(nic.Network, nic.MAC)
		}
		drop(&n.machines, ref.ID)
		n.signal()
		return nil
	})
}

// List implements sal.Machines.
func (m machines) List(ctx context.Context) ([]wire.MachineState, error) {
	var list []wire.MachineState
	err := m.n.do(ctx, MachineList, func() error {
		for id, m := range m.n.machines {
			list = append(list, wire.MachineState{ID: id, Epoch: m.epoch, Power: m.power, HostBoot: m.hostBoot, Detail: m.detail})
		}
		slices.SortFunc(list, func(a, b wire.MachineState) int { return cmp.Compare(a.ID, b.ID) })
		return nil
	})
	return list, err
}

// Usage implements sal.Machines: each machine moves bytes at rates of its own,
// which follow from the fleet's seed and its id.
func (m machines) Usage(ctx context.Context) ([]wire.Usage, error) {
	var list []wire.Usage
	err := m.n.do(ctx, MachineUsage, func() error {
		for id, have := range m.n.machines {
			list = append(list, have.usage(id, m.n.fleet.config.Seed))
		}
		slices.SortFunc(list, func(a, b wire.Usage) int { return cmp.Compare(a.Machine, b.Machine) })
		return nil
	})
	return list, err
}

// usage is called with the node's lock held.
func (m *machine) usage(id cloud.MachineID, seed uint64) wire.Usage {
	h := fnv.New64a()
	h.Write([]byte(id)) // never fails
	r := rand.New(rand.NewPCG(seed, h.Sum64()))
	ran := time.Since(m.since)
	if !m.until.IsZero() {
		ran = m.until.Sub(m.since)
	}
	moved := func(most int64) int64 { return (1 + r.Int64N(most)) * ran.Milliseconds() / 1000 }
	return wire.Usage{
		Machine: id, Since: cloud.TimeOf(m.since),
		Received: moved(1 << 20), Sent: moved(1 << 20), Read: moved(1 << 18), Written: moved(1 << 18),
	}
}

// Changed implements sal.Machines.
func (m machines) Changed() <-chan struct{} { return m.n.changed }

// signal is called with the lock held, after a machine's power changed.
func (n *Node) signal() {
	select {
	case n.changed <- struct{}{}:
	default: // a value waits there already
	}
}

// Console implements sal.Machines: a simulated serial console that prints a
// banner, echoes, and knows uname and exit. A machine that is off is
// cloud.Conflict; a console ends when its machine goes off.
func (m machines) Console(ctx context.Context, id cloud.MachineID) (io.ReadWriteCloser, error) {
	return m.n.look(ctx, MachineConsole, id, (*display).console)
}

// Screen implements sal.Machines: an RFB 3.8 server that shows one still test
// picture and ignores keys and pointer.
func (m machines) Screen(ctx context.Context, id cloud.MachineID) (io.ReadWriteCloser, error) {
	return m.n.look(ctx, MachineScreen, id, (*display).screen)
}

func (n *Node) look(ctx context.Context, kind Call, id cloud.MachineID, open func(*display) *stream) (io.ReadWriteCloser, error) {
	var s *stream
	err := n.do(ctx, kind, func() error {
		m, err := n.running(id)
		if err != nil {
			return err
		}
		if m.display == nil {
			m.display = &display{name: m.name}
		}
		s = open(m.display)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// switchOff is called with the node's lock held.
func (m *machine) switchOff(power cloud.Power, detail string) {
	if m.power == cloud.PowerOn {
		m.until = time.Now()
	}
	m.power, m.detail = power, detail
	if m.display != nil {
		m.display.end()
		m.display = nil
	}
}

// GuestOff lets the guest of a running machine power itself off.
func (n *Node) GuestOff(id cloud.MachineID) error {
	return n.guest(id, cloud.PowerOff, "the guest powered off")
}

// GuestCrash lets a running machine end without its guest's wish.
func (n *Node) GuestCrash(id cloud.MachineID) error {
	return n.guest(id, cloud.PowerCrashed, "the machine crashed (simulated)")
}

func (n *Node) guest(id cloud.MachineID, power cloud.Power, detail string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	m, err := n.running(id)
	if err != nil {
		return err
	}
	m.switchOff(power, detail)
	n.signal()
	return nil
}
