package control

import (
	"strings"
	"sync"
	"testing"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/pki"
	"atoll/internal/store"
)

const goodPassword = "correct horse battery"

// person makes a user with the good password.
func (w *world) person(name string) *cloud.User {
	w.t.Helper()
	u := &cloud.User{Name: name}
	w.ok(w.CreateUser(w.t.Context(), w.root, u, goodPassword))
	return u
}

func (w *world) login(name, password string) (string, *cloud.Session, error) {
	return w.Login(w.t.Context(), Login{Name: name, Password: password, Address: "192.0.2.1", Agent: "test\x1b[31m"})
}

func TestLockFor(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]time.Duration{
		10: time.Minute, 11: 2 * time.Minute, 15: 32 * time.Minute, 16: time.Hour, 1 << 40: time.Hour,
	} {
		if got := lockFor(n); got != want {
			t.Errorf("lockFor(%d) = %s, want %s", n, got, want)
		}
	}
}

func TestSessionLife(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		bob := w.person("bob")
		secret, s, err := w.login("bob", goodPassword)
		w.ok(err)
		if s.CSRF == "" || s.Hash != pki.HashToken(secret) || s.UserAgent != "test[31m" {
			t.Errorf("session %+v", s)
		}
		r := w.with(secret)
		if r.User.ID != bob.ID || r.CSRF != s.CSRF || r.Credential != string(s.ID) || r.ReadOnly {
			t.Errorf("request %+v", r)
		}
		second, _, err := w.login("bob", goodPassword)
		w.ok(err)
		list, _, err := w.Sessions(ctx, r, bob.ID, store.Query{})
		w.ok(err)
		if len(list) != 2 {
			t.Errorf("%d sessions, want 2", len(list))
		}
		other := w.as(w.user("eve", ""))
		_, _, err = w.Sessions(ctx, other, bob.ID, store.Query{})
		w.fails("another's sessions", err, cloud.NotFound)
		absentID := cloud.NewID[cloud.SessionID]()
		w.hidden("end another's session", w.EndSession(ctx, other, s.ID), w.EndSession(ctx, other, absentID), string(s.ID), string(absentID))
		w.fails("logout with a token", w.Logout(ctx, other), cloud.Invalid)

		w.ok(w.Logout(ctx, r))
		_, err = w.Authenticate(ctx, secret)
		w.fails("after logout", err, cloud.Unauthenticated)
		w.with(second)
		w.exec("UPDATE sessions SET expires_at = 1")
		w.auth.forget()
		_, err = w.Authenticate(ctx, second)
		w.fails("expired", err, cloud.Unauthenticated)
		if n := len(w.events("login")); n != 2 {
			t.Errorf("%d events of logins, want 2", n)
		}
	})
}

func TestLoginRevealsNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		w.person("bob")
		w.user("empty", "") // no password
		a := w.account("acme")
		w.service(a, "robot")
		w.person("locked")
		w.exec("UPDATE users SET failed_logins = 12, locked_until = " + text(cloud.Now().Add(time.Hour)) + " WHERE name = 'locked'")
		want := ""
		for _, try := range [][2]string{
			{"bob", "wrong password"},
			{"nobody", "wrong password"},
			{"empty", ""},
			{"robot", "x"},
			{"locked", "wrong password"},
			{"locked", goodPassword},
			{"", ""},
			{"bob", strings.Repeat("x", 5000)},
		} {
			secret, _, err := w.login(try[0], try[1])
			w.fails("login "+try[0], err, cloud.Unauthenticated)
			if want == "" {
				want = err.Error()
			}
			if secret != "" || err.Error() != want {
				t.Errorf("login %s: %q, %q; want %q", try[0], secret, err, want)
			}
		}
		list := w.events("login")
		if len(list) != 8 {
			t.Errorf("%d events, want 8", len(list))
		}
		for _, e := range list {
			if e.Class != cloud.ClassAuth || e.Outcome != cloud.OutcomeRefused || e.Address != "192.0.2.1" || strings.Contains(e.SubjectName, "nobody") {
				t.Errorf("event %+v", e)
			}
		}
		// While locked out, failures do not make it longer.
		u, err := w.User(t.Context(), w.root, "locked")
		w.ok(err)
		if u.FailedLogins != 12 {
			t.Errorf("failures while locked out: %d, want 12", u.FailedLogins)
		}
	})
}

func TestLockout(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		w.person("bob")
		w.exec("UPDATE users SET failed_logins = 8")
		before, err := w.User(t.Context(), w.root, "bob")
		w.ok(err)
		var wg sync.WaitGroup
		for range 4 { // at once: the ninth and tenth count, the others meet the lock
			wg.Go(func() {
				_, _, err := w.login("bob", "wrong password")
				w.fails("wrong", err, cloud.Unauthenticated)
			})
		}
		wg.Wait()
		u, err := w.User(t.Context(), w.root, "bob")
		w.ok(err)
		if u.FailedLogins != 10 || u.LockedUntil.Sub(cloud.Now()) < 50*time.Second || u.Version != before.Version {
			t.Errorf("after ten failures: %d, locked for %s, version %d", u.FailedLogins, u.LockedUntil.Sub(cloud.Now()), u.Version)
		}
		if n := len(w.events("user.lockout")); n != 1 {
			t.Errorf("%d events of lockouts, want 1", n)
		}
		_, _, err = w.login("bob", goodPassword)
		w.fails("right password while locked out", err, cloud.Unauthenticated)

		w.exec("UPDATE users SET locked_until = 1") // the minute has passed
		_, _, err = w.login("bob", "wrong password")
		w.fails("the eleventh", err, cloud.Unauthenticated)
		if u, err = w.User(t.Context(), w.root, "bob"); err != nil || u.LockedUntil.Sub(cloud.Now()) < 110*time.Second {
			t.Errorf("after eleven failures: locked for %s, %v", u.LockedUntil.Sub(cloud.Now()), err)
		}
		w.exec("UPDATE users SET locked_until = 1")
		_, _, err = w.login("bob", goodPassword)
		w.ok(err)
		if u, err = w.User(t.Context(), w.root, "bob"); err != nil || u.FailedLogins != 0 || u.LastLoginAt == 0 {
			t.Errorf("after the login: %+v, %v", u, err)
		}
	})
}

func TestDisabledUser(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		bob := w.person("bob")
		cookie, _, err := w.login("bob", goodPassword)
		w.ok(err)
		token := w.token(bob, cloud.Token{Name: "ci"})
		w.with(cookie)
		w.with(token)
		_, err = w.SetUserDisabled(ctx, w.root, "bob", true)
		w.ok(err)
		for _, secret := range []string{cookie, token} {
			_, err = w.Authenticate(ctx, secret) // at once
			w.fails("disabled", err, cloud.Unauthenticated)
		}
		_, _, err = w.login("bob", "wrong password")
		w.fails("wrong password", err, cloud.Unauthenticated)
		_, _, err = w.login("bob", goodPassword)
		w.fails("right password", err, cloud.Denied)
		_, err = w.SetUserDisabled(ctx, w.root, "bob", false)
		w.ok(err)
		w.with(token)
		_, err = w.Authenticate(ctx, cookie)
		w.fails("session from before", err, cloud.Unauthenticated)
	})
}
