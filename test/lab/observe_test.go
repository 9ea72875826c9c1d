package lab

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/control"
	"atoll/internal/sal/sim"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
	"atoll/internal/wire"
)

// createWith makes a running machine with the run strategy, whose changes have
// settled.
func (l *Lab) createWith(name string, s cloud.RunStrategy) *cloud.Machine {
	l.T.Helper()
	_, o, err := l.Control.CreateMachine(l.T.Context(), l.Admin, control.NewMachine{
		Account: "default", Cloudspace: "default", Name: name, Image: "disk", Size: "tiny", RunStrategy: s,
	})
	l.Done(o, err)
	return l.machine(name)
}

// becomes waits until the machine is in the state with the observed power.
func (l *Lab) becomes(name string, state cloud.MachineState, power cloud.Power) *cloud.Machine {
	l.T.Helper()
	var m *cloud.Machine
	l.Until(fmt.Sprintf("machine %s is %s and %s", name, state, power), func() bool {
		m = l.machine(name)
		return m.State == state && m.ObservedPower == power
	})
	return m
}

// count is how many events of the action the subject has.
func (l *Lab) count(subject, action string) int {
	l.T.Helper()
	n := 0
	for after := int64(0); ; {
		list, next, err := l.Control.EventsAfter(l.T.Context(), l.Admin, after, control.EventFilter{}, 0)
		if err != nil {
			l.T.Fatal(err)
		}
		for _, e := range list {
			if e.SubjectID == subject && e.Action == action {
				n++
			}
		}
		if len(list) == 0 {
			return n
		}
		after = next
	}
}

// wait waits for the event.
func (l *Lab) event(subject, action string) {
	l.T.Helper()
	l.Until("event "+action, func() bool { return l.count(subject, action) > 0 })
}

// age makes the machine's last change an old one, so that a test need not wait
// until it has settled.
func (l *Lab) age(m *cloud.Machine) {
	storetest.Exec(l.T, l.DB, fmt.Sprintf("UPDATE machines SET updated_at = updated_at - %d WHERE id = '%s'", time.Hour.Microseconds(), m.ID))
}

func TestRunStrategyAnswersWhatIsFound(t *testing.T) {
	t.Parallel()
	off := func(n *Node, m *cloud.Machine) error { return n.Sim.GuestOff(m.ID) }
	crash := func(n *Node, m *cloud.Machine) error { return n.Sim.GuestCrash(m.ID) }
	for _, tt := range []struct {
		name     string
		strategy cloud.RunStrategy
		happens  func(*Node, *cloud.Machine) error
		again    bool
	}{
		{"always-off", cloud.RunAlways, off, true},
		{"always-crash", cloud.RunAlways, crash, true},
		{"onerror-off", cloud.RunOnError, off, false},
		{"onerror-crash", cloud.RunOnError, crash, true},
		{"manual-off", cloud.RunManual, off, false},
		{"manual-crash", cloud.RunManual, crash, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := New(t, storetest.SQLite(t), 1, sim.Config{})
			l.image("disk")
			m := l.createWith(tt.name, tt.strategy)
			l.age(m)
			if err := tt.happens(l.Node("sim-1"), m); err != nil {
				t.Fatal(err)
			}
			l.event(string(m.ID), "machine.found-off")
			if tt.again {
				m = l.becomes(tt.name, cloud.MachineRunning, cloud.PowerOn)
				if m.DesiredPower != cloud.PowerOn {
					t.Errorf("desired power = %s", m.DesiredPower)
				}
			} else {
				m = l.machine(tt.name)
				if m.State != cloud.MachineStopped || m.DesiredPower != cloud.PowerOff || m.Reason == "" {
					t.Errorf("machine = %s, desired %s, reason %q; want it stopped with a reason", m.State, m.DesiredPower, m.Reason)
				}
			}
			l.Sound()
			l.running(m, tt.again)
		})
	}
}

