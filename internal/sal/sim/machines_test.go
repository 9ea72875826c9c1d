package sim

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/wire"
)

func newRand(n *Node) *rand.Rand { return rand.New(&n.random) }

const (
	space1 = cloud.CloudspaceID("0198c3e2-7b1c-7d0a-8f00-000000000001")
	space2 = cloud.CloudspaceID("0198c3e2-7b1c-7d0a-8f00-000000000002")
	mac1   = "52:54:00:12:34:56"
)

func network1() wire.NetworkSpec {
	return wire.NetworkSpec{
		ID: space1, Number: 17, Generation: 5, CIDR: "192.168.103.0/24", Domain: "one.test",
		Leases:   []wire.Lease{{MAC: mac1, Address: "192.168.103.10", Hostname: "web-1"}},
		Forwards: []wire.Forward{{Protocol: "tcp", PublicPort: 2222, Address: "192.168.103.10", Port: 22}},
	}
}

// machine1 returns a machine whose volume and network are on the node.
func machine1(t *testing.T, n *Node) wire.MachineSpec {
	t.Helper()
	disk := cloud.NewID[cloud.DiskID]()
	must(t, n.SAL().Volumes.Ensure(t.Context(), wire.VolumeArgs{ID: disk, SizeGiB: 4}))
	must(t, n.SAL().Networks.Ensure(t.Context(), network1()))
	return wire.MachineSpec{
		MachineRef: wire.MachineRef{ID: cloud.NewID[cloud.MachineID](), Epoch: 3},
		Name:       "web-1", VCPUs: 2, MemoryMiB: 1024, Disks: []cloud.DiskID{disk},
		NICs: []wire.NIC{{Network: space1, MAC: mac1}},
	}
}

// state returns the state of the only machine.
func state(t *testing.T, n *Node) wire.MachineState {
	t.Helper()
	list, err := n.SAL().Machines.List(t.Context())
	must(t, err)
	if len(list) != 1 {
		t.Fatalf("List() = %v, want one machine", list)
	}
	return list[0]
}

func changed(n *Node) bool {
	select {
	case <-n.changed:
		return true
	default:
		return false
	}
}

func TestMachineLife(t *testing.T) {
	n := newNode(t, Config{})
	m, ctx := n.SAL().Machines, t.Context()
	if got, err := m.Probe(ctx); got != "sim" || err != nil {
		t.Errorf("Probe() = %q, %v", got, err)
	}
	spec := machine1(t, n)
	must(t, m.Start(ctx, spec))
	must(t, m.Start(ctx, spec))
	if got := state(t, n); got.Power != cloud.PowerOn || got.Epoch != 3 || got.ID != spec.ID || !changed(n) {
		t.Errorf("state = %+v", got)
	}
	must(t, m.Reboot(ctx, spec.MachineRef))
	wantKind(t, n.SAL().Volumes.Delete(ctx, spec.Disks[0]), cloud.Conflict)
	wantKind(t, n.SAL().Volumes.Ensure(ctx, wire.VolumeArgs{ID: spec.Disks[0], SizeGiB: 5}), cloud.Conflict)

	must(t, m.Stop(ctx, wire.MachineStop{MachineRef: spec.MachineRef, GraceMS: 1000}))
	must(t, m.Stop(ctx, wire.MachineStop{MachineRef: spec.MachineRef}))
	if got := state(t, n); got.Power != cloud.PowerOff || !changed(n) {
		t.Errorf("state = %+v", got)
	}
	wantKind(t, m.Reboot(ctx, spec.MachineRef), cloud.Conflict)
	wantKind(t, n.GuestOff(spec.ID), cloud.Conflict)
	must(t, n.SAL().Volumes.Ensure(ctx, wire.VolumeArgs{ID: spec.Disks[0], SizeGiB: 5}))

	must(t, m.Delete(ctx, spec.MachineRef))
	must(t, m.Delete(ctx, spec.MachineRef))
	if len(n.Taps()) != 0 || n.machines != nil {
		t.Errorf("left: taps %v, machines %v", n.Taps(), n.machines)
	}
	wantKind(t, m.Reboot(ctx, spec.MachineRef), cloud.NotFound)
	must(t, m.Stop(ctx, wire.MachineStop{MachineRef: spec.MachineRef}))
}

