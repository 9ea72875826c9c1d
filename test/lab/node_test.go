package lab

import (
	"testing"

	"atoll/internal/cloud"
	"atoll/internal/control"
	"atoll/internal/sal/sim"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
)

func TestDeleteNode(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		l := New(t, db, 1, sim.Config{})
		l.image("disk")
		l.create("web-1")
		if err := l.Control.DeleteNode(t.Context(), l.Admin, "sim-1"); !cloud.Is(err, cloud.Conflict) {
			t.Errorf("delete of a node with a machine = %v, want a conflict", err)
		}
		_, o, err := l.Control.DeleteMachine(t.Context(), l.Admin, l.ref("web-1"), false)
		l.Done(o, err)
		held := l.command(l.Controller, "sim-1", "sleep", "infinity")
		l.Until("the job runs", func() bool { return l.jobState(l.Controller, held.ID) == cloud.JobRunning })
		if err := l.Control.DeleteNode(t.Context(), l.Admin, "sim-1"); err != nil {
			t.Fatal(err)
		}
		if got := l.jobState(l.Controller, held.ID); got != cloud.JobLost {
			t.Errorf("job of the deleted node is %s, want lost", got)
		}
		n := l.Node("sim-1")
		n.Stop()
		l.Restart(n) // its agent has its certificate still, and is refused
		again := l.AddNode("sim-2")
		l.WaitNode(again.Name, cloud.NodeOnline)
		list, _, err := l.Control.Nodes(t.Context(), l.Admin, control.Query{})
		if err != nil || len(list) != 1 || list[0].Name != "sim-2" {
			t.Errorf("nodes = %+v, %v; want sim-2 alone", list, err)
		}
		l.create("web-1") // the cloudspace got another gateway
		l.Sound()
	})
}

func TestFailedDeleteKeepsNoForward(t *testing.T) {
	t.Parallel()
	l := New(t, storetest.SQLite(t), 1, sim.Config{})
	l.image("disk")
	m := l.create("web-1")
	f, o, err := l.Control.CreatePortForward(t.Context(), l.Admin, control.NewPortForward{Machine: l.ref("web-1"), PublicPort: 2222, Port: 22})
	l.Done(o, err)
	l.Control.Engine().Inject = func(_ *cloud.Operation, when string) error {
		if when == "before do remove machine" {
			return cloud.Errorf(cloud.Unavailable, "injected")
		}
		return nil
	}
	_, o, err = l.Control.DeleteMachine(t.Context(), l.Admin, l.ref("web-1"), false)
	if err != nil {
		t.Fatal(err)
	}
	l.Ended(o.ID)
	if got, err := l.Control.PortForward(t.Context(), l.Admin, f.ID); err != nil || got.State != cloud.PortForwardFailed {
		t.Errorf("forward = %+v, %v; want it failed", got, err)
	}
	l.running(m, true) // nothing was removed
	l.Sound()
}