// running fails the test unless the ledger counts the machine as running, or not.
func (l *Lab) running(m *cloud.Machine, want bool) {
	l.T.Helper()
	var amount int64
	err := l.DB.View(l.T.Context(), func(tx *store.Tx) error {
		list, err := tx.Entries(string(m.ID))
		for _, e := range list {
			if e.Resource == cloud.ResourceRunningMemoryMiB && e.Scope.Kind == cloud.KindAccount {
				amount += e.Delta
			}
		}
		return err
	})
	if err != nil {
		l.T.Fatal(err)
	}
	if want && amount != m.MemoryMiB || !want && amount != 0 {
		l.T.Errorf("the ledger counts %d MiB of machine %s as running", amount, m.Name)
	}
}

func TestHostReboot(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		l := New(t, db, 1, sim.Config{})
		l.image("disk")
		all := map[cloud.RunStrategy]*cloud.Machine{}
		for _, s := range cloud.RunStrategies {
			all[s] = l.createWith("m-"+string(s), s)
			l.age(all[s])
		}
		n := l.Node("sim-1")
		n.Stop()
		n.Sim.Crash(sim.Outage{Host: true})
		l.Restart(n)
		for s, m := range all {
			l.event(string(m.ID), "machine.found-off")
			if s == cloud.RunManual {
				l.becomes(m.Name, cloud.MachineStopped, cloud.PowerOff)
				continue
			}
			l.becomes(m.Name, cloud.MachineRunning, cloud.PowerOn)
		}
		// The networks were made again: each has the taps of what runs.
		if taps := n.Sim.Taps(); len(taps) != 2 {
			t.Errorf("taps = %v, want one for each machine that was started", taps)
		}
		l.Sound()
	})
}

func TestMachineThatShouldBeOff(t *testing.T) {
	t.Parallel()
	l := New(t, storetest.SQLite(t), 1, sim.Config{})
	l.image("disk")
	l.create("web-1")
	_, o, err := l.Control.StopMachine(t.Context(), l.Admin, l.ref("web-1"), control.StopOptions{})
	l.Done(o, err)
	m := l.machine("web-1")
	l.age(m)
	l.startOnNode(l.Node("sim-1"), m)
	l.event(string(m.ID), "machine.found-running")
	l.becomes("web-1", cloud.MachineStopped, cloud.PowerOff)
	l.running(m, false)
	l.Sound()
}

// startOnNode starts the machine behind the controller's back.
func (l *Lab) startOnNode(n *Node, m *cloud.Machine) {
	l.T.Helper()
	var disk cloud.DiskID
	err := l.DB.View(l.T.Context(), func(tx *store.Tx) error {
		list, err := tx.DisksOf(m.ID)
		if err == nil {
			disk = list[0].ID
		}
		return err
	})
	if err == nil {
		err = n.Sim.SAL().Machines.Start(l.T.Context(), wire.MachineSpec{
			MachineRef: wire.MachineRef{ID: m.ID, Epoch: m.PlacementEpoch}, Name: m.Name, VCPUs: m.VCPUs, MemoryMiB: m.MemoryMiB,
			Disks: []cloud.DiskID{disk}, NICs: []wire.NIC{{Network: m.CloudspaceID, MAC: m.MAC}},
		})
	}
	if err != nil {
		l.T.Fatal(err)
	}
}

