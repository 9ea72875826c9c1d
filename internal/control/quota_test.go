package control

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/wire"
)

func TestLimits(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		a, b := w.account("acme"), w.account("other")
		s := w.cloudspace(a, "prod")
		ann, cleo, eve := w.user("ann", ""), w.user("cleo", ""), w.user("eve", "")
		w.member(ann, cloud.ScopeAdmin, a)
		w.member(eve, cloud.ScopeAdmin, b)
		_, err := w.CreateMembership(ctx, w.root, NewMembership{User: "cleo", Role: cloud.ScopeAdmin, Cloudspace: s.ID})
		w.ok(err)
		admin, part, stranger, op := w.as(ann), w.as(cleo), w.as(eve), w.as(w.user("olga", cloud.InstallationOperator))
		five := map[cloud.Resource]int64{cloud.ResourceMachines: 5}

		_, _, err = w.SetLimits(ctx, admin, accountScope(a.ID), five)
		w.fails("account's admin raises his own limit", err, cloud.Denied)
		_, _, err = w.SetLimits(ctx, part, cloudspaceScope(s.ID), five)
		w.fails("cloudspace's admin raises its limit", err, cloud.Denied)
		for _, scopes := range [][2]cloud.Scope{
			{accountScope(a.ID), accountScope("0198c3e2-7b1c-7d0a-8f00-1c2d3e4f5a6b")},
			{cloudspaceScope(s.ID), cloudspaceScope("0198c3e2-7b1c-7d0a-8f00-1c2d3e4f5a6b")},
		} {
			_, err = w.Quota(ctx, stranger, scopes[0])
			_, absent := w.Quota(ctx, stranger, scopes[1])
			w.hidden("stranger reads", err, absent, scopes[0].ID, scopes[1].ID)
		}
		for what, limits := range map[string]map[cloud.Resource]int64{
			"none": {}, "unknown": {"rockets": 1}, "negative": {cloud.ResourceVCPUs: -2},
		} {
			_, _, err = w.SetLimits(ctx, op, accountScope(a.ID), limits)
			w.fails(what, err, cloud.Invalid)
		}
		_, _, err = w.SetLimits(ctx, op, cloud.Scope{Kind: cloud.KindNode, ID: "n"}, five)
		w.fails("node", err, cloud.Invalid)

		list, notes, err := w.SetLimits(ctx, op, accountScope(a.ID), five)
		w.ok(err)
		if len(notes) > 0 || list[0].Resource != cloud.ResourceMachines || list[0].Limit != 5 || list[1].Limit != cloud.NoLimit {
			t.Errorf("limits %+v, notes %q", list, notes)
		}
		_, _, err = w.SetLimits(ctx, admin, cloudspaceScope(s.ID), five)
		w.ok(err)
		w.checkUse(a, s, admin, op)
	})
}

// checkUse takes three machines and lowers the limit below them.
func (w *world) checkUse(a *cloud.Account, s *cloud.Cloudspace, admin, op *Request) {
	ctx, t := w.t.Context(), w.t
	p := posting{account: a.ID, cloudspace: s.ID, subjectKind: cloud.KindMachine, subjectID: "m", reason: "create"}
	w.ok(w.DB.Update(ctx, func(tx *store.Tx) error { return post(tx, p, amounts{cloud.ResourceMachines: 3}) }))

	op.DryRun = true
	_, _, err := w.SetLimits(ctx, op, accountScope(a.ID), map[cloud.Resource]int64{cloud.ResourceMachines: 2})
	var planned *Planned
	if !errors.As(err, &planned) || len(planned.Plan.Steps) != 2 || !strings.Contains(planned.Plan.Steps[1], "3 machines are in use") {
		t.Errorf("dry run: %v %+v", err, planned)
	}
	op.DryRun = false
	_, notes, err := w.SetLimits(ctx, op, accountScope(a.ID), map[cloud.Resource]int64{cloud.ResourceMachines: 2})
	w.ok(err)
	if len(notes) != 1 {
		t.Errorf("a limit below use gave the notes %q", notes)
	}
	err = w.DB.Update(ctx, func(tx *store.Tx) error { return post(tx, p, amounts{cloud.ResourceMachines: 1}) })
	w.fails("more than the limit", err, cloud.Quota)
	w.ok(w.DB.Update(ctx, func(tx *store.Tx) error { return post(tx, p, amounts{cloud.ResourceMachines: -2}) }))

	entries, next, err := w.Entries(ctx, admin, accountScope(a.ID), store.Query{Limit: 1})
	w.ok(err)
	if len(entries) != 1 || entries[0].Delta != 3 || next == "" {
		t.Errorf("first page %+v, next %q", entries, next)
	}
	entries, next, err = w.Entries(ctx, admin, accountScope(a.ID), store.Query{Limit: 1, Cursor: next})
	w.ok(err)
	if len(entries) != 1 || entries[0].Delta != -2 || next != "" {
		t.Errorf("second page %+v, next %q", entries, next)
	}
}

