package lab

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"atoll/internal/cloud"
	"atoll/internal/control"
	"atoll/internal/op"
	"atoll/internal/op/optest"
	"atoll/internal/sal/saltest"
	"atoll/internal/sal/sim"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
	"atoll/internal/wire"
)

// optest returns the lab as the world of optest.
func (b *bench) optest() *optest.World {
	return &optest.World{
		DB: b.DB, Faults: b.Faults,
		Engine: func() *op.Engine { return b.Control.Engine() },
		Kill:   func(t *testing.T) { b.within(t, b.KillController) },
		Cancel: func(ctx context.Context, id cloud.OperationID) error {
			return b.Control.CancelOperation(ctx, b.Admin, id)
		},
		Sound:  func(t *testing.T) { b.within(t, b.Sound) },
		Die:    func(t *testing.T) { b.within(t, b.die) },
		Back:   func(t *testing.T) { b.within(t, b.back) },
		Second: b.second,
	}
}

// second is another controller on PostgreSQL, or on SQLite, whose file has one
// controller, another engine of it.
func (b *bench) second(t *testing.T) (*op.Engine, func(context.Context) error) {
	if b.DB.Shared() {
		c := b.rules(t.Context(), storetest.Open(t, b.dsn))
		return c.Engine(), c.Run
	}
	first := b.Control.Engine()
	e := op.NewEngine(b.DB, b.Control.Queue(), cloud.NewID[cloud.ControllerID](), b.Log)
	e.Event = first.Event
	for _, d := range first.Definitions() {
		e.Define(*d)
	}
	return e, e.Run
}

// within has the lab report to a subtest while fn runs.
func (l *Lab) within(t *testing.T, fn func()) {
	t.Helper()
	outer := l.T
	l.T = t
	defer func() { l.T = outer }()
	fn()
}

// bench is what the cases of optest work with: a lab of one node, and names that
// were not used yet.
type bench struct {
	*Lab
	node *Node
	dsn  string // of PostgreSQL
	n    int
	web  *httptest.Server
	file map[string][]byte
}

func newBench(t *testing.T, db *store.DB) *bench {
	t.Helper()
	b := &bench{Lab: New(t, db, 1, sim.Config{}), file: map[string][]byte{}}
	b.node = b.Node("sim-1")
	b.image("disk")
	b.web = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(b.file[r.URL.Path]) }))
	t.Cleanup(b.web.Close)
	return b
}

func newPostgresBench(t *testing.T) *bench {
	t.Helper()
	dsn := storetest.DSN(t)
	b := newBench(t, storetest.Open(t, dsn))
	b.dsn = dsn
	return b
}

func (b *bench) name(prefix string) string {
	b.n++
	return fmt.Sprintf("%s-%d", prefix, b.n)
}

// every kind of operation, in every way that it can be started.
func (b *bench) cases() []optest.Case {
	small := "small"
	power := func(start func(ref control.MachineRef) (*cloud.Machine, *cloud.Operation, error), from cloud.Power) func(*testing.T) *optest.Subject {
		return func(t *testing.T) *optest.Subject { return b.power(t, start, from) }
	}
	return append(b.deployments(), []optest.Case{
		{Kind: "machine.create", Arrange: b.creation},
		{Kind: "machine.start", Arrange: power(func(ref control.MachineRef) (*cloud.Machine, *cloud.Operation, error) {
			return b.Control.StartMachine(b.T.Context(), b.Admin, ref)
		}, cloud.PowerOff)},
		{Kind: "machine.stop", Arrange: power(func(ref control.MachineRef) (*cloud.Machine, *cloud.Operation, error) {
			return b.Control.StopMachine(b.T.Context(), b.Admin, ref, control.StopOptions{})
		}, cloud.PowerOn)},
		{Kind: "machine.reboot", Arrange: power(func(ref control.MachineRef) (*cloud.Machine, *cloud.Operation, error) {
			return b.Control.RebootMachine(b.T.Context(), b.Admin, ref)
		}, cloud.PowerOn)},
		{Kind: "machine.resize", Arrange: power(func(ref control.MachineRef) (*cloud.Machine, *cloud.Operation, error) {
			return b.Control.UpdateMachine(b.T.Context(), b.Admin, ref, control.MachineChange{Size: &small})
		}, cloud.PowerOff)},
		{Kind: "machine.delete", Arrange: func(t *testing.T) *optest.Subject { return b.deletion(t, false) }},
		{Kind: "machine.delete", Way: "--force", Arrange: func(t *testing.T) *optest.Subject { return b.deletion(t, true) }},
		{Kind: "port-forward.create", Arrange: b.opening},
		{Kind: "port-forward.delete", Arrange: b.closing},
		{Kind: "cloudspace.delete", Arrange: b.emptying},
		{Kind: "image.create", Arrange: b.fetching},
		{Kind: "run", Arrange: b.running},
	}...)
}

