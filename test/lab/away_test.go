package lab

import (
	"testing"

	"atoll/internal/cloud"
	"atoll/internal/control"
	"atoll/internal/op/optest"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
)

// die ends the node's agent and has the controller know it, which else takes
// cloud.NodeOfflineAfter.
func (b *bench) die() {
	b.T.Helper()
	b.node.Stop()
	storetest.Exec(b.T, b.DB, "UPDATE nodes SET state = 'offline'")
}

// back starts the agent again and waits until the leftovers are cleared.
func (b *bench) back() {
	b.T.Helper()
	b.Restart(b.node)
	b.WaitNode(b.node.Name, cloud.NodeOnline)
	b.Until("the leftovers are cleared", func() bool { return len(b.leftovers()) == 0 })
}

// watch has the faults hit the next operation of the kind.
func (b *bench) watch(kind string) {
	b.Faults.Watch(kind, func(id cloud.OperationID) { b.Control.Engine().Signal(id) })
}

// reached waits for a point.
func (b *bench) reached(c <-chan struct{}) {
	b.T.Helper()
	b.Until("the operation comes to the point", func() bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	})
}

func (b *bench) startCreate(name string) cloud.OperationID {
	b.T.Helper()
	o, err := b.starts(name)
	if err != nil {
		b.T.Fatal(err)
	}
	return o
}

func (b *bench) space() *cloud.Cloudspace {
	b.T.Helper()
	s, err := b.Control.Cloudspace(b.T.Context(), b.Admin, "default", "default")
	if err != nil {
		b.T.Fatal(err)
	}
	return s
}

// dieDuringCreate has the node die for good while it makes the machine web-1, whose
// create is canceled, and returns how that ended.
func (b *bench) dieDuringCreate() *cloud.Operation {
	b.T.Helper()
	b.watch("machine.create")
	reached := b.Faults.Hold(optest.Point{When: "after do start", Call: 1})
	o := b.startCreate("web-1")
	b.reached(reached)
	b.die()
	if err := b.Control.CancelOperation(b.T.Context(), b.Admin, o); err != nil {
		b.T.Fatal(err)
	}
	b.Faults.Release()
	return b.Ended(o)
}

// A node that dies for good while a machine is made does not hold up the undo;
// what it holds is removed when it is back, whether the machine is deleted
// meanwhile or not.
func TestNodeDiesDuringCreate(t *testing.T) {
	t.Parallel()
	for _, deleted := range []bool{false, true} {
		b := newBench(t, storetest.SQLite(t))
		if o := b.dieDuringCreate(); o.State != cloud.OperationCanceled {
			t.Fatalf("operation is %s: %s", o.State, o.Error)
		}
		if m := b.machine("web-1"); m.State != cloud.MachineFailed || m.Reason == "" {
			t.Errorf("machine is %s because of %q", m.State, m.Reason)
		}
		b.Sound()
		b.empty()
		if list := b.leftovers(); len(list) != 3 {
			t.Errorf("leftovers %+v, want machine, volume and network", list)
		}
		if s := b.space(); s.NodeID != "" {
			t.Errorf("the gateway is still on node %s", s.NodeID)
		}
		if deleted {
			_, o, err := b.Control.DeleteMachine(t.Context(), b.Admin, b.ref("web-1"), true)
			b.Done(o, err)
		}
		b.back()
		b.nothing()
		if !deleted {
			b.remove("web-1")
		}
		b.nothing()
		b.Sound()
	}
}

// A forced delete needs no node.
func TestNodeDiesBeforeForcedDelete(t *testing.T) {
	t.Parallel()
	b := newBench(t, storetest.SQLite(t))
	b.create("web-1")
	_, o, err := b.forward("web-1")
	b.Done(o, err)
	b.die()
	if _, _, err := b.Control.DeleteMachine(t.Context(), b.Admin, b.ref("web-1"), false); !cloud.Is(err, cloud.Unavailable) {
		t.Errorf("delete without the node = %v, want unavailable", err)
	}
	_, o, err = b.Control.DeleteMachine(t.Context(), b.Admin, b.ref("web-1"), true)
	b.Done(o, err)
	b.Sound()
	b.empty()
	if list := b.leftovers(); len(list) != 3 {
		t.Errorf("leftovers %+v, want machine, volume and network", list)
	}
	b.back()
	b.nothing()
}

