package lab

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/control"
	"atoll/internal/sal/sim"
	"atoll/internal/store/storetest"
	"atoll/internal/wire"
)

// things is one of each that a caller may ask for.
type things struct {
	account   *cloud.Account
	space     *cloud.Cloudspace
	machine   *cloud.Machine
	disk      cloud.DiskID
	forward   *cloud.PortForward
	operation *cloud.Operation
	job       *cloud.Job // of the operation, in the account
	node      *cloud.Node
	token     *cloud.JoinToken
	other     *cloud.Account
}

func (l *Lab) things() *things {
	l.T.Helper()
	ctx := l.T.Context()
	must := func(err error) {
		l.T.Helper()
		if err != nil {
			l.T.Fatal(err)
		}
	}
	l.image("disk")
	t := &things{other: &cloud.Account{Name: "other"}}
	must(l.Control.CreateAccount(ctx, l.Admin, t.other, nil))
	var err error
	_, t.operation, err = l.Control.CreateMachine(ctx, l.Admin, control.NewMachine{Account: "default", Cloudspace: "default", Name: "secret-1", Image: "disk", Size: "tiny"})
	l.Done(t.operation, err)
	t.machine = l.machine("secret-1")
	var o *cloud.Operation
	t.forward, o, err = l.Control.CreatePortForward(ctx, l.Admin, control.NewPortForward{Machine: l.ref("secret-1"), PublicPort: 2222, Port: 22})
	l.Done(o, err)
	jobs, err := l.Control.OperationJobs(ctx, l.Admin, t.operation.ID)
	must(err)
	t.job = &jobs[0]
	disks, _, err := l.Control.Disks(ctx, l.Admin, control.Query{})
	must(err)
	t.disk = disks[0].ID
	t.space, err = l.Control.Cloudspace(ctx, l.Admin, "default", "default")
	must(err)
	t.account, err = l.Control.Account(ctx, l.Admin, "default")
	must(err)
	t.node = l.WaitNode("sim-1", cloud.NodeOnline)
	_, t.token, err = l.Control.CreateJoinToken(ctx, l.Admin, control.NewJoinToken{Uses: 1, TTL: time.Hour})
	must(err)
	return t
}

// What a call needs.
const (
	reads    = "reads"    // a reader of the account
	writes   = "writes"   // a writer of the account
	operates = "operates" // an operator, and nobody else knows that the thing exists
	orders   = "orders"   // an operator, and others are told so
)

type ask struct {
	name  string
	needs string
	do    func(r *control.Request) error
}