func TestUnknownMachineIsCleared(t *testing.T) {
	t.Parallel()
	l := New(t, storetest.SQLite(t), 1, sim.Config{})
	n := l.Node("sim-1")
	s, disk, stranger := n.Sim.SAL(), cloud.NewID[cloud.DiskID](), cloud.NewID[cloud.MachineID]()
	if err := s.Volumes.Ensure(t.Context(), wire.VolumeArgs{ID: disk, SizeGiB: 1}); err != nil {
		t.Fatal(err)
	}
	err := s.Machines.Start(t.Context(), wire.MachineSpec{
		MachineRef: wire.MachineRef{ID: stranger, Epoch: 3}, Name: "stranger", VCPUs: 1, MemoryMiB: 256, Disks: []cloud.DiskID{disk},
	})
	if err != nil {
		t.Fatal(err)
	}
	n.Stop() // an agent looks when it starts
	l.Restart(n)
	l.Until("the machine is gone, and on record as cleared", func() bool {
		machines, err := s.Machines.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		events, _, err := l.Control.EventsAfter(t.Context(), l.Admin, 0, control.EventFilter{}, 0)
		if err != nil {
			t.Fatal(err)
		}
		return len(machines) == 0 && slices.ContainsFunc(events, func(e cloud.Event) bool {
			return e.Action == "leftover.cleared" && e.SubjectName == "machine "+string(stranger)
		})
	})
	if left, _, err := l.Control.Leftovers(t.Context(), l.Admin, control.Query{Visible: store.Everything}); err != nil || len(left) > 0 {
		t.Errorf("leftovers = %+v, %v, want none", left, err)
	}
}

func TestGuestThatGoesOffAtOnceIsSeen(t *testing.T) {
	t.Parallel()
	l := New(t, storetest.SQLite(t), 1, sim.Config{})
	l.image("disk")
	m := l.createWith("web-1", cloud.RunManual)
	if err := l.Node("sim-1").Sim.GuestOff(m.ID); err != nil { // before the change has settled
		t.Fatal(err)
	}
	l.becomes("web-1", cloud.MachineStopped, cloud.PowerOff)
	l.running(m, false)
	l.Sound()
}

// impatient is a controller that soon takes a silent node for offline.
func impatient(c *control.Config) { c.NodeOffline = 8 * time.Second }

// silent makes the node count as one that was not heard for long.
func (l *Lab) silent(name string) *cloud.Node {
	l.T.Helper()
	var n *cloud.Node
	l.Until("node "+name+" is offline", func() bool {
		storetest.Exec(l.T, l.DB, fmt.Sprintf("UPDATE nodes SET last_seen_at = 1 WHERE name = '%s'", name))
		var err error
		n, err = l.Control.Node(l.T.Context(), l.Admin, name)
		return err == nil && n.State == cloud.NodeOffline
	})
	return n
}

func TestNodeOfflineAndBack(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		l := New(t, db, 1, sim.Config{}, impatient)
		l.image("disk")
		m := l.create("web-1")
		l.age(m)
		n := l.Node("sim-1")
		l.jobEnds(l.Controller, l.command(l.Controller, "sim-1", "true").ID) // the inventory was taken before it
		n.Cut(l.Controller)                                                  // the agent goes on
		node := l.silent("sim-1")
		l.event(string(node.ID), "node.offline")
		l.becomes("web-1", cloud.MachineRunning, cloud.PowerUnknown)
		_, _, err := l.Control.DeleteMachine(t.Context(), l.Admin, l.ref("web-1"), false)
		if !cloud.Is(err, cloud.Unavailable) {
			t.Errorf("delete while the node is away = %v, want unavailable", err)
		}
		_, _, err = l.Control.CreateMachine(t.Context(), l.Admin, control.NewMachine{Account: "default", Cloudspace: "default", Name: "web-2", Image: "disk", Size: "tiny"})
		if !cloud.Is(err, cloud.Capacity) {
			t.Errorf("create while the only node is away = %v, want capacity", err)
		}
		n.Mend(l.Controller)
		l.WaitNode("sim-1", cloud.NodeOnline)
		l.becomes("web-1", cloud.MachineRunning, cloud.PowerOn)
		l.Until("two events node.online", func() bool { return l.count(string(node.ID), "node.online") == 2 })
		l.Sound()
	})
}

// The inventory of a node that is back is not acted on where a machine was changed
// a moment ago; then it is asked for once more.
func TestMachineThatWasChangedJustBeforeItsNodeIsBack(t *testing.T) {
	l := New(t, storetest.SQLite(t), 1, sim.Config{}, impatient)
	l.image("disk")
	m := l.create("web-1")
	n := l.Node("sim-1")
	n.Cut(l.Controller)
	l.silent("sim-1")
	l.becomes("web-1", cloud.MachineRunning, cloud.PowerUnknown)
	storetest.Exec(t, l.DB, fmt.Sprintf("UPDATE machines SET updated_at = %d WHERE id = '%s'", cloud.Now(), m.ID))
	n.Mend(l.Controller)
	l.becomes("web-1", cloud.MachineRunning, cloud.PowerOn)
}