func TestUsageIntegratesTheLedger(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		a := w.account("acme")
		scope := accountScope(a.ID)
		now := cloud.Now()
		second := cloud.Time(1_000_000)
		w.ok(w.DB.Update(ctx, func(tx *store.Tx) error {
			for _, d := range []int64{4, -3} {
				if err := tx.Post(cloud.Entry{Scope: scope, Resource: cloud.ResourceVCPUs, Delta: d, SubjectID: "m"}); err != nil {
					return err
				}
			}
			return nil
		}))
		// 4 from 100 s ago, of which 1 stays from 40 s ago on.
		w.exec("UPDATE entries SET at = " + text(now-100*second) + " WHERE delta = 4")
		w.exec("UPDATE entries SET at = " + text(now-40*second) + " WHERE delta = -3")
		for _, tt := range []struct {
			name     string
			from, to cloud.Time
			want     int64
		}{
			{"all", now - 200*second, now, 4*60 + 40},
			{"second half", now - 40*second, now, 40},
			{"before", now - 200*second, now - 100*second, 0},
			{"across", now - 50*second, now - 30*second, 4*10 + 10},
		} {
			u, err := w.Usage(ctx, w.root, scope, tt.from, tt.to)
			w.ok(err)
			if got := u.Resources[cloud.ResourceVCPUs]; got != tt.want {
				t.Errorf("%s: %d vcpu seconds, want %d", tt.name, got, tt.want)
			}
		}
		_, err := w.Usage(ctx, w.root, scope, now, now-second)
		w.fails("end before start", err, cloud.Invalid)
	})
}

func TestUsageCountsBytesOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		a := w.account("acme")
		s := w.cloudspace(a, "prod")
		n, other := cloud.NewID[cloud.NodeID](), cloud.NewID[cloud.NodeID]()
		m := &cloud.Machine{ID: cloud.NewID[cloud.MachineID](), AccountID: a.ID, CloudspaceID: s.ID, Name: "web", State: cloud.MachineRunning, NodeID: n}
		w.ok(w.DB.Update(ctx, func(tx *store.Tx) error { return tx.CreateMachine(m) }))
		for _, tt := range []struct {
			name           string
			from           cloud.NodeID
			since          cloud.Time
			received, read int64
			want           map[string]int64
		}{
			{"first report", n, 1000, 5, 7, map[string]int64{"rx_bytes": 5, "read_bytes": 7}},
			{"the same again, whose answer was lost", n, 1000, 5, 7, map[string]int64{"rx_bytes": 5, "read_bytes": 7}},
			{"it grew", n, 1000, 15, 7, map[string]int64{"rx_bytes": 15, "read_bytes": 7}},
			{"the next run", n, 2000, 20, 1, map[string]int64{"rx_bytes": 35, "read_bytes": 8}},
			{"a late report of the run before", n, 1000, 16, 9, map[string]int64{"rx_bytes": 35, "read_bytes": 8}},
			{"it went back", n, 2000, 3, 1, map[string]int64{"rx_bytes": 35, "read_bytes": 8}},
			{"a node that does not have it", other, 3000, 99, 99, map[string]int64{"rx_bytes": 35, "read_bytes": 8}},
		} {
			w.ok(w.usage(ctx, tt.from, []wire.Usage{{Machine: m.ID, Since: tt.since, Received: tt.received, Read: tt.read}, {Machine: "no-such"}}))
			for _, scope := range []cloud.Scope{accountScope(a.ID), {Kind: cloud.KindCloudspace, ID: string(s.ID)}} {
				u, err := w.Usage(ctx, w.root, scope, 0, 0)
				w.ok(err)
				if !maps.Equal(u.Counters, tt.want) {
					t.Errorf("after %s the %s has %v, want %v", tt.name, scope.Kind, u.Counters, tt.want)
				}
			}
		}
	})
}

func TestCapacityOfNodes(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		home := &cloud.Location{Name: "ghent"}
		w.ok(w.CreateLocation(ctx, w.root, home))
		facts := cloud.NodeFacts{CPUs: 8, MemoryMiB: 1000, DiskMiB: 10240}
		n := &cloud.Node{ID: cloud.NewID[cloud.NodeID](), LocationID: home.ID, Name: "n1", State: cloud.NodeOnline, CPUOvercommit: 400, Facts: facts}
		gone := *n
		gone.ID, gone.Name, gone.DeletedAt = cloud.NewID[cloud.NodeID](), "n2", cloud.Now()
		a := w.account("acme")
		w.ok(w.DB.Update(ctx, func(tx *store.Tx) error {
			for _, v := range []*cloud.Node{n, &gone} {
				if err := errors.Join(tx.CreateNode(v), setCapacity(tx, v)); err != nil {
					return err
				}
			}
			p := posting{account: a.ID, node: n.ID, subjectKind: cloud.KindMachine, subjectID: "m", reason: "create"}
			return post(tx, p, amounts{cloud.ResourceMachines: 1, cloud.ResourceVCPUs: 3})
		}))
		got, err := w.Capacity(ctx, w.as(w.user("sue", cloud.InstallationSupport)))
		w.ok(err)
		balance := func(r cloud.Resource, amount, limit int64) cloud.NodeBalance {
			return cloud.NodeBalance{Node: "n1", Balance: cloud.Balance{
				Scope: cloud.Scope{Kind: cloud.KindNode, ID: string(n.ID)}, Resource: r, Amount: amount, Limit: limit,
			}}
		}
		want := []cloud.NodeBalance{balance(cloud.ResourceDiskGiB, 0, 10), balance(cloud.ResourceMemoryMiB, 0, 900), balance(cloud.ResourceVCPUs, 3, 32)}
		if !slices.Equal(got, want) {
			t.Errorf("capacity %+v, want %+v", got, want)
		}
		_, err = w.Capacity(ctx, w.as(w.user("tess", "")))
		w.fails("a tenant asks for the capacity of nodes", err, cloud.Denied)
	})
}
