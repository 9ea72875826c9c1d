package control

import (
	"sync"
	"testing"

	"atoll/internal/cloud"
	"atoll/internal/store"
)

func TestUserRights(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		root, olga, bob, eve := w.user("root", cloud.InstallationAdmin), w.user("olga", cloud.InstallationOperator), w.user("bob", ""), w.user("eve", "")
		admin, op, self, other := w.as(root), w.as(olga), w.as(bob), w.as(eve)
		adminRole, full := cloud.InstallationAdmin, "Bob Builder"

		w.fails("user makes a user", w.CreateUser(ctx, self, &cloud.User{Name: "x"}, ""), cloud.Denied)
		w.fails("operator gives a role", w.CreateUser(ctx, op, &cloud.User{Name: "x", Role: cloud.InstallationSupport}, ""), cloud.Denied)
		w.ok(w.CreateUser(ctx, op, &cloud.User{Name: "x"}, ""))
		w.ok(w.CreateUser(ctx, admin, &cloud.User{Name: "sue", Role: cloud.InstallationSupport}, ""))
		w.fails("bad role", w.CreateUser(ctx, admin, &cloud.User{Name: "y", Role: "king"}, ""), cloud.Invalid)
		w.fails("bad mail", w.CreateUser(ctx, admin, &cloud.User{Name: "y", Email: "nobody"}, ""), cloud.Invalid)
		w.fails("short password", w.CreateUser(ctx, admin, &cloud.User{Name: "y"}, "short"), cloud.Invalid)

		for _, ref := range []string{"bob", string(bob.ID)} {
			u, err := w.User(ctx, self, ref)
			w.ok(err)
			if u.ID != bob.ID {
				t.Errorf("self by %s: %+v", ref, u)
			}
			_, err = w.User(ctx, other, ref)
			_, absent := w.User(ctx, other, "absent")
			w.hidden("read another user", err, absent, ref, "absent")
		}
		_, err := w.UpdateUser(ctx, self, "bob", UserUpdate{FullName: &full})
		w.ok(err)
		_, err = w.UpdateUser(ctx, self, "bob", UserUpdate{Role: &adminRole})
		w.fails("make oneself admin", err, cloud.Denied)
		_, err = w.UpdateUser(ctx, op, "olga", UserUpdate{Role: &adminRole})
		w.fails("operator makes himself admin", err, cloud.Denied)
		_, err = w.UpdateUser(ctx, op, "root", UserUpdate{FullName: &full})
		w.fails("operator changes an admin", err, cloud.Denied)
		_, err = w.UpdateUser(ctx, op, "bob", UserUpdate{FullName: &full})
		w.ok(err)
		_, err = w.UpdateUser(ctx, other, "bob", UserUpdate{FullName: &full})
		w.fails("stranger changes a user", err, cloud.NotFound)
		_, err = w.SetUserDisabled(ctx, self, "bob", true)
		w.fails("disable oneself", err, cloud.Denied)
		w.fails("operator deletes", w.DeleteUser(ctx, op, "bob"), cloud.Denied)
		_, _, err = w.NewSetupLink(ctx, op, "root")
		w.fails("operator resets an admin", err, cloud.Denied)
		limited := w.as(bob)
		limited.Account = w.account("acme").ID
		_, err = w.UpdateUser(ctx, limited, "bob", UserUpdate{FullName: &full})
		w.fails("limited token changes its user", err, cloud.Denied)

		_, err = w.SetUserDisabled(ctx, admin, "bob", true)
		w.ok(err)
		w.ok(w.DeleteUser(ctx, admin, "bob"))
		_, err = w.User(ctx, admin, "bob")
		w.fails("deleted", err, cloud.NotFound)
		w.ok(w.CreateUser(ctx, admin, &cloud.User{Name: "bob"}, "")) // the name is free again
	})
}

func TestLastAdminStays(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.user("root", cloud.InstallationAdmin)
		none := cloud.UserRole("")
		try := func() []error {
			_, err1 := w.UpdateUser(ctx, w.root, "root", UserUpdate{Role: &none})
			_, err2 := w.SetUserDisabled(ctx, w.root, "root", true)
			return []error{err1, err2, w.DeleteUser(ctx, w.root, "root")}
		}
		for _, err := range try() {
			w.fails("remove the last admin", err, cloud.Conflict)
		}
		w.user("second", cloud.InstallationAdmin)
		_, err := w.SetUserDisabled(ctx, w.root, "second", true)
		w.ok(err)
		for _, err := range try() {
			w.fails("remove the last admin that is enabled", err, cloud.Conflict)
		}
		_, err = w.SetUserDisabled(ctx, w.root, "second", false)
		w.ok(err)
		// Both at once: one must stay.
		var wg sync.WaitGroup
		for _, name := range []string{"root", "second"} {
			wg.Go(func() { w.SetUserDisabled(ctx, w.root, name, true) })
		}
		wg.Wait()
		list, _, err := w.Users(ctx, w.root, store.Query{Filter: []string{"role=admin"}})
		w.ok(err)
		n := 0
		for _, u := range list {
			if !u.Disabled {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%d admins are enabled, want 1", n)
		}
	})
}