func id(o *cloud.Operation, err error) (cloud.OperationID, error) {
	if err != nil {
		return "", err
	}
	return o.ID, nil
}

func (b *bench) creation(t *testing.T) *optest.Subject {
	name := b.name("web")
	return &optest.Subject{
		Start: func() (cloud.OperationID, error) { return b.starts(name) },
		Away:  func(t *testing.T) { b.within(t, func() { b.holds(map[cloud.Resource]int64{}) }) },
		Ended: func(t *testing.T, o *cloud.Operation) {
			b.within(t, func() {
				want := cloud.MachineFailed
				if o.State == cloud.OperationSucceeded {
					want = cloud.MachineRunning
				}
				b.isMachine(name, want)
			})
		},
		Clear: func(t *testing.T) { b.within(t, func() { b.remove(name); b.nothing() }) },
	}
}

func (b *bench) starts(name string) (cloud.OperationID, error) {
	_, o, err := b.Control.CreateMachine(b.T.Context(), b.Admin, control.NewMachine{
		Account: "default", Cloudspace: "default", Name: name, Image: "disk", Size: "tiny",
	})
	return id(o, err)
}

func (b *bench) power(t *testing.T, start func(control.MachineRef) (*cloud.Machine, *cloud.Operation, error), from cloud.Power) *optest.Subject {
	name := b.name("web")
	b.within(t, func() {
		b.create(name)
		if from == cloud.PowerOff {
			_, o, err := b.Control.StopMachine(t.Context(), b.Admin, b.ref(name), control.StopOptions{Force: true})
			b.Done(o, err)
		}
	})
	return &optest.Subject{
		Start: func() (cloud.OperationID, error) { _, o, err := start(b.ref(name)); return id(o, err) },
		Ended: func(t *testing.T, o *cloud.Operation) { b.within(t, func() { b.powered(name, o) }) },
		Clear: func(t *testing.T) { b.within(t, func() { b.remove(name); b.nothing() }) },
	}
}

func (b *bench) deletion(t *testing.T, force bool) *optest.Subject {
	name := b.name("web")
	b.within(t, func() {
		b.create(name)
		_, o, err := b.Control.CreatePortForward(t.Context(), b.Admin, control.NewPortForward{Machine: b.ref(name), PublicPort: 2222, Port: 22})
		b.Done(o, err)
	})
	return &optest.Subject{
		Start: func() (cloud.OperationID, error) {
			_, o, err := b.Control.DeleteMachine(b.T.Context(), b.Admin, b.ref(name), force)
			return id(o, err)
		},
		Ended: func(t *testing.T, o *cloud.Operation) {
			if o.State == cloud.OperationSucceeded {
				b.within(t, b.nothing)
				return
			}
			b.within(t, func() {
				if m := b.machine(name); m.State != cloud.MachineFailed || m.Reason == "" || m.OperationID != "" {
					t.Errorf("machine is %s because of %q under operation %q, want failed with a reason", m.State, m.Reason, m.OperationID)
				}
			})
		},
		Clear: func(t *testing.T) { b.within(t, func() { b.remove(name); b.nothing() }) },
	}
}

func (b *bench) forward(name string) (*cloud.PortForward, *cloud.Operation, error) {
	return b.Control.CreatePortForward(b.T.Context(), b.Admin, control.NewPortForward{Machine: b.ref(name), PublicPort: 2222, Port: 22})
}

