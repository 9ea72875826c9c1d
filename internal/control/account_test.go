package control

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"atoll/internal/cloud"
	"atoll/internal/store"
)

func TestAccountLife(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		op := w.as(w.user("olga", cloud.InstallationOperator))
		a := &cloud.Account{Name: "acme", Description: "first"}
		w.ok(w.CreateAccount(ctx, op, a, map[cloud.Resource]int64{cloud.ResourceMachines: 3}))
		w.fails("same name", w.CreateAccount(ctx, op, &cloud.Account{Name: "acme"}, nil), cloud.Conflict)
		w.fails("bad name", w.CreateAccount(ctx, op, &cloud.Account{Name: "Ac me"}, nil), cloud.Invalid)
		w.fails("bad limit", w.CreateAccount(ctx, op, &cloud.Account{Name: "b"}, map[cloud.Resource]int64{"rockets": 1}), cloud.Invalid)

		name, version := "acme-2", a.Version
		op.IfMatch = version
		got, err := w.UpdateAccount(ctx, op, "acme", AccountUpdate{Name: &name})
		w.ok(err)
		if got.Name != "acme-2" || got.Description != "first" || got.Version <= version {
			t.Errorf("after the update: %+v", got)
		}
		_, err = w.UpdateAccount(ctx, op, "acme-2", AccountUpdate{Name: &name})
		w.fails("stale version", err, cloud.Conflict)
		op.IfMatch = 0

		_, err = w.SetAccountState(ctx, op, "acme-2", cloud.AccountDisabled)
		w.ok(err)
		_, err = w.SetAccountState(ctx, op, "acme-2", cloud.AccountDisabled)
		w.fails("disable twice", err, cloud.Conflict)
		w.fails("change in a disabled account", w.CreateServiceAccount(ctx, op, &cloud.User{Name: "ci", AccountID: a.ID}), cloud.Conflict)
		_, err = w.SetAccountState(ctx, op, "acme-2", cloud.AccountActive)
		w.ok(err)

		op.DryRun = true
		var planned *Planned
		if err := w.DeleteAccount(ctx, op, "acme-2"); !errors.As(err, &planned) {
			t.Errorf("dry run: %v", err)
		}
		op.DryRun = false
		w.ok(w.DeleteAccount(ctx, op, "acme-2"))
		_, err = w.Account(ctx, op, string(a.ID))
		w.fails("read a deleted account", err, cloud.NotFound)
		for _, action := range []string{"account.create", "account.update", "account.disable", "account.enable", "account.delete"} {
			if n := len(w.events(action)); n != 1 {
				t.Errorf("%d events %s, want 1", n, action)
			}
		}
		w.ok(w.view(ctx, func(tx *store.Tx) error {
			b, err := tx.Balance(accountScope(a.ID), cloud.ResourceMachines)
			if b.Limit != cloud.NoLimit {
				t.Errorf("the deleted account has the limit %d", b.Limit)
			}
			return err
		}))
	})
}

func TestDeleteAccountNamesWhatIsLeft(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		a := w.account("acme")
		ann := w.user("ann", "")
		w.member(ann, cloud.ScopeAdmin, a)
		limited := w.token(ann, cloud.Token{Name: "limited", AccountID: a.ID})
		for _, name := range []string{"s1", "s2", "s3", "s4"} {
			w.cloudspace(a, name)
		}
		svc := w.service(a, "ci")
		err := w.DeleteAccount(ctx, w.root, "acme")
		w.fails("delete", err, cloud.Conflict)
		for _, part := range []string{"cloudspaces s1, s2, s3 and more", "service account ci"} {
			if !strings.Contains(cloud.UserMessage(err), part) {
				t.Errorf("%q does not say %q", cloud.UserMessage(err), part)
			}
		}
		w.ok(w.DeleteUser(ctx, w.root, string(svc.ID)))
		w.ok(w.DB.Update(ctx, func(tx *store.Tx) error {
			list, _, err := tx.Cloudspaces(store.Query{Visible: store.Everything})
			for i := range list {
				list[i].DeletedAt = 1
				err = errors.Join(err, tx.UpdateCloudspace(&list[i]))
			}
			return err
		}))
		w.ok(w.DeleteAccount(ctx, w.root, "acme"))
		_, err = w.Authenticate(ctx, limited)
		w.fails("token limited to the account", err, cloud.Unauthenticated)
		w.ok(w.view(ctx, func(tx *store.Tx) error {
			list, err := tx.MembershipsOf(ann.ID)
			if len(list) > 0 {
				t.Errorf("memberships after the delete: %v", list)
			}
			return err
		}))
	})
}