func TestServiceAccounts(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		a, b := w.account("acme"), w.account("other")
		ann, wim, eve := w.user("ann", ""), w.user("wim", ""), w.user("eve", "")
		w.member(ann, cloud.ScopeAdmin, a)
		w.member(wim, cloud.ScopeWriter, a)
		w.member(eve, cloud.ScopeAdmin, b)
		admin, writer, stranger := w.as(ann), w.as(wim), w.as(eve)

		svc := &cloud.User{Name: "ci", AccountID: a.ID, Role: cloud.InstallationAdmin}
		w.ok(w.CreateServiceAccount(ctx, admin, svc))
		if svc.Role != "" {
			t.Error("a service account got a role on the installation")
		}
		w.fails("writer creates", w.CreateServiceAccount(ctx, writer, &cloud.User{Name: "c2", AccountID: a.ID}), cloud.Denied)
		w.fails("stranger creates", w.CreateServiceAccount(ctx, stranger, &cloud.User{Name: "c2", AccountID: a.ID}), cloud.NotFound)
		got, err := w.ServiceAccount(ctx, writer, "acme", "ci")
		w.ok(err)
		if got.ID != svc.ID {
			t.Errorf("by name: %+v", got)
		}
		absentID := string(cloud.NewID[cloud.UserID]())
		for _, ref := range [][3]string{{"acme", "ci", "absent"}, {"", string(svc.ID), absentID}} {
			_, err = w.ServiceAccount(ctx, stranger, ref[0], ref[1])
			w.fails("stranger reads", err, cloud.NotFound)
		}
		_, err = w.User(ctx, stranger, string(svc.ID))
		_, absent := w.User(ctx, stranger, absentID)
		w.hidden("stranger reads it as a user", err, absent, string(svc.ID), absentID)

		_, err = w.CreateMembership(ctx, admin, NewMembership{ServiceAccount: "ci", Role: cloud.ScopeWriter, Account: a.ID})
		w.ok(err)
		_, err = w.CreateMembership(ctx, stranger, NewMembership{User: string(svc.ID), Role: cloud.ScopeWriter, Account: b.ID})
		w.fails("role in another account", err, cloud.NotFound)

		tok := cloud.Token{Name: "deploy"}
		_, err = w.CreateToken(ctx, writer, svc.ID, &tok)
		w.fails("writer makes its token", err, cloud.Denied)
		_, err = w.CreateToken(ctx, stranger, svc.ID, &tok)
		w.fails("stranger makes its token", err, cloud.NotFound)
		secret, err := w.CreateToken(ctx, admin, svc.ID, &tok)
		w.ok(err)
		bot := w.with(secret)
		w.user("ci", "") // a person of the same name
		if list, _, err := w.Users(ctx, bot, store.Query{}); err != nil || len(list) > 0 {
			t.Errorf("the service account sees the people %v, %v", list, err)
		}
		w.ok(w.CreateSSHKey(ctx, bot, &cloud.SSHKey{AccountID: a.ID, Name: "k", PublicKey: ed25519Key}))
		w.fails("set its password", w.SetPassword(ctx, w.root, string(svc.ID), "", "long enough"), cloud.Invalid)

		_, err = w.SetUserDisabled(ctx, admin, string(svc.ID), true)
		w.ok(err)
		_, err = w.Authenticate(ctx, secret)
		w.fails("token of a disabled service account", err, cloud.Unauthenticated)
		w.ok(w.DeleteUser(ctx, admin, string(svc.ID)))
	})
}

func TestRenameUser(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		ada, bob, op, adm := w.user("ada", ""), w.user("bob", ""), w.user("op", cloud.InstallationOperator), w.user("adm", cloud.InstallationAdmin)
		rename := func(r *Request, u *cloud.User, name string) error {
			_, err := w.UpdateUser(ctx, r, string(u.ID), UserUpdate{Name: &name})
			return err
		}
		w.fails("oneself", rename(w.as(ada), ada, "queen"), cloud.Denied)
		w.fails("somebody else", rename(w.as(ada), bob, "queen"), cloud.NotFound)
		w.fails("an operator oneself", rename(w.as(op), op, "queen"), cloud.Denied)
		w.fails("an admin, by an operator", rename(w.as(op), adm, "queen"), cloud.Denied)
		w.fails("to a name that is taken", rename(w.as(op), ada, "bob"), cloud.Conflict)
		w.fails("to no name", rename(w.as(op), ada, ""), cloud.Invalid)
		tenant := w.as(ada)
		w.ok(rename(w.as(op), ada, "lovelace"))
		if list, _, err := w.Users(ctx, w.with(w.token(ada, cloud.Token{Name: "after"})), store.Query{}); err != nil || len(list) != 1 || list[0].Name != "lovelace" {
			t.Errorf("after the change one sees %v, %v", list, err)
		}
		full := "Ada L"
		if u, err := w.UpdateUser(ctx, tenant, string(ada.ID), UserUpdate{FullName: &full}); err != nil || u.FullName != full {
			t.Errorf("own full name = %+v, %v", u, err)
		}
	})
}