func (l *Lab) asks(s *things) []ask {
	c, ctx := l.Control, l.T.Context()
	ref := control.MachineRef{Machine: string(s.machine.ID)}
	named := l.ref("secret-1")
	name, yes := "renamed", true
	return []ask{
		{"machine", reads, func(r *control.Request) error { _, err := c.Machine(ctx, r, ref); return err }},
		{"machine by name", reads, func(r *control.Request) error { _, err := c.Machine(ctx, r, named); return err }},
		{"machine.create", writes, func(r *control.Request) error {
			_, _, err := c.CreateMachine(ctx, r, control.NewMachine{Cloudspace: string(s.space.ID), Name: "new-1", Image: "disk", Size: "tiny"})
			return err
		}},
		{"machine.update", writes, func(r *control.Request) error {
			_, _, err := c.UpdateMachine(ctx, r, ref, control.MachineChange{Name: &name})
			return err
		}},
		{"machine.stop", writes, func(r *control.Request) error {
			_, _, err := c.StopMachine(ctx, r, ref, control.StopOptions{})
			return err
		}},
		{"machine.reboot", writes, func(r *control.Request) error { _, _, err := c.RebootMachine(ctx, r, ref); return err }},
		{"machine.delete", writes, func(r *control.Request) error { _, _, err := c.DeleteMachine(ctx, r, ref, false); return err }},
		{"cloudspace", reads, func(r *control.Request) error { _, err := c.Cloudspace(ctx, r, "", string(s.space.ID)); return err }},
		{"cloudspace.update", writes, func(r *control.Request) error {
			_, err := c.RenameCloudspace(ctx, r, "", string(s.space.ID), "renamed")
			return err
		}},
		{"cloudspace.create", writes, func(r *control.Request) error {
			_, err := c.CreateCloudspace(ctx, r, control.NewCloudspace{Account: string(s.account.ID), Name: "new"})
			return err
		}},
		{"port-forward", reads, func(r *control.Request) error { _, err := c.PortForward(ctx, r, s.forward.ID); return err }},
		{"port-forward.create", writes, func(r *control.Request) error {
			_, _, err := c.CreatePortForward(ctx, r, control.NewPortForward{Machine: ref, PublicPort: 2223, Port: 22})
			return err
		}},
		{"port-forward.delete", writes, func(r *control.Request) error { _, _, err := c.DeletePortForward(ctx, r, s.forward.ID); return err }},
		{"disk", reads, func(r *control.Request) error { _, err := c.Disk(ctx, r, s.disk); return err }},
		{"job", reads, func(r *control.Request) error { _, err := c.Job(ctx, r, s.job.ID); return err }},
		{"job.wait", reads, func(r *control.Request) error { _, err := c.WaitJob(ctx, r, s.job.ID); return err }},
		{"job.log", reads, func(r *control.Request) error { return c.JobLog(ctx, r, s.job.ID, 0, false, io.Discard) }},
		{"operation", reads, func(r *control.Request) error { _, err := c.Operation(ctx, r, s.operation.ID); return err }},
		{"operation.wait", reads, func(r *control.Request) error { _, err := c.WaitOperation(ctx, r, s.operation.ID); return err }},
		{"operation.jobs", reads, func(r *control.Request) error { _, err := c.OperationJobs(ctx, r, s.operation.ID); return err }},
		{"node", operates, func(r *control.Request) error { _, err := c.Node(ctx, r, "sim-1"); return err }},
		{"node by id", operates, func(r *control.Request) error { _, err := c.Node(ctx, r, string(s.node.ID)); return err }},
		{"nodes", orders, func(r *control.Request) error { _, _, err := c.Nodes(ctx, r, control.Query{}); return err }},
		{"node.update", operates, func(r *control.Request) error {
			_, err := c.UpdateNode(ctx, r, "sim-1", control.NodeChange{Cordoned: &yes})
			return err
		}},
		{"join-tokens", orders, func(r *control.Request) error { _, _, err := c.JoinTokens(ctx, r, control.Query{}); return err }},
		{"join-token.create", orders, func(r *control.Request) error {
			_, _, err := c.CreateJoinToken(ctx, r, control.NewJoinToken{Uses: 1, TTL: time.Hour})
			return err
		}},
		{"join-token.delete", operates, func(r *control.Request) error { return c.DeleteJoinToken(ctx, r, s.token.ID) }},
		{"run", operates, func(r *control.Request) error {
			_, err := c.StartRun(ctx, r, control.Run{Command: []string{"true"}, All: true})
			return err
		}},
		{"job.create", orders, func(r *control.Request) error {
			return c.CreateJobs(ctx, r, []*cloud.Job{{Action: cloud.ActionNoop, TargetNode: s.node.ID, Args: json.RawMessage("{}")}})
		}},
	}
}

// outcome is the kind of an answer; a plan is a success.
func outcome(err error) cloud.ErrorKind {
	var p *control.Planned
	if err == nil || errors.As(err, &p) {
		return ""
	}
	return cloud.KindOf(err)
}