func TestAccountRights(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		a, b := w.account("acme"), w.account("other")
		for name, role := range map[string]cloud.UserRole{"ann": cloud.ScopeAdmin, "wim": cloud.ScopeWriter, "rob": cloud.ScopeReader} {
			w.member(w.user(name, ""), role, a)
		}
		people := map[string]*Request{}
		for _, name := range []string{"ann", "wim", "rob"} {
			u, err := w.User(ctx, w.root, name)
			w.ok(err)
			people[name] = w.as(u)
		}
		text := "x"
		for name, r := range people {
			want := cloud.Denied
			if name == "ann" {
				want = ""
			}
			_, err := w.UpdateAccount(ctx, r, "acme", AccountUpdate{Description: &text})
			w.fails(name+" updates", err, want)
			_, err = w.SetAccountState(ctx, r, "acme", cloud.AccountDisabled)
			w.fails(name+" disables", err, cloud.Denied)
			w.fails(name+" deletes", w.DeleteAccount(ctx, r, "acme"), cloud.Denied)
			w.fails(name+" creates", w.CreateAccount(ctx, r, &cloud.Account{Name: "mine"}, nil), cloud.Denied)

			for _, ref := range [][2]string{{"other", "absent"}, {string(b.ID), string(cloud.NewID[cloud.AccountID]())}} {
				_, err = w.Account(ctx, r, ref[0])
				_, absent := w.Account(ctx, r, ref[1])
				w.hidden(name+" reads another account", err, absent, ref[0], ref[1])
				w.hidden(name+" deletes another account", w.DeleteAccount(ctx, r, ref[0]), w.DeleteAccount(ctx, r, ref[1]), ref[0], ref[1])
			}
		}
		if n := len(w.events("account.delete")); n == 0 {
			t.Error("refusals left no event")
		}
	})
}

// TestListsNeverLeak gives random roles and checks that each list shows exactly
// what the roles reach.
func TestListsNeverLeak(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		rnd := rand.New(rand.NewPCG(7, 7))
		const n = 5
		var accounts []*cloud.Account
		spaces := map[cloud.AccountID][]*cloud.Cloudspace{}
		for i := range n {
			a := w.account("a" + string(rune('0'+i)))
			accounts = append(accounts, a)
			w.service(a, "ci")
			key := &cloud.SSHKey{AccountID: a.ID, Name: "k", PublicKey: ed25519Key}
			w.ok(w.CreateSSHKey(t.Context(), w.root, key))
			spaces[a.ID] = append(spaces[a.ID], w.cloudspace(a, "one"), w.cloudspace(a, "two"))
		}
		for round := range 12 {
			u := w.user("u"+string(rune('a'+round)), "")
			whole, part := map[cloud.AccountID]bool{}, map[cloud.CloudspaceID]bool{}
			for _, a := range accounts {
				role := cloud.ScopeRoles[rnd.IntN(3)]
				in := NewMembership{User: u.Name, Role: role}
				switch rnd.IntN(3) {
				case 0:
					in.Account, whole[a.ID] = a.ID, true
				case 1:
					in.Cloudspace = spaces[a.ID][rnd.IntN(2)].ID
					part[in.Cloudspace] = true
				default:
					continue
				}
				_, err := w.CreateMembership(t.Context(), w.root, in)
				w.ok(err)
			}
			r := w.as(u)
			if rnd.IntN(3) == 0 { // a token that is limited to one account
				r.Account = accounts[rnd.IntN(n)].ID
			}
			w.checkLists(r, whole, part)
		}
	})
}

func (w *world) checkLists(r *Request, whole map[cloud.AccountID]bool, part map[cloud.CloudspaceID]bool) {
	w.t.Helper()
	ctx := w.t.Context()
	sees := func(a cloud.AccountID, s cloud.CloudspaceID) bool {
		return (r.Account == "" || r.Account == a) && (whole[a] || part[s])
	}
	got, want := map[string]bool{}, map[string]bool{}
	accounts, _, err := w.Accounts(ctx, r, store.Query{})
	w.ok(err)
	for _, a := range accounts {
		got["account "+string(a.ID)] = true
	}
	services, _, err := w.ServiceAccounts(ctx, r, store.Query{})
	w.ok(err)
	for _, u := range services {
		got["service "+string(u.AccountID)] = true
	}
	keys, _, err := w.SSHKeys(ctx, r, store.Query{})
	w.ok(err)
	for _, k := range keys {
		got["key "+string(k.AccountID)] = true
	}
	members, _, err := w.Memberships(ctx, r, store.Query{Limit: store.MaxLimit})
	w.ok(err)
	for _, m := range members {
		if !sees(m.AccountID, m.CloudspaceID) {
			w.t.Errorf("%s sees membership %+v", r.User.Name, m)
		}
	}
	list, _, err := w.Cloudspaces(ctx, r, store.Query{})
	w.ok(err)
	for _, s := range list {
		got["cloudspace "+string(s.ID)] = true
	}
	all, _, err := w.Cloudspaces(ctx, w.root, store.Query{})
	w.ok(err)
	for _, s := range all {
		if sees(s.AccountID, s.ID) {
			want["cloudspace "+string(s.ID)] = true
		}
		if sees(s.AccountID, "") {
			for _, kind := range []string{"account ", "service ", "key "} {
				want[kind+string(s.AccountID)] = true
			}
		}
	}
	for k := range got {
		if !want[k] {
			w.t.Errorf("%s sees %s (limited to %q)", r.User.Name, k, r.Account)
		}
	}
	for k := range want {
		if !got[k] {
			w.t.Errorf("%s does not see %s (limited to %q)", r.User.Name, k, r.Account)
		}
	}
	people, _, err := w.Users(ctx, r, store.Query{})
	w.ok(err)
	if len(people) != 1 || people[0].ID != r.User.ID {
		w.t.Errorf("%s sees the users %v", r.User.Name, people)
	}
}
