package lab

import (
	"strings"
	"testing"

	"atoll/internal/cloud"
	"atoll/internal/op/optest"
	"atoll/internal/sal/sim"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
)

// A machine that is made while the last other one of its cloudspace is deleted
// keeps its network, whatever the delete has done already.
func TestCreateDuringDeleteOfLast(t *testing.T) {
	t.Parallel()
	for _, call := range []int{1, 2} {
		b := newBench(t, storetest.SQLite(t))
		b.create("old")
		b.watch("machine.delete")
		reached := b.Faults.Hold(optest.Point{When: "before do update network", Call: call})
		_, o, err := b.Control.DeleteMachine(t.Context(), b.Admin, b.ref("old"), false)
		if err != nil {
			t.Fatal(err)
		}
		b.reached(reached)
		b.create("new")
		b.Faults.Release()
		b.Done(b.Ended(o.ID), nil)
		if b.space().NodeID == "" {
			t.Error("the cloudspace has no gateway, and a machine that runs")
		}
		if len(b.node.Sim.Taps()) != 1 {
			t.Errorf("taps %v, want one", b.node.Sim.Taps())
		}
		b.isMachine("new", cloud.MachineRunning)
		b.remove("new")
		b.nothing()
	}
}

// A try of the removal that comes after another machine was made removes nothing.
func TestRemovalOfNetworkIsTriedAgainAfterCreate(t *testing.T) {
	t.Parallel()
	b := newBench(t, storetest.SQLite(t))
	b.create("old")
	b.watch("machine.delete")
	reached := b.Faults.Hold(optest.Point{When: "before do update network", Call: 1})
	_, o, err := b.Control.DeleteMachine(t.Context(), b.Admin, b.ref("old"), false)
	if err != nil {
		t.Fatal(err)
	}
	b.reached(reached)
	if err := b.node.Sim.SetFaults(sim.Faults{Rate: 1, Refuse: 1}); err != nil {
		t.Fatal(err)
	}
	second := b.Faults.Hold(optest.Point{When: "before do update network", Call: 3})
	b.Control.Engine().Signal(o.ID)
	b.reached(second) // the first try is known to have failed
	if err := b.node.Sim.SetFaults(sim.Faults{}); err != nil {
		t.Fatal(err)
	}
	b.create("new")
	b.Faults.Release()
	b.Done(b.Ended(o.ID), nil)
	if len(b.node.Sim.Taps()) != 1 || b.space().NodeID == "" {
		t.Errorf("taps %v, gateway on %q: the network of a machine that runs was removed", b.node.Sim.Taps(), b.space().NodeID)
	}
	b.remove("new")
	b.nothing()
}

// A machine that is deleted while its creation undoes itself is deleted after it.
func TestDeleteDuringUndo(t *testing.T) {
	t.Parallel()
	b := newBench(t, storetest.SQLite(t))
	b.create("other") // so that the network stays
	for _, when := range []string{"before undo start", "after undo make network", "before undo make disk"} {
		b.watch("machine.create")
		b.Faults.At(optest.Point{When: "after do start", Call: 1}, cloud.Errorf(cloud.Unavailable, "broken"))
		reached := b.Faults.Hold(optest.Point{When: when, Call: 1})
		create := b.startCreate("web-1")
		b.reached(reached)
		_, o, err := b.Control.DeleteMachine(t.Context(), b.Admin, b.ref("web-1"), false)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(o.Input), string(create)) {
			t.Errorf("a delete %s waits for nothing: %s", when, o.Input)
		}
		b.Faults.Release()
		b.Done(b.Ended(o.ID), nil)
		if o := b.Ended(create); o.State.Live() || o.FinishedAt == 0 {
			t.Errorf("create is %s", o.State)
		}
		b.Sound()
	}
	b.remove("other")
	b.nothing()
}

// A machine that is deleted while it is made is gone in the end, wherever its
// creation was; so is one that is deleted by force while it is deleted.
func TestDeleteSupersedes(t *testing.T) {
	t.Parallel()
	b := newBench(t, storetest.SQLite(t))
	for _, when := range []string{"before do fetch image", "after do make disk", "before do make network", "after do start"} {
		b.watch("machine.create")
		reached := b.Faults.Hold(optest.Point{When: when, Call: 1})
		create := b.startCreate("web-1")
		b.reached(reached)
		b.watch("machine.delete")
		held := b.Faults.Hold(optest.Point{When: "before do remove machine", Call: 1})
		_, first, err := b.Control.DeleteMachine(t.Context(), b.Admin, b.ref("web-1"), false)
		if err != nil {
			t.Fatal(err)
		}
		b.Control.Engine().Signal(create)
		b.reached(held)
		_, o, err := b.Control.DeleteMachine(t.Context(), b.Admin, b.ref("web-1"), true)
		if err != nil {
			t.Fatal(err)
		}
		b.Faults.Release()
		b.Done(b.Ended(o.ID), nil)
		for _, id := range []cloud.OperationID{create, first.ID} {
			if o := b.Ended(id); o.State != cloud.OperationCanceled {
				t.Errorf("%s is %s, want canceled", o.Kind, o.State)
			}
		}
		b.nothing()
		b.Sound()
	}
}