// forwarded checks the port forward after an operation on it.
func (b *bench) forwarded(f *cloud.PortForward, want cloud.PortForwardState) {
	b.T.Helper()
	b.Until("the node's ports are as they should be", func() bool { // one that was away closes them late
		return (len(b.node.Sim.Ports()) == 1) == (want == cloud.PortForwardActive)
	})
	got, err := b.Control.PortForward(b.T.Context(), b.Admin, f.ID)
	if want == cloud.PortForwardDeleted {
		if !cloud.Is(err, cloud.NotFound) {
			b.T.Errorf("port forward = %+v, %v, want it gone", got, err)
		}
		return
	}
	if err != nil || got.State != want || got.OperationID != "" || want == cloud.PortForwardFailed && got.Reason == "" {
		b.T.Errorf("port forward = %+v, %v, want %s", got, err, want)
	}
}

func (b *bench) opening(t *testing.T) *optest.Subject {
	name := b.name("web")
	b.within(t, func() { b.create(name) })
	var f *cloud.PortForward
	return &optest.Subject{
		Start: func() (_ cloud.OperationID, err error) {
			var o *cloud.Operation
			f, o, err = b.forward(name)
			return id(o, err)
		},
		Ended: func(t *testing.T, o *cloud.Operation) {
			want := cloud.PortForwardFailed
			if o.State == cloud.OperationSucceeded {
				want = cloud.PortForwardActive
			}
			b.within(t, func() { b.forwarded(f, want) })
		},
		Clear: func(t *testing.T) { b.within(t, func() { b.remove(name); b.nothing() }) },
	}
}

func (b *bench) closing(t *testing.T) *optest.Subject {
	name := b.name("web")
	var f *cloud.PortForward
	b.within(t, func() {
		b.create(name)
		var o *cloud.Operation
		var err error
		f, o, err = b.forward(name)
		b.Done(o, err)
	})
	return &optest.Subject{
		Start: func() (cloud.OperationID, error) {
			_, o, err := b.Control.DeletePortForward(b.T.Context(), b.Admin, f.ID)
			return id(o, err)
		},
		Ended: func(t *testing.T, o *cloud.Operation) {
			b.within(t, func() {
				if o.State == cloud.OperationSucceeded {
					b.forwarded(f, cloud.PortForwardDeleted)
					return
				}
				if got, err := b.Control.PortForward(t.Context(), b.Admin, f.ID); err != nil || got.State != cloud.PortForwardFailed || got.Reason == "" {
					t.Errorf("port forward = %+v, %v, want failed with a reason", got, err)
				}
				_, o, err := b.Control.DeletePortForward(t.Context(), b.Admin, f.ID) // the way out
				b.Done(o, err)
				b.forwarded(f, cloud.PortForwardDeleted)
			})
		},
		Clear: func(t *testing.T) { b.within(t, func() { b.remove(name); b.nothing() }) },
	}
}

// emptying deletes a cloudspace whose network is still on the node, as after the
// machines that failed.
func (b *bench) emptying(t *testing.T) *optest.Subject {
	name := b.name("space")
	s, err := b.Control.CreateCloudspace(t.Context(), b.Admin, control.NewCloudspace{Account: "default", Name: name})
	if err != nil {
		t.Fatal(err)
	}
	b.within(t, func() {
		n := b.WaitNode("sim-1", cloud.NodeOnline)
		storetest.Exec(t, b.DB, fmt.Sprintf("UPDATE cloudspaces SET node_id = '%s' WHERE id = '%s'", n.ID, s.ID))
	})
	if err := b.node.Sim.SAL().Networks.Ensure(t.Context(), wire.NetworkSpec{
		ID: s.ID, Number: s.NetworkNum, Generation: 1, CIDR: s.Network, Domain: name + ".internal",
	}); err != nil {
		t.Fatal(err)
	}
	remove := func() (*cloud.Operation, error) {
		return b.Control.DeleteCloudspace(b.T.Context(), b.Admin, "default", name)
	}
	return &optest.Subject{
		Start: func() (cloud.OperationID, error) { return id(remove()) },
		Ended: func(t *testing.T, o *cloud.Operation) {
			got, err := b.Control.Cloudspace(t.Context(), b.Admin, "default", name)
			if o.State == cloud.OperationSucceeded {
				if !cloud.Is(err, cloud.NotFound) {
					t.Errorf("cloudspace = %+v, %v, want it gone", got, err)
				}
				return
			}
			if err != nil || got.State != cloud.CloudspaceFailed || got.Reason == "" || got.OperationID != "" {
				t.Errorf("cloudspace = %+v, %v, want failed with a reason", got, err)
			}
			b.within(t, func() { b.Done(remove()) }) // the way out
		},
		Clear: func(t *testing.T) { b.within(t, b.nothing) },
	}
}