func TestMachineEpochs(t *testing.T) {
	n := newNode(t, Config{})
	m, ctx, spec := n.SAL().Machines, t.Context(), machine1(t, n)
	at := func(epoch int64) wire.MachineSpec {
		s := spec
		s.Epoch = epoch
		return s
	}
	must(t, m.Start(ctx, at(3)))
	for what, err := range map[string]error{
		"start":  m.Start(ctx, at(2)),
		"stop":   m.Stop(ctx, wire.MachineStop{MachineRef: at(2).MachineRef}),
		"reboot": m.Reboot(ctx, at(2).MachineRef),
		"delete": m.Delete(ctx, at(2).MachineRef),
	} {
		if !cloud.Is(err, cloud.Conflict) {
			t.Errorf("%s with an old epoch: %v, want a conflict", what, err)
		}
	}
	must(t, m.Start(ctx, at(4)))
	if got := state(t, n); got.Epoch != 4 || got.Power != cloud.PowerOn {
		t.Errorf("state = %+v", got)
	}
	must(t, m.Delete(ctx, at(6).MachineRef))
	wantKind(t, m.Start(ctx, at(5)), cloud.Conflict)
	must(t, m.Start(ctx, at(7)))
	if got := state(t, n); got.Epoch != 7 {
		t.Errorf("state = %+v", got)
	}
}

func TestMachineNeeds(t *testing.T) {
	n := newNode(t, Config{Profile: Profile{Shapes: []Shape{{CPUs: 4, MemoryMiB: 1536, DiskMiB: 16 << 10}}}})
	m, ctx, spec := n.SAL().Machines, t.Context(), machine1(t, n)
	for _, tt := range []struct {
		name string
		want cloud.ErrorKind
		set  func(*wire.MachineSpec)
	}{
		{"no id", cloud.Invalid, func(s *wire.MachineSpec) { s.ID = "" }},
		{"no CPU", cloud.Invalid, func(s *wire.MachineSpec) { s.VCPUs = 0 }},
		{"no memory", cloud.Invalid, func(s *wire.MachineSpec) { s.MemoryMiB = 0 }},
		{"no disk", cloud.Invalid, func(s *wire.MachineSpec) { s.Disks = nil }},
		{"bad MAC", cloud.Invalid, func(s *wire.MachineSpec) { s.NICs = []wire.NIC{{Network: space1, MAC: "x"}} }},
		{"unknown volume", cloud.NotFound, func(s *wire.MachineSpec) { s.Disks = []cloud.DiskID{"gone"} }},
		{"unknown network", cloud.NotFound, func(s *wire.MachineSpec) {
			s.NICs = []wire.NIC{{Network: space1, MAC: mac1}, {Network: space2, MAC: mac1}}
		}},
		{"too much memory", cloud.Capacity, func(s *wire.MachineSpec) { s.MemoryMiB = 2048 }},
	} {
		s := spec
		tt.set(&s)
		if err := m.Start(ctx, s); !cloud.Is(err, tt.want) {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
		if n.machines != nil || len(n.Taps()) != 0 {
			t.Fatalf("%s left a machine or taps %v", tt.name, n.Taps())
		}
	}
	must(t, m.Start(ctx, spec))
	other := machine1(t, n)
	other.NICs = nil
	wantKind(t, m.Start(ctx, other), cloud.Capacity) // 1024 of 1536 MiB are taken
	other.MemoryMiB, other.Disks = 64, spec.Disks
	wantKind(t, m.Start(ctx, other), cloud.Conflict) // the volume is in use
}

func TestGuestGoesDown(t *testing.T) {
	n := newNode(t, Config{})
	m, ctx, spec := n.SAL().Machines, t.Context(), machine1(t, n)
	for power, down := range map[cloud.Power]func(cloud.MachineID) error{cloud.PowerOff: n.GuestOff, cloud.PowerCrashed: n.GuestCrash} {
		must(t, m.Start(ctx, spec))
		changed(n)
		must(t, down(spec.ID))
		if got := state(t, n); got.Power != power || got.Detail == "" || !changed(n) {
			t.Errorf("state = %+v, want power %s", got, power)
		}
	}
	must(t, m.Stop(ctx, wire.MachineStop{MachineRef: spec.MachineRef}))
	if got := state(t, n); got.Power != cloud.PowerOff {
		t.Errorf("state after stop = %+v", got)
	}
	wantKind(t, n.GuestCrash("unknown"), cloud.NotFound)
}

func TestStopWaitsAtMostTheGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, Config{Profile: Profile{Latency: map[Call]Latency{MachineStop: {Base: time.Minute}}}})
		m, spec := n.SAL().Machines, machine1(t, n)
		for grace, want := range map[time.Duration]time.Duration{0: 0, time.Second: time.Second, time.Hour: time.Minute} {
			must(t, m.Start(t.Context(), spec))
			began := time.Now()
			must(t, m.Stop(t.Context(), wire.MachineStop{MachineRef: spec.MachineRef, GraceMS: grace.Milliseconds()}))
			if d := time.Since(began); d != want {
				t.Errorf("stop with %s grace took %s, want %s", grace, d, want)
			}
		}
	})
}
