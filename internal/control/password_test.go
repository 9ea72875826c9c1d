package control

import (
	"strings"
	"testing"

	"atoll/internal/cloud"
)

const newPassword = "another horse entirely"

func TestOwnPassword(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.person("bob")
		mine, _, err := w.login("bob", goodPassword)
		w.ok(err)
		elsewhere, _, err := w.login("bob", goodPassword)
		w.ok(err)
		r := w.with(mine)
		w.with(elsewhere)
		w.fails("wrong old one", w.SetPassword(ctx, r, "bob", "wrong password", newPassword), cloud.Invalid)
		w.fails("short new one", w.SetPassword(ctx, r, "bob", goodPassword, "short"), cloud.Invalid)
		u, err := w.User(ctx, w.root, "bob")
		w.ok(err)
		w.ok(w.SetPassword(ctx, r, "bob", goodPassword, newPassword))
		if after, err := w.User(ctx, w.root, "bob"); err != nil || after.PasswordHash == u.PasswordHash || !strings.HasPrefix(after.PasswordHash, "$argon2id$") {
			t.Errorf("stored: %+v, %v", after, err)
		}
		w.with(mine)
		_, err = w.Authenticate(ctx, elsewhere)
		w.fails("another session", err, cloud.Unauthenticated)
		_, _, err = w.login("bob", goodPassword)
		w.fails("the old one", err, cloud.Unauthenticated)
		for _, e := range w.events("user.password") {
			if strings.Contains(string(e.Difference), "argon2id") {
				t.Errorf("the event holds the hash: %s", e.Difference)
			}
		}
		// A stolen session cannot guess without end.
		w.exec("UPDATE users SET failed_logins = 9")
		w.fails("the tenth wrong one", w.SetPassword(ctx, r, "bob", "wrong password", goodPassword), cloud.Invalid)
		w.fails("locked out", w.SetPassword(ctx, r, "bob", newPassword, goodPassword), cloud.Invalid)
	})
}

func TestPasswordOfOthers(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.person("bob")
		cookie, _, err := w.login("bob", goodPassword)
		w.ok(err)
		w.exec("UPDATE users SET failed_logins = 20, locked_until = 9000000000000000")
		w.fails("stranger", w.SetPassword(ctx, w.as(w.user("eve", "")), "bob", goodPassword, newPassword), cloud.NotFound)
		w.fails("operator", w.SetPassword(ctx, w.as(w.user("olga", cloud.InstallationOperator)), "bob", goodPassword, newPassword), cloud.Denied)
		w.ok(w.SetPassword(ctx, w.as(w.user("root", cloud.InstallationAdmin)), "bob", "", newPassword))
		_, err = w.Authenticate(ctx, cookie)
		w.fails("session from before", err, cloud.Unauthenticated)
		_, _, err = w.login("bob", newPassword) // also ends the lockout
		w.ok(err)
	})
}

func TestSetupLink(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.user("bob", "")
		first, _, err := w.NewSetupLink(ctx, w.as(w.user("olga", cloud.InstallationOperator)), "bob")
		w.ok(err)
		secret, expires, err := w.NewSetupLink(ctx, w.root, "bob")
		w.ok(err)
		if left := expires.Sub(cloud.Now()); left > setupLife || left < setupLife/2 {
			t.Errorf("the link expires in %s", left)
		}
		use := func(secret, password string) error {
			_, err := w.UseSetupLink(ctx, secret, password, "192.0.2.1")
			return err
		}
		w.fails("replaced link", use(first, goodPassword), cloud.Unauthenticated)
		w.fails("no link", use("", goodPassword), cloud.Unauthenticated)
		w.fails("short password", use(secret, "short"), cloud.Invalid)
		w.ok(use(secret, goodPassword)) // a refused password did not use it up
		w.fails("used link", use(secret, newPassword), cloud.Unauthenticated)
		_, _, err = w.login("bob", goodPassword)
		w.ok(err)
		secret, _, err = w.NewSetupLink(ctx, w.root, "bob")
		w.ok(err)
		w.exec("UPDATE users SET setup_expires = 1")
		w.fails("expired link", use(secret, newPassword), cloud.Unauthenticated)
		if n := len(w.events("user.setup")); n != 1 {
			t.Errorf("%d events, want 1", n)
		}
	})
}