func (b *bench) fetching(t *testing.T) *optest.Subject {
	name := b.name("image")
	disk, _ := saltest.RawImage([]byte(name))
	sum := sha256.Sum256(disk)
	b.file["/"+name] = disk
	return &optest.Subject{
		Start: func() (cloud.OperationID, error) {
			_, o, err := b.Control.CreateImageFromURL(b.T.Context(), b.Admin, control.NewImage{
				Name: name, URL: b.web.URL + "/" + name, SHA256: hex.EncodeToString(sum[:]),
			})
			return id(o, err)
		},
		Ended: func(t *testing.T, o *cloud.Operation) {
			want := cloud.ImageFailed
			if o.State == cloud.OperationSucceeded {
				want = cloud.ImageReady
			}
			i, err := b.Control.Image(t.Context(), b.Admin, "", name)
			if err != nil || i.State != want || i.OperationID != "" || want == cloud.ImageFailed && i.Reason == "" || want == cloud.ImageReady && i.Size != int64(len(disk)) {
				t.Errorf("image = %+v, %v, want %s", i, err, want)
			}
		},
		Clear: func(t *testing.T) {
			if err := b.Control.DeleteImage(t.Context(), b.Admin, "", name); err != nil {
				t.Error(err)
			}
		},
	}
}

func (b *bench) running(*testing.T) *optest.Subject {
	var run cloud.OperationID
	return &optest.Subject{
		Start: func() (cloud.OperationID, error) {
			var err error
			run, err = id(b.Control.StartRun(b.T.Context(), b.Admin, control.Run{Command: []string{"true"}, All: true}))
			return run, err
		},
		Ended: func(t *testing.T, _ *cloud.Operation) {
			b.within(t, func() {
				b.Until("all jobs of the run have ended", func() bool {
					jobs, err := b.Control.OperationJobs(t.Context(), b.Admin, run)
					if err != nil {
						t.Fatal(err)
					}
					for _, j := range jobs {
						if !j.State.Final() {
							return false
						}
					}
					return len(jobs) <= 1
				})
			})
		},
		Clear: func(*testing.T) {},
	}
}

// Every kind of operation, through everything.
func TestOperations(t *testing.T) {
	t.Parallel()
	optest.Run(t, func(t *testing.T) (*optest.World, []optest.Case) {
		b := newBench(t, storetest.SQLite(t))
		return b.optest(), b.cases()
	})
}

// The same on PostgreSQL for kinds with undo, without, and with other rows.
func TestOperationsOnPostgres(t *testing.T) {
	t.Parallel()
	optest.Some(t, func(t *testing.T) (*optest.World, []optest.Case) {
		b := newPostgresBench(t)
		return b.optest(), b.cases()
	}, "machine.create", "port-forward.create")
}

// Two controllers at once.
func TestOperationsTwice(t *testing.T) {
	t.Parallel()
	optest.Twice(t, func(t *testing.T) (*optest.World, []optest.Case) {
		b := newPostgresBench(t)
		return b.optest(), b.cases()
	})
}

// A controller on SQLite that was frozen goes on beside the one that took its
// place. An image's download is the controller's own, of which there is one here.
func TestOperationsTwiceOnSQLite(t *testing.T) {
	t.Parallel()
	optest.Twice(t, func(t *testing.T) (*optest.World, []optest.Case) {
		b := newBench(t, storetest.SQLite(t))
		return b.optest(), slices.DeleteFunc(b.cases(), func(c optest.Case) bool { return c.Kind == "image.create" })
	})
}
