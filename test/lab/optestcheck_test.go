package lab

import (
	"fmt"

	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
)

// powered checks the machine after an operation on its power or size.
func (b *bench) powered(name string, o *cloud.Operation) {
	b.T.Helper()
	m := b.machine(name)
	switch {
	case o.State != cloud.OperationSucceeded:
		if m.State.Transitional() || m.Reason == "" {
			b.T.Errorf("machine is %s because of %q, want a static state with a reason", m.State, m.Reason)
		}
		b.settle(name)
	case o.Kind == "machine.start" || o.Kind == "machine.reboot":
		b.isMachine(name, cloud.MachineRunning)
	default:
		b.isMachine(name, cloud.MachineStopped)
	}
}

// settle waits until observation has made the machine what its row says. It has
// the agent report anew, since nobody waits for the next report in a test.
func (b *bench) settle(name string) {
	b.T.Helper()
	b.Until("machine "+name+" is on its node as its row says", func() bool {
		m := b.machine(name)
		on := b.powerOf(m.ID) == cloud.PowerOn
		if !m.State.Transitional() && on == (m.State == cloud.MachineRunning) {
			return true
		}
		if !m.State.Transitional() {
			storetest.Exec(b.T, b.DB, "UPDATE machines SET updated_at = 1 WHERE id = '"+string(m.ID)+"'")
			b.node.Stop()
			b.Restart(b.node)
		}
		return false
	})
	b.isMachine(name, b.machine(name).State)
}

func (b *bench) powerOf(id cloud.MachineID) cloud.Power {
	b.T.Helper()
	list, err := b.node.Sim.SAL().Machines.List(b.T.Context())
	if err != nil {
		b.T.Fatal(err)
	}
	for _, m := range list {
		if m.ID == id {
			return m.Power
		}
	}
	return ""
}

// isMachine checks the machine's row, disk and quota, and what its node has of it.
func (b *bench) isMachine(name string, want cloud.MachineState) {
	b.T.Helper()
	m := b.machine(name)
	if m.State != want || m.OperationID != "" || want == cloud.MachineFailed && m.Reason == "" {
		b.T.Errorf("machine is %s because of %q under operation %q, want %s and a reason for failed", m.State, m.Reason, m.OperationID, want)
	}
	power := map[cloud.MachineState]cloud.Power{cloud.MachineRunning: cloud.PowerOn, cloud.MachineStopped: cloud.PowerOff}[want]
	if got := b.powerOf(m.ID); got != power {
		b.T.Errorf("the node says power %q of a machine that is %s", got, want)
	}
	volumes, err := b.node.Sim.SAL().Volumes.List(b.T.Context())
	if err != nil || (len(volumes) == 1) != (want != cloud.MachineFailed) {
		b.T.Errorf("volumes %v, %v on the node of a machine that is %s", volumes, err, want)
	}
	held := map[cloud.Resource]int64{}
	if want != cloud.MachineFailed {
		held = map[cloud.Resource]int64{cloud.ResourceMachines: 1, cloud.ResourceVCPUs: m.VCPUs, cloud.ResourceMemoryMiB: m.MemoryMiB, cloud.ResourceDiskGiB: m.DiskGiB}
	}
	if want == cloud.MachineRunning {
		held[cloud.ResourceRunningVCPUs], held[cloud.ResourceRunningMemoryMiB] = m.VCPUs, m.MemoryMiB
	}
	b.holds(held)
}

// holds checks what the account has of everything but port forwards.
func (b *bench) holds(want map[cloud.Resource]int64) {
	b.T.Helper()
	err := b.DB.View(b.T.Context(), func(tx *store.Tx) error {
		a, err := tx.AccountNamed("default")
		if err != nil {
			return err
		}
		list, err := tx.Balances(cloud.Scope{Kind: cloud.KindAccount, ID: string(a.ID)})
		for _, r := range list {
			if r.Resource != cloud.ResourcePortForwards && r.Amount != want[r.Resource] {
				b.T.Errorf("the account holds %d %s, want %d", r.Amount, r.Resource, want[r.Resource])
			}
		}
		return err
	})
	if err != nil {
		b.T.Fatal(err)
	}
}

// remove deletes the machine if it is there.
func (b *bench) remove(name string) {
	b.T.Helper()
	_, o, err := b.Control.DeleteMachine(b.T.Context(), b.Admin, b.ref(name), false)
	if !cloud.Is(err, cloud.NotFound) {
		b.Done(o, err)
	}
}

// nothing checks that neither the nodes nor the ledger nor the leftovers hold
// anything. A job that was canceled may end later than its operation.
func (b *bench) nothing() {
	b.T.Helper()
	left := ""
	b.Until("nothing is left", func() bool {
		left = b.left(b.node)
		return left == ""
	})
	b.empty()
	if list := b.leftovers(); len(list) > 0 {
		b.T.Errorf("leftovers %+v, want none", list)
	}
	s, err := b.Control.Cloudspace(b.T.Context(), b.Admin, "default", "default")
	if err != nil || s.NodeID != "" {
		b.T.Errorf("the empty cloudspace still has its gateway on node %q, %v", s.NodeID, err)
	}
}

func (l *Lab) leftovers() []cloud.Leftover {
	l.T.Helper()
	list, _, err := l.Control.Leftovers(l.T.Context(), l.Admin, store.Query{Visible: store.Everything})
	if err != nil {
		l.T.Fatal(err)
	}
	return list
}

// left says what the node holds besides images.
func (l *Lab) left(n *Node) string {
	l.T.Helper()
	s := n.Sim.SAL()
	machines, err := s.Machines.List(l.T.Context())
	if err != nil {
		l.T.Fatal(err)
	}
	volumes, err := s.Volumes.List(l.T.Context())
	if err != nil {
		l.T.Fatal(err)
	}
	networks, err := s.Networks.List(l.T.Context())
	if err != nil {
		l.T.Fatal(err)
	}
	if len(machines)+len(volumes)+len(networks)+len(n.Sim.Taps()) == 0 {
		return ""
	}
	return fmt.Sprintf("machines %v volumes %v networks %v taps %v", machines, volumes, networks, n.Sim.Taps())
}