func TestWhoMay(t *testing.T) {
	t.Parallel()
	l := New(t, storetest.SQLite(t), 1, sim.Config{})
	s := l.things()
	user := func(name string, m ...cloud.Membership) *control.Request {
		return &control.Request{User: &cloud.User{ID: cloud.NewID[cloud.UserID](), Name: name}, Memberships: m, DryRun: true}
	}
	here := func(r cloud.UserRole) cloud.Membership { return cloud.Membership{AccountID: s.account.ID, Role: r} }
	elsewhere := cloud.Membership{AccountID: s.other.ID, Role: cloud.ScopeAdmin}
	limited := user("limited", here(cloud.ScopeAdmin), elsewhere)
	limited.Account = s.other.ID
	limitedOperator := user("limited-operator", elsewhere)
	limitedOperator.User.Role, limitedOperator.Account = cloud.InstallationOperator, s.other.ID
	readOnly := user("read-only", here(cloud.ScopeAdmin))
	readOnly.ReadOnly = true
	operator := user("operator")
	operator.User.Role = cloud.InstallationOperator
	on := user("on-machine", cloud.Membership{AccountID: s.account.ID, CloudspaceID: s.space.ID, MachineID: s.machine.ID, Role: cloud.ScopeReader})
	for _, who := range []struct {
		r    *control.Request
		want map[string]cloud.ErrorKind
	}{
		{user("stranger", elsewhere), map[string]cloud.ErrorKind{reads: cloud.NotFound, writes: cloud.NotFound, operates: cloud.NotFound, orders: cloud.Denied}},
		{limited, map[string]cloud.ErrorKind{reads: cloud.NotFound, writes: cloud.NotFound, operates: cloud.NotFound, orders: cloud.Denied}},
		{limitedOperator, map[string]cloud.ErrorKind{reads: cloud.NotFound, writes: cloud.NotFound, operates: cloud.NotFound, orders: cloud.Denied}},
		{user("reader", here(cloud.ScopeReader)), map[string]cloud.ErrorKind{reads: "", writes: cloud.Denied, operates: cloud.NotFound, orders: cloud.Denied}},
		{user("writer", here(cloud.ScopeWriter)), map[string]cloud.ErrorKind{reads: "", writes: "", operates: cloud.NotFound, orders: cloud.Denied}},
		{readOnly, map[string]cloud.ErrorKind{reads: "", writes: cloud.Denied}},
		{operator, map[string]cloud.ErrorKind{reads: "", writes: "", operates: "", orders: ""}},
	} {
		for _, a := range l.asks(s) {
			want, known := who.want[a.needs]
			if !known {
				continue
			}
			err := a.do(who.r)
			if got := outcome(err); got != want {
				t.Errorf("%s: %s = %v, want %q", who.r.User.Name, a.name, err, want)
				continue
			}
			if want == cloud.Denied && !strings.Contains(err.Error(), "could") && !strings.Contains(err.Error(), "scope full") {
				t.Errorf("%s: %s = %v, which does not say who could", who.r.User.Name, a.name, err)
			}
			if want == cloud.NotFound && a.name != "machine by name" {
				for _, secret := range []string{"secret-1", "default", "sim-1 is"} {
					if strings.Contains(err.Error(), secret) {
						t.Errorf("%s: %s = %v, which names what is secret", who.r.User.Name, a.name, err)
					}
				}
			}
		}
	}
	if _, err := l.Control.Machine(t.Context(), on, control.MachineRef{Machine: string(s.machine.ID)}); err != nil {
		t.Errorf("reader of the machine: %v", err)
	}
	if _, err := l.Control.Cloudspace(t.Context(), on, "", string(s.space.ID)); !cloud.Is(err, cloud.NotFound) {
		t.Errorf("cloudspace for a reader of a machine in it = %v, want not found", err)
	}
	l.Sound()
}