// A creation that failed leaves the cloudspace free to go to any node.
func TestFailedCreateFreesTheCloudspace(t *testing.T) {
	t.Parallel()
	b := newBench(t, storetest.SQLite(t))
	for _, when := range []string{"before do fetch image", "before do make disk", "before do make network", "after do start"} {
		b.watch("machine.create")
		b.Faults.At(optest.Point{When: when, Call: 1}, cloud.Errorf(cloud.Unavailable, "broken"))
		b.Ended(b.startCreate("web-1"))
		if s := b.space(); s.NodeID != "" {
			t.Errorf("after a failure %s the empty cloudspace is bound to node %s", when, s.NodeID)
		}
		if left := b.left(b.node); left != "" {
			t.Errorf("after a failure %s: %s", when, left)
		}
		b.remove("web-1")
	}
}

// A creation that failed is tried again by its operation, until it succeeds, and
// not once the machine's deletion has failed.
func TestRetryOfCreate(t *testing.T) {
	t.Parallel()
	b := newBench(t, storetest.SQLite(t))
	b.watch("machine.create")
	b.Faults.At(optest.Point{When: "after do start", Call: 1}, cloud.Errorf(cloud.Unavailable, "broken"))
	first := b.Ended(b.startCreate("web-1"))
	again, err := b.Control.RetryOperation(t.Context(), b.Admin, first.ID)
	if again = b.Done(again, err); again.RetryOf != first.ID {
		t.Errorf("retry of %q, want %s", again.RetryOf, first.ID)
	}
	b.isMachine("web-1", cloud.MachineRunning)
	if _, err := b.Control.RetryOperation(t.Context(), b.Admin, first.ID); !cloud.Is(err, cloud.Conflict) {
		t.Errorf("retry of what is done = %v, want a conflict", err)
	}
	b.watch("machine.delete")
	b.Faults.At(optest.Point{When: "before do remove machine", Call: 1}, cloud.Errorf(cloud.Unavailable, "broken"))
	_, o, err := b.Control.DeleteMachine(t.Context(), b.Admin, b.ref("web-1"), false)
	if err != nil {
		t.Fatal(err)
	}
	b.Ended(o.ID)
	if _, err := b.Control.RetryOperation(t.Context(), b.Admin, first.ID); !cloud.Is(err, cloud.Conflict) {
		t.Errorf("retry after a failed deletion = %v, want a conflict", err)
	}
	b.remove("web-1")
	b.nothing()
	b.Sound()
}

// A job that hangs on its node is ended when its operation is canceled.
func TestCancelWhileNodeHangs(t *testing.T) {
	t.Parallel()
	b := newBench(t, storetest.SQLite(t))
	for _, step := range []string{"fetch image", "make disk", "make network", "start"} {
		b.watch("machine.create")
		reached := b.Faults.Hold(optest.Point{When: "before do " + step, Call: 1})
		o := b.startCreate("web-1")
		b.reached(reached)
		if err := b.node.Sim.SetFaults(sim.Faults{Rate: 1, Hang: 1}); err != nil {
			t.Fatal(err)
		}
		b.Faults.Release()
		b.Until("the job runs", func() bool {
			jobs, err := b.Control.OperationJobs(t.Context(), b.Admin, o)
			return err == nil && len(jobs) > 0 && jobs[len(jobs)-1].State == cloud.JobRunning
		})
		if err := b.node.Sim.SetFaults(sim.Faults{}); err != nil {
			t.Fatal(err)
		}
		if err := b.Control.CancelOperation(t.Context(), b.Admin, o); err != nil {
			t.Fatal(err)
		}
		if o := b.Ended(o); o.State != cloud.OperationCanceled {
			t.Errorf("operation is %s", o.State)
		}
		b.remove("web-1")
		b.nothing()
		b.Sound()
	}
}

// The last of several machines that are deleted at once, or fail at once, takes
// the network with it.
func TestLastOfManyTakesTheNetwork(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBench(t, db)
		for range 5 {
			var ops []cloud.OperationID
			for _, name := range []string{"web-1", "web-2", "web-3"} {
				ops = append(ops, b.startCreate(name))
			}
			for _, o := range ops {
				b.Done(b.Ended(o), nil)
			}
			ops = nil
			for _, name := range []string{"web-1", "web-2", "web-3"} {
				_, o, err := b.Control.DeleteMachine(t.Context(), b.Admin, b.ref(name), false)
				if err != nil {
					t.Fatal(err)
				}
				ops = append(ops, o.ID)
			}
			for _, o := range ops {
				b.Done(b.Ended(o), nil)
			}
			b.nothing()
		}
		for range 5 {
			var ops []cloud.OperationID
			for _, name := range []string{"web-1", "web-2", "web-3"} {
				ops = append(ops, b.startCreate(name))
			}
			for _, o := range ops {
				if err := b.Control.CancelOperation(t.Context(), b.Admin, o); err != nil && !cloud.Is(err, cloud.Conflict) {
					t.Fatal(err)
				}
			}
			for _, o := range ops {
				b.Ended(o)
			}
			for _, name := range []string{"web-1", "web-2", "web-3"} {
				b.remove(name)
			}
			b.nothing()
		}
		b.Sound()
	})
}
