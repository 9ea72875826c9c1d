package control

import (
	"sync"
	"testing"

	"atoll/internal/cloud"
	"atoll/internal/store"
)

func TestMembershipLife(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		a, b := w.account("acme"), w.account("other")
		s := w.cloudspace(a, "prod")
		ann, bob, eve := w.user("ann", ""), w.user("bob", ""), w.user("eve", "")
		first := w.member(ann, cloud.ScopeAdmin, a)
		w.member(eve, cloud.ScopeAdmin, b)
		admin, stranger := w.as(ann), w.as(eve)

		for what, in := range map[string]NewMembership{
			"no scope":   {User: "bob", Role: cloud.ScopeReader},
			"two scopes": {User: "bob", Role: cloud.ScopeReader, Account: a.ID, Cloudspace: s.ID},
			"no user":    {Role: cloud.ScopeReader, Account: a.ID},
			"bad role":   {User: "bob", Role: "king", Account: a.ID},
		} {
			_, err := w.CreateMembership(ctx, admin, in)
			w.fails(what, err, cloud.Invalid)
		}
		_, err := w.CreateMembership(ctx, admin, NewMembership{User: "nobody", Role: cloud.ScopeReader, Account: a.ID})
		w.fails("no such user", err, cloud.NotFound)
		_, err = w.CreateMembership(ctx, stranger, NewMembership{User: "eve", Role: cloud.ScopeAdmin, Account: a.ID})
		_, absent := w.CreateMembership(ctx, stranger, NewMembership{User: "eve", Role: cloud.ScopeAdmin, Account: "0198c3e2-7b1c-7d0a-8f00-1c2d3e4f5a6b"})
		w.hidden("stranger takes a role", err, absent, string(a.ID), "0198c3e2-7b1c-7d0a-8f00-1c2d3e4f5a6b")
		_, err = w.CreateMembership(ctx, stranger, NewMembership{User: "eve", Role: cloud.ScopeAdmin, Cloudspace: s.ID})
		w.fails("stranger takes a role on a cloudspace", err, cloud.NotFound)

		before := w.as(bob)
		list, _, err := w.Cloudspaces(ctx, before, store.Query{})
		w.ok(err)
		if len(list) != 0 {
			t.Errorf("bob sees %v before he has a role", list)
		}
		in := NewMembership{User: "bob", Role: cloud.ScopeReader, Cloudspace: s.ID}
		m, err := w.CreateMembership(ctx, admin, in)
		w.ok(err)
		_, err = w.CreateMembership(ctx, admin, in)
		w.fails("second role there", err, cloud.Conflict)
		reader := w.as(bob)
		if list, _, err = w.Cloudspaces(ctx, reader, store.Query{}); err != nil || len(list) != 1 {
			t.Errorf("bob sees %v, %v after he has a role", list, err)
		}
		_, err = w.UpdateMembership(ctx, reader, m.ID, cloud.ScopeAdmin)
		w.fails("reader makes himself admin", err, cloud.Denied)
		m, err = w.UpdateMembership(ctx, admin, m.ID, cloud.ScopeAdmin)
		w.ok(err)
		_, err = w.UpdateMembership(ctx, w.as(bob), first.ID, cloud.ScopeReader)
		w.fails("cloudspace's admin demotes the account's", err, cloud.NotFound)
		members, _, err := w.Memberships(ctx, admin, store.Query{Filter: []string{"account=" + string(a.ID)}})
		w.ok(err)
		if len(members) != 2 || members[0].UserName != "ann" || members[1].UserName != "bob" {
			t.Errorf("members %+v", members)
		}
		w.ok(w.DeleteMembership(ctx, w.as(bob), m.ID)) // leaves
		if got, err := w.Membership(ctx, admin, m.ID); !cloud.Is(err, cloud.NotFound) {
			t.Errorf("deleted membership: %+v, %v", got, err)
		}
	})
}

func TestLastAccountAdminStays(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		a := w.account("acme")
		m1 := w.member(w.user("ann", ""), cloud.ScopeAdmin, a)
		svc := w.service(a, "ci")
		w.member(svc, cloud.ScopeAdmin, a) // does not count
		_, err := w.UpdateMembership(ctx, w.root, m1.ID, cloud.ScopeWriter)
		w.fails("demote the last", err, cloud.Conflict)
		w.fails("remove the last", w.DeleteMembership(ctx, w.root, m1.ID), cloud.Conflict)
		w.fails("delete the last", w.DeleteUser(ctx, w.root, "ann"), cloud.Conflict)
		m2 := w.member(w.user("bob", ""), cloud.ScopeAdmin, a)
		var wg sync.WaitGroup
		errs := make([]error, 2)
		for i, id := range []cloud.MembershipID{m1.ID, m2.ID} { // both at once: one must stay
			wg.Go(func() { errs[i] = w.DeleteMembership(ctx, w.root, id) })
		}
		wg.Wait()
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Errorf("removing both admins at once: %v", errs)
		}
	})
}