func TestNothingChangesInADisabledAccount(t *testing.T) {
	t.Parallel()
	l := New(t, storetest.SQLite(t), 1, sim.Config{})
	s := l.things()
	l.Control.Engine().Inject = func(_ *cloud.Operation, when string) error {
		if when == "before do start" {
			return cloud.Errorf(cloud.Unavailable, "injected")
		}
		return nil
	}
	_, o, err := l.Control.CreateMachine(t.Context(), l.Admin, control.NewMachine{Account: "default", Cloudspace: "default", Name: "failed-1", Image: "disk", Size: "tiny"})
	if err != nil {
		t.Fatal(err)
	}
	if o = l.Ended(o.ID); o.State != cloud.OperationFailed {
		t.Fatalf("operation is %s", o.State)
	}
	if _, err := l.Control.SetAccountState(t.Context(), l.Admin, "default", cloud.AccountDisabled); err != nil {
		t.Fatal(err)
	}
	writer := &control.Request{
		User: &cloud.User{ID: cloud.NewID[cloud.UserID](), Name: "writer"}, DryRun: true,
		Memberships: []cloud.Membership{{AccountID: s.account.ID, Role: cloud.ScopeWriter}},
	}
	asks := append(l.asks(s), ask{"operation.retry", writes, func(r *control.Request) error {
		_, err := l.Control.RetryOperation(t.Context(), r, o.ID)
		return err
	}})
	for _, a := range asks {
		switch err := a.do(writer); {
		case a.needs == reads && err != nil:
			t.Errorf("%s = %v, want it readable", a.name, err)
		case a.needs == writes && (!cloud.Is(err, cloud.Conflict) || !strings.Contains(err.Error(), "disabled")):
			t.Errorf("%s = %v, want a conflict with the account's state", a.name, err)
		}
	}
}

func TestConsole(t *testing.T) {
	t.Parallel()
	l := New(t, storetest.SQLite(t), 1, sim.Config{})
	l.image("disk")
	m := l.create("web-1")
	ref := l.ref("web-1")
	con, err := l.Control.OpenConsole(t.Context(), l.Admin, ref, wire.StreamConsole)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, con, "web-1:~# ")
	if _, err := io.WriteString(con, "uname\r"); err != nil {
		t.Fatal(err)
	}
	expect(t, con, "uname\r\n")
	expect(t, con, "web-1:~# ")
	second, err := l.Control.OpenConsole(t.Context(), l.Admin, ref, wire.StreamConsole)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, second, "web-1:~# ")
	second.Close()

	_, o, err := l.Control.StopMachine(t.Context(), l.Admin, ref, control.StopOptions{Force: true})
	l.Done(o, err)
	if _, err := io.Copy(io.Discard, con); err != nil && !errors.Is(err, io.EOF) {
		t.Errorf("the console of a machine that went off = %v, want its end", err)
	}
	con.Close()
	if _, err := l.Control.OpenConsole(t.Context(), l.Admin, ref, wire.StreamConsole); !cloud.Is(err, cloud.Conflict) {
		t.Errorf("console of a stopped machine = %v, want a conflict", err)
	}
	stranger := &control.Request{User: &cloud.User{ID: cloud.NewID[cloud.UserID](), Name: "stranger"}}
	_, err = l.Control.OpenConsole(t.Context(), stranger, control.MachineRef{Machine: string(m.ID)}, wire.StreamConsole)
	if !cloud.Is(err, cloud.NotFound) || strings.Contains(err.Error(), "web-1") {
		t.Errorf("console for a stranger = %v, want not found", err)
	}
	if _, err := l.Control.OpenConsole(t.Context(), l.Admin, ref, "shell"); !cloud.Is(err, cloud.Invalid) {
		t.Errorf("console of an unknown kind = %v, want invalid", err)
	}
}

// expect reads until the text has come.
func expect(t *testing.T, r io.Reader, text string) {
	t.Helper()
	var got strings.Builder
	b := make([]byte, 1)
	for !strings.HasSuffix(got.String(), text) {
		if _, err := r.Read(b); err != nil {
			t.Fatalf("read %q, then %v; want %q", got.String(), err, text)
		}
		got.Write(b)
	}
}
