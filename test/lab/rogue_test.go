package lab

import (
	"testing"

	"atoll/internal/cloud"
	"atoll/internal/control"
	"atoll/internal/sal/sim"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
	"atoll/internal/wire"
)

// TestRogueNode: whatever a node that was taken over says of another node's
// machine changes nothing of it.
func TestRogueNode(t *testing.T) {
	l := New(t, storetest.SQLite(t), 2, sim.Config{})
	ctx := t.Context()
	l.image("disk")
	m := l.create("web-1")
	rogue, home := l.WaitNode("sim-1", cloud.NodeOnline), l.WaitNode("sim-2", cloud.NodeOnline)
	if m.NodeID == rogue.ID {
		rogue, home = home, rogue
	}
	report := func(from cloud.NodeID, u wire.Usage) {
		t.Helper()
		u.Machine, u.Since = m.ID, cloud.Now()
		if _, err := l.Control.Agent(ctx, from, &wire.Exchange{Session: "x", Usage: []wire.Usage{u}}); err != nil {
			t.Fatal(err)
		}
	}
	before, err := l.Control.Usage(ctx, l.Admin, cloud.Scope{Kind: cloud.KindAccount, ID: string(m.AccountID)}, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	const forged = 1 << 50
	report(rogue.ID, wire.Usage{Received: forged})
	report(home.ID, wire.Usage{Received: 7, Sent: -99})
	u, err := l.Control.Usage(ctx, l.Admin, cloud.Scope{Kind: cloud.KindAccount, ID: string(m.AccountID)}, 0, 0)
	if err != nil || u.Counters["rx_bytes"] < before.Counters["rx_bytes"]+7 || u.Counters["rx_bytes"] >= forged || u.Counters["tx_bytes"] < before.Counters["tx_bytes"] {
		t.Errorf("counters = %v, %v, want those of the machine's own node", u, err)
	}

	// It says that it has the machine, off and newer, and nonsense besides.
	l.Until("the order to remove it from there", func() bool {
		_, err := l.Control.Agent(ctx, rogue.ID, &wire.Exchange{Session: "x", Inventory: &wire.Inventory{Machines: []wire.MachineState{
			{ID: m.ID, Epoch: m.PlacementEpoch + 5, Power: cloud.PowerOff},
			{ID: "../../etc/passwd", Power: "\x1b[31m", Detail: "\x1b[31m"},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		jobs, _, err := l.Control.Jobs(ctx, l.Admin, control.Query{Filter: []string{"action=" + wire.ActionMachineDelete}})
		for _, j := range jobs {
			if j.TargetNode != rogue.ID {
				t.Fatalf("another node was told to remove the machine: %+v", j)
			}
		}
		return err == nil && len(jobs) > 0 && jobs[0].State.Final()
	})
	var left []cloud.Leftover
	if err := l.DB.View(ctx, func(tx *store.Tx) (err error) {
		left, _, err = tx.Leftovers(store.Query{Visible: store.Everything, Deleted: true})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for _, v := range left {
		if v.NodeID != rogue.ID || v.ObjectID != string(m.ID) {
			t.Errorf("leftover %+v, want only the machine on the rogue", v)
		}
	}
	now := l.machine("web-1")
	if now.State != cloud.MachineRunning || now.ObservedPower != cloud.PowerOn || now.NodeID != m.NodeID || now.PlacementEpoch != m.PlacementEpoch {
		t.Errorf("after what another node said the machine is %+v", now)
	}
	l.Sound()
}