func TestMachineThatWentOffWhileItsNodeWasAway(t *testing.T) {
	t.Parallel()
	l := New(t, storetest.SQLite(t), 1, sim.Config{}, impatient)
	l.image("disk")
	m := l.createWith("web-1", cloud.RunAlways)
	l.age(m)
	n := l.Node("sim-1")
	n.Cut(l.Controller)
	l.silent("sim-1")
	if err := n.Sim.GuestOff(m.ID); err != nil {
		t.Fatal(err)
	}
	n.Mend(l.Controller)
	l.event(string(m.ID), "machine.found-off")
	l.becomes("web-1", cloud.MachineRunning, cloud.PowerOn)
	l.Sound()
}

func TestCapacityComesFromFacts(t *testing.T) {
	t.Parallel()
	l := New(t, storetest.SQLite(t), 1, sim.Config{})
	n := l.WaitNode("sim-1", cloud.NodeOnline)
	limits := func() map[cloud.Resource]int64 {
		out := map[cloud.Resource]int64{}
		err := l.DB.View(t.Context(), func(tx *store.Tx) error {
			list, err := tx.Balances(cloud.Scope{Kind: cloud.KindNode, ID: string(n.ID)})
			for _, b := range list {
				out[b.Resource] = b.Limit
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	got := limits()
	if got[cloud.ResourceVCPUs] != int64(n.Facts.CPUs)*4 || got[cloud.ResourceMemoryMiB] != n.Facts.MemoryMiB*9/10 || got[cloud.ResourceDiskGiB] != n.Facts.DiskMiB>>10 {
		t.Errorf("limits = %v, want them from %+v", got, n.Facts)
	}
	twice := int64(200)
	if _, err := l.Control.UpdateNode(t.Context(), l.Admin, "sim-1", control.NodeChange{CPUOvercommit: &twice}); err != nil {
		t.Fatal(err)
	}
	if got = limits(); got[cloud.ResourceVCPUs] != int64(n.Facts.CPUs)*2 {
		t.Errorf("after a change of overcommit limits = %v", got)
	}
}

// reasons plans a machine and returns why each node was taken or not.
func (l *Lab) reasons(in control.NewMachine) (map[string]string, error) {
	l.T.Helper()
	r := *l.Admin
	r.DryRun = true
	_, _, err := l.Control.CreateMachine(l.T.Context(), &r, in)
	p, ok := err.(*control.Planned)
	if !ok {
		return nil, err
	}
	out := map[string]string{}
	for _, c := range p.Plan.Placement {
		out[c.Node] = c.Reason
		if c.Chosen {
			out[c.Node] = "chosen: " + c.Reason
		}
	}
	return out, nil
}

func TestPlacementIsExplained(t *testing.T) {
	t.Parallel()
	l := New(t, storetest.SQLite(t), 5, sim.Config{}, impatient)
	l.image("disk")
	other := &cloud.Location{Name: "elsewhere"}
	if err := l.Control.CreateLocation(t.Context(), l.Admin, other); err != nil {
		t.Fatal(err)
	}
	yes := true
	if _, err := l.Control.UpdateNode(t.Context(), l.Admin, "sim-2", control.NodeChange{Cordoned: &yes}); err != nil {
		t.Fatal(err)
	}
	l.Node("sim-3").Stop()
	l.silent("sim-3")
	storetest.Exec(t, l.DB, `UPDATE nodes SET roles = '["network"]' WHERE name = 'sim-4'`)
	storetest.Exec(t, l.DB, fmt.Sprintf(`UPDATE nodes SET location_id = '%s' WHERE name = 'sim-5'`, other.ID))
	in := control.NewMachine{Account: "default", Cloudspace: "default", Name: "web-1", Image: "disk", Size: "tiny"}
	want := map[string]string{
		"sim-2": "is cordoned", "sim-3": "is offline", "sim-4": "has no compute role", "sim-5": "is in another location",
	}
	got, err := l.reasons(in)
	if err != nil {
		t.Fatal(err)
	}
	for name, reason := range want {
		if got[name] != reason {
			t.Errorf("%s %q, want %q", name, got[name], reason)
		}
	}
	if len(got) != 5 || got["sim-1"][:7] != "chosen:" {
		t.Errorf("placement = %v, want sim-1 chosen of five", got)
	}
	if list, _, err := l.Control.Machines(t.Context(), l.Admin, control.Query{}); err != nil || len(list) != 0 {
		t.Errorf("a dry run left %d machines, %v", len(list), err)
	}

	storetest.Exec(t, l.DB, "UPDATE nodes SET deleted_at = 1 WHERE name IN ('sim-3', 'sim-4', 'sim-5')")
	storetest.Exec(t, l.DB, "UPDATE balances SET max_amount = 100 WHERE scope_kind = 'node' AND resource = 'memory_mib'")
	if _, err = l.reasons(in); !cloud.Is(err, cloud.Capacity) || !strings.Contains(err.Error(), "sim-1 has 100 memory_mib left, 128 are needed") {
		t.Errorf("full = %v, want capacity with the reason", err)
	}
	storetest.Exec(t, l.DB, "UPDATE nodes SET simulated = FALSE WHERE name = 'sim-2'")
	if _, err = l.reasons(in); !cloud.Is(err, cloud.Capacity) || !strings.Contains(err.Error(), "is simulated, and real nodes exist") {
		t.Errorf("simulated beside real = %v, want capacity with the reason", err)
	}
}

func TestRunningQuotaIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	l := New(t, storetest.SQLite(t), 1, sim.Config{})
	l.image("disk")
	m := l.create("web-1")
	space, err := l.Control.Cloudspace(t.Context(), l.Admin, "default", "default")
	if err != nil {
		t.Fatal(err)
	}
	limits := map[cloud.Resource]int64{cloud.ResourceRunningMemoryMiB: m.MemoryMiB}
	if _, _, err := l.Control.SetLimits(t.Context(), l.Admin, cloud.Scope{Kind: cloud.KindCloudspace, ID: string(space.ID)}, limits); err != nil {
		t.Fatal(err)
	}
	second := control.NewMachine{Account: "default", Cloudspace: "default", Name: "web-2", Image: "disk", Size: "tiny"}
	if _, _, err := l.Control.CreateMachine(t.Context(), l.Admin, second); !cloud.Is(err, cloud.Quota) {
		t.Errorf("create over the quota of running machines = %v, want quota", err)
	}
	_, o, err := l.Control.StopMachine(t.Context(), l.Admin, l.ref("web-1"), control.StopOptions{})
	l.Done(o, err)
	_, o, err = l.Control.CreateMachine(t.Context(), l.Admin, second)
	l.Done(o, err)
	if _, _, err := l.Control.StartMachine(t.Context(), l.Admin, l.ref("web-1")); !cloud.Is(err, cloud.Quota) {
		t.Errorf("start over the quota of running machines = %v, want quota", err)
	}
	if m = l.machine("web-1"); m.State != cloud.MachineStopped || m.Reason != "" {
		t.Errorf("machine = %s %q", m.State, m.Reason)
	}
	l.Sound()
}

// A clock that was set back does not make the controller deaf to what nodes say.
func TestMachineIsObservedAfterTheClockWasSetBack(t *testing.T) {
	t.Parallel()
	b := newBench(t, storetest.SQLite(t))
	b.create("web-1")
	b.node.Stop()
	storetest.Exec(t, b.DB, "UPDATE machines SET updated_at = updated_at + 3600000000, observed_power = 'unknown'")
	b.Restart(b.node)
	b.Until("the machine's power is known", func() bool { return b.machine("web-1").ObservedPower == cloud.PowerOn })
}
