package control

import (
	"log/slog"
	"strconv"
	"strings"
	"testing"

	"atoll/internal/blob"
	"atoll/internal/cloud"
	"atoll/internal/pki"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
)

// newControl returns the rules over an empty store, without running loops.
func newControl(t testing.TB, db *store.DB) *Control {
	t.Helper()
	dir := t.TempDir()
	blobs, err := blob.Open(t.Context(), "file://"+dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { blobs.Close() })
	keys, _, err := pki.LoadKeyring(dir + "/master.key")
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(t.Context(), Config{
		DB: db, Blobs: blobs, Keys: keys, Passwords: pki.PasswordsForTest(2), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// world is an installation with people in it.
type world struct {
	*Control
	t    testing.TB
	root *Request // the controller itself
}

// each runs the test in an empty world on each kind of store.
func each(t *testing.T, test func(t *testing.T, w *world)) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		test(t, &world{newControl(t, db), t, System("test")})
	})
}

func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// fails checks that err has the kind.
func (w *world) fails(what string, err error, kind cloud.ErrorKind) {
	w.t.Helper()
	if cloud.KindOf(err) != kind {
		w.t.Errorf("%s: error %v, want kind %q", what, err, kind)
	}
}

// hidden checks that a refusal cannot be told from the answer to what is not there.
func (w *world) hidden(what string, err, absent error, ref, absentRef string) {
	w.t.Helper()
	w.fails(what, err, cloud.NotFound)
	w.fails(what+" that is not there", absent, cloud.NotFound)
	got, want := cloud.UserMessage(err), cloud.UserMessage(absent)
	if strings.ReplaceAll(got, ref, "X") != strings.ReplaceAll(want, absentRef, "X") {
		w.t.Errorf("%s: %q differs from the answer to what is not there: %q", what, got, want)
	}
}

func (w *world) account(name string) *cloud.Account {
	w.t.Helper()
	a := &cloud.Account{Name: name}
	w.ok(w.CreateAccount(w.t.Context(), w.root, a, nil))
	return a
}

func (w *world) user(name string, role cloud.UserRole) *cloud.User {
	w.t.Helper()
	u := &cloud.User{Name: name, Role: role}
	w.ok(w.CreateUser(w.t.Context(), w.root, u, ""))
	return u
}

func (w *world) service(a *cloud.Account, name string) *cloud.User {
	w.t.Helper()
	u := &cloud.User{Name: name, AccountID: a.ID}
	w.ok(w.CreateServiceAccount(w.t.Context(), w.root, u))
	return u
}

func (w *world) member(u *cloud.User, role cloud.UserRole, a *cloud.Account) *cloud.Membership {
	w.t.Helper()
	m, err := w.CreateMembership(w.t.Context(), w.root, NewMembership{User: string(u.ID), Role: role, Account: a.ID})
	w.ok(err)
	return m
}

func (w *world) cloudspace(a *cloud.Account, name string) *cloud.Cloudspace {
	w.t.Helper()
	ctx := w.t.Context()
	w.ok(w.DB.Update(ctx, func(tx *store.Tx) error {
		if _, err := tx.LocationNamed("here"); !cloud.Is(err, cloud.NotFound) {
			return err
		}
		return tx.CreateLocation(&cloud.Location{ID: cloud.NewID[cloud.LocationID](), Name: "here"})
	}))
	s, err := w.CreateCloudspace(ctx, w.root, NewCloudspace{Account: string(a.ID), Name: name})
	w.ok(err)
	return s
}

// as is the user's request with a fresh token.
func (w *world) as(u *cloud.User) *Request {
	w.t.Helper()
	return w.with(w.token(u, cloud.Token{Name: "t-" + string(cloud.NewID[cloud.TokenID]()[24:]), Scope: cloud.TokenScopeFull}))
}

// with is the request of whoever holds the secret.
func (w *world) with(secret string) *Request {
	w.t.Helper()
	r, err := w.Authenticate(w.t.Context(), secret)
	w.ok(err)
	return r
}

// token makes a token of the user as he himself would after a login.
func (w *world) token(u *cloud.User, t cloud.Token) string {
	w.t.Helper()
	r := &Request{User: u}
	w.ok(w.view(w.t.Context(), func(tx *store.Tx) (err error) {
		r.Memberships, err = tx.MembershipsOf(u.ID)
		return err
	}))
	secret, err := w.CreateToken(w.t.Context(), r, u.ID, &t)
	w.ok(err)
	return secret
}

// events numbers what was committed and returns the events of the action.
func (w *world) events(action string) []cloud.Event {
	w.t.Helper()
	var list []cloud.Event
	w.ok(w.DB.Update(w.t.Context(), func(tx *store.Tx) error {
		_, err := tx.NumberEvents(store.MaxLimit)
		return err
	}))
	w.ok(w.view(w.t.Context(), func(tx *store.Tx) (err error) {
		list, _, err = tx.Events(store.Query{Limit: store.MaxLimit, Visible: store.Everything, Filter: []string{"action=" + action}})
		return err
	}))
	return list
}

// exec runs a statement behind the store's back.
func (w *world) exec(query string) {
	w.t.Helper()
	storetest.Exec(w.t, w.DB, query)
}

func text(n cloud.Time) string { return strconv.FormatInt(int64(n), 10) }