// A port that is closed, or was not opened, while its node is away is closed on
// the node when it is back; nothing waits for the node.
func TestNodeDiesBeforePortsChange(t *testing.T) {
	t.Parallel()
	b := newBench(t, storetest.SQLite(t))
	b.create("web-1")
	f, o, err := b.forward("web-1")
	b.Done(o, err)
	b.watch("port-forward.create")
	reached := b.Faults.Hold(optest.Point{When: "before do open port", Call: 2})
	f2, o, err := b.Control.CreatePortForward(t.Context(), b.Admin, control.NewPortForward{Machine: b.ref("web-1"), PublicPort: 2223, Port: 22})
	if err != nil {
		t.Fatal(err)
	}
	b.reached(reached)
	b.Until("both ports are open", func() bool { return len(b.node.Sim.Ports()) == 2 })
	b.die()
	if err := b.Control.CancelOperation(t.Context(), b.Admin, o.ID); err != nil {
		t.Fatal(err)
	}
	b.Faults.Release()
	b.Ended(o.ID)
	if got, err := b.Control.PortForward(t.Context(), b.Admin, f2.ID); err != nil || got.State != cloud.PortForwardFailed {
		t.Errorf("port forward = %+v, %v, want failed", got, err)
	}
	_, o, err = b.Control.DeletePortForward(t.Context(), b.Admin, f.ID)
	b.Done(o, err)
	b.Sound()
	b.Restart(b.node)
	b.Until("both ports are closed", func() bool { return len(b.node.Sim.Ports()) == 0 })
	b.remove("web-1")
	b.nothing()
}

// A network whose node is away goes when the node is back.
func TestNodeDiesBeforeCloudspaceDelete(t *testing.T) {
	t.Parallel()
	b := newBench(t, storetest.SQLite(t))
	s := b.emptying(t)
	b.die()
	o, err := s.Start()
	if err != nil {
		t.Fatal(err)
	}
	b.Done(b.Ended(o), nil)
	b.Sound()
	b.back()
	b.nothing()
}

// A machine that failed on a node that died is made again on another one, and the
// dead node forgets its part; made again on the same node, it keeps its disk.
func TestRetryAfterNodeDied(t *testing.T) {
	t.Parallel()
	for _, elsewhere := range []bool{true, false} {
		b := newBench(t, storetest.SQLite(t))
		o := b.dieDuringCreate()
		if elsewhere {
			b.AddNode("sim-2")
			b.WaitNode("sim-2", cloud.NodeOnline)
		} else {
			b.Restart(b.node)
			b.WaitNode("sim-1", cloud.NodeOnline)
		}
		b.Done(b.Control.RetryOperation(t.Context(), b.Admin, o.ID))
		if elsewhere {
			b.Restart(b.node)
		}
		b.Until("the leftovers are cleared", func() bool { return len(b.leftovers()) == 0 })
		m := b.machine("web-1")
		if m.State != cloud.MachineRunning {
			t.Errorf("machine is %s: %s", m.State, m.Reason)
		}
		if elsewhere {
			b.Until("the first node holds nothing", func() bool { return b.left(b.node) == "" })
			if b.left(b.Node("sim-2")) == "" {
				t.Error("the machine is not on the second node")
			}
		} else {
			b.isMachine("web-1", cloud.MachineRunning)
		}
		b.Sound()
		b.remove("web-1")
		b.nothing()
	}
}

// What would make a network again, and was lost with the agent that held it, does
// not run after the removal of the network.
func TestLostSpecificationDoesNotOutliveItsNetwork(t *testing.T) {
	t.Parallel()
	b := newBench(t, storetest.SQLite(t))
	b.create("web-1")
	_, o, err := b.forward("web-1")
	b.Done(o, err)
	b.watch("machine.delete")
	removing := b.Faults.Hold(optest.Point{When: "before do update network", Call: 1})
	_, o, err = b.Control.DeleteMachine(t.Context(), b.Admin, b.ref("web-1"), false)
	if err != nil {
		t.Fatal(err)
	}
	b.reached(removing)
	// A second job like that of the port forward, which its agent is said to hold.
	const lost = "00000000-0000-7000-8000-000000000001"
	storetest.Exec(t, b.DB, "CREATE TEMP TABLE lost AS SELECT * FROM jobs WHERE operation_id IN (SELECT id FROM operations WHERE kind = 'port-forward.create')")
	storetest.Exec(t, b.DB, "UPDATE lost SET id = '"+lost+"', step = 'again', state = 'leased', max_attempts = 3, finished_at = 0, leased_at = 1")
	storetest.Exec(t, b.DB, "INSERT INTO jobs SELECT * FROM lost")
	b.Faults.Release()
	b.Until("the removal waits for the node", func() bool {
		o, err := b.Control.Operation(t.Context(), b.Admin, o.ID)
		return err == nil && o.StepName == "update network" && len(b.jobsOf("network.delete")) == 1
	})
	b.node.Stop()
	b.Restart(b.node) // and knows nothing of it
	b.Done(o, nil)
	for _, j := range b.jobsOf("network.ensure") {
		if string(j.ID) == lost && j.State != cloud.JobCanceled {
			t.Errorf("the lost job is %s after %d attempts, want it canceled", j.State, j.Attempt)
		}
	}
	b.nothing()
}

func (b *bench) jobsOf(action string) []cloud.Job {
	b.T.Helper()
	list, _, err := b.Control.Jobs(b.T.Context(), b.Admin, store.Query{Filter: []string{"action=" + action}, Limit: 100})
	if err != nil {
		b.T.Fatal(err)
	}
	return list
}
