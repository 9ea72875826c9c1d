package lab

import (
	"bytes"
	"strings"
	"testing"

	"atoll/internal/cloud"
	"atoll/internal/control"
	"atoll/internal/sal/saltest"
	"atoll/internal/sal/sim"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
	"atoll/internal/wire"
)

// image uploads a tiny disk image of the installation.
func (l *Lab) image(name string) {
	l.T.Helper()
	disk, _ := saltest.RawImage([]byte(name))
	if _, err := l.Control.CreateImageFromUpload(l.T.Context(), l.Admin, control.NewImage{Name: name}, bytes.NewReader(disk)); err != nil {
		l.T.Fatal(err)
	}
}

func (l *Lab) ref(machine string) control.MachineRef {
	return control.MachineRef{Account: "default", Cloudspace: "default", Machine: machine}
}

func (l *Lab) machine(name string) *cloud.Machine {
	l.T.Helper()
	m, err := l.Control.Machine(l.T.Context(), l.Admin, l.ref(name))
	if err != nil {
		l.T.Fatal(err)
	}
	return m
}

func (l *Lab) create(name string) *cloud.Machine {
	l.T.Helper()
	_, o, err := l.Control.CreateMachine(l.T.Context(), l.Admin, control.NewMachine{
		Account: "default", Cloudspace: "default", Name: name, Image: "disk", Size: "tiny",
	})
	l.Done(o, err)
	return l.machine(name)
}

func TestJobGoesToItsAgentAndBack(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		l := New(t, db, 1, sim.Config{})
		n := l.WaitNode("sim-1", cloud.NodeOnline)
		jobs := make([]*cloud.Job, 300)
		for i := range jobs {
			jobs[i] = &cloud.Job{Action: cloud.ActionNoop, TargetNode: n.ID, Idempotent: true}
		}
		if err := l.Control.CreateJobs(t.Context(), l.Admin, jobs); err != nil {
			t.Fatal(err)
		}
		for _, j := range jobs {
			got, err := l.Control.WaitJob(t.Context(), l.Admin, j.ID)
			if err != nil || got.State != cloud.JobSucceeded || got.Attempt != 1 {
				t.Fatalf("job = %+v, %v; want succeeded at the first attempt", got, err)
			}
		}
	})
}

func TestMachineLife(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		l := New(t, db, 2, sim.Config{})
		l.image("disk")
		m := l.create("web-1")
		if m.State != cloud.MachineRunning || m.ObservedPower != cloud.PowerOn || m.Address == "" {
			t.Fatalf("machine = %+v", m)
		}
		f, o, err := l.Control.CreatePortForward(t.Context(), l.Admin, control.NewPortForward{Machine: l.ref("web-1"), PublicPort: 2222, Port: 22})
		l.Done(o, err)
		got, err := l.Control.PortForward(t.Context(), l.Admin, f.ID)
		if err != nil || got.State != cloud.PortForwardActive {
			t.Fatalf("port forward = %+v, %v", got, err)
		}
		if !strings.HasPrefix(got.Address, "198.1") { // what simulated nodes tell
			t.Errorf("the port forward is reached at %q, want its gateway's address", got.Address)
		}
		_, o, err = l.Control.StopMachine(t.Context(), l.Admin, l.ref("web-1"), control.StopOptions{})
		l.Done(o, err)
		small := "small"
		_, o, err = l.Control.UpdateMachine(t.Context(), l.Admin, l.ref("web-1"), control.MachineChange{Size: &small})
		l.Done(o, err)
		_, o, err = l.Control.StartMachine(t.Context(), l.Admin, l.ref("web-1"))
		l.Done(o, err)
		if _, _, err = l.Control.StartMachine(t.Context(), l.Admin, l.ref("web-1")); !cloud.Is(err, cloud.Conflict) {
			t.Errorf("start of a running machine = %v, want a conflict", err)
		}
		_, o, err = l.Control.RebootMachine(t.Context(), l.Admin, l.ref("web-1"))
		l.Done(o, err)
		l.Sound()
		_, o, err = l.Control.DeleteMachine(t.Context(), l.Admin, l.ref("web-1"), false)
		l.Done(o, err)
		if _, err := l.Control.Machine(t.Context(), l.Admin, l.ref("web-1")); !cloud.Is(err, cloud.NotFound) {
			t.Errorf("deleted machine = %v, want not found", err)
		}
		l.Sound()
		l.empty()
	})
}

// empty fails the test if the ledger still counts something.
func (l *Lab) empty() {
	l.T.Helper()
	err := l.DB.View(l.T.Context(), func(tx *store.Tx) error {
		a, err := tx.AccountNamed("default")
		if err != nil {
			return err
		}
		list, err := tx.Balances(cloud.Scope{Kind: cloud.KindAccount, ID: string(a.ID)})
		for _, b := range list {
			if b.Amount != 0 {
				l.T.Errorf("the account still holds %d %s", b.Amount, b.Resource)
			}
		}
		return err
	})
	if err != nil {
		l.T.Fatal(err)
	}
}

func TestFanOutShowsEachNode(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		l := New(t, db, 5, sim.Config{})
		o, err := l.Control.StartRun(t.Context(), l.Admin, control.Run{Command: []string{"uname", "-a"}, All: true, Batch: "40%"})
		o = l.Done(o, err)
		jobs, err := l.Control.OperationJobs(t.Context(), l.Admin, o.ID)
		if err != nil || len(jobs) != 5 {
			t.Fatalf("%d jobs, %v; want 5", len(jobs), err)
		}
		for _, j := range jobs {
			if j.State != cloud.JobSucceeded || j.Output == "" || !j.Simulated {
				t.Errorf("job = %+v", j)
			}
		}
		o, err = l.Control.StartRun(t.Context(), l.Admin, control.Run{Command: []string{"false"}, All: true, Batch: "1", StopAfter: 2})
		if err != nil {
			t.Fatal(err)
		}
		o = l.Ended(o.ID)
		jobs, err = l.Control.OperationJobs(t.Context(), l.Admin, o.ID)
		if o.State != cloud.OperationFailed || len(jobs) != 2 || err != nil {
			t.Errorf("operation %s with %d jobs, %v; want failed after 2", o.State, len(jobs), err)
		}
	})
}

func TestConsoleIsHandedOver(t *testing.T) {
	t.Parallel()
	l := New(t, storetest.SQLite(t), 1, sim.Config{})
	l.image("disk")
	l.create("web-1")
	for range 2 { // a stream that was closed does not end the next one
		c, err := l.Control.OpenConsole(t.Context(), l.Admin, l.ref("web-1"), wire.StreamConsole)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte("hello\r")); err != nil {
			t.Fatal(err)
		}
		if n, err := c.Read(make([]byte, 100)); n == 0 || err != nil {
			t.Errorf("read %d bytes from the console, %v", n, err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}
