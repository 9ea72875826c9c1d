package control

import (
	"strings"
	"sync"
	"testing"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/pki"
)

// code is one of the secret at a time from now.
func (w *world) code(secret string, from time.Duration) string {
	w.t.Helper()
	code, err := pki.TOTP(secret, time.Now().Add(from))
	w.ok(err)
	return code
}

// enrolled makes a person with a second factor, and returns a session, the secret and
// the recovery codes. The present step of codes is used.
func (w *world) enrolled(name string) (r *Request, secret string, recovery []string) {
	w.t.Helper()
	ctx := w.t.Context()
	w.person(name)
	cookie, _, err := w.login(name, goodPassword)
	w.ok(err)
	r = w.with(cookie)
	secret, uri, err := w.EnrolTOTP(ctx, r, "", "")
	w.ok(err)
	if !strings.Contains(uri, secret) || !strings.Contains(uri, "Atoll:"+name) {
		w.t.Errorf("URI %s", uri)
	}
	_, _, err = w.login(name, goodPassword) // does not count yet
	w.ok(err)
	_, err = w.ConfirmTOTP(ctx, r, "000000")
	w.fails("confirm with a wrong code", err, cloud.Invalid)
	recovery, err = w.ConfirmTOTP(ctx, r, w.code(secret, 0))
	w.ok(err)
	return r, secret, recovery
}

func (w *world) loginWith(name, code string) error {
	_, _, err := w.Login(w.t.Context(), Login{Name: name, Password: goodPassword, Code: code, Address: "192.0.2.1"})
	return err
}

func TestSecondFactor(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		r, secret, recovery := w.enrolled("bob")
		next := w.code(secret, 30*time.Second)
		w.fails("no code", w.loginWith("bob", ""), cloud.SecondFactor)
		w.fails("used when it was confirmed", w.loginWith("bob", w.code(secret, 0)), cloud.SecondFactor)
		w.fails("too old", w.loginWith("bob", w.code(secret, -90*time.Second)), cloud.SecondFactor)
		_, _, err := w.Login(ctx, Login{Name: "bob", Password: "wrong password", Code: next})
		w.fails("wrong password", err, cloud.Unauthenticated)
		w.ok(w.loginWith("bob", next[:3]+" "+next[3:]))
		w.fails("replayed", w.loginWith("bob", next), cloud.SecondFactor)

		w.ok(w.loginWith("bob", strings.ToUpper(recovery[0])))
		w.fails("recovery code again", w.loginWith("bob", recovery[0]), cloud.SecondFactor)
		f, err := w.SecondFactor(ctx, r)
		w.ok(err)
		if len(recovery) != 10 || f != (SecondFactor{Enabled: true, RecoveryCodes: 9}) {
			t.Errorf("state %+v after one of %v", f, recovery)
		}
		fresh, err := w.NewRecoveryCodes(ctx, r, recovery[1])
		w.ok(err)
		w.fails("code of the old set", w.loginWith("bob", recovery[2]), cloud.SecondFactor)
		w.ok(w.loginWith("bob", fresh[0]))

		_, _, err = w.EnrolTOTP(ctx, r, "", "")
		w.fails("replace without a code", err, cloud.Invalid)
		other, _, err := w.EnrolTOTP(ctx, r, "", fresh[1])
		w.ok(err)
		_, err = w.ConfirmTOTP(ctx, r, w.code(other, 0))
		w.ok(err)
		w.fails("code of the old secret", w.loginWith("bob", w.code(secret, 30*time.Second)), cloud.SecondFactor)
		w.fails("disable with a wrong code", w.DisableTOTP(ctx, r, "123"), cloud.Invalid)
		w.ok(w.DisableTOTP(ctx, r, w.code(other, 30*time.Second)))
		w.ok(w.loginWith("bob", ""))
		w.fails("disable again", w.DisableTOTP(ctx, r, ""), cloud.Conflict)
		for _, e := range w.events("user.totp-enable") {
			if e.Difference != nil || e.SubjectName != "bob" {
				t.Errorf("event %+v", e)
			}
		}
		if n := len(w.events("user.totp-disable")); n != 2 { // one for the wrong code
			t.Errorf("%d events of the end, want 2", n)
		}
		if w.contains(secret) || w.contains(other) || w.contains(recovery[3]) {
			t.Error("the database has a secret in clear")
		}
	})
}

// contains reports whether the users' table has the text.
func (w *world) contains(text string) bool {
	w.t.Helper()
	u, err := w.User(w.t.Context(), w.root, "bob")
	w.ok(err)
	return strings.Contains(strings.Join(append(u.RecoveryCodes, u.TOTPSecret, u.TOTPPending), " "), text)
}

func TestSecondFactorLockout(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		_, secret, _ := w.enrolled("bob")
		w.exec("UPDATE users SET failed_logins = 8 WHERE name = 'bob'")
		w.fails("no code", w.loginWith("bob", ""), cloud.SecondFactor) // neither counts nor forgets
		w.fails("ninth", w.loginWith("bob", "000000"), cloud.SecondFactor)
		w.fails("no code", w.loginWith("bob", ""), cloud.SecondFactor)
		w.fails("tenth", w.loginWith("bob", "000000"), cloud.SecondFactor)
		w.fails("locked out", w.loginWith("bob", w.code(secret, 30*time.Second)), cloud.Unauthenticated)
		if n := len(w.events("user.lockout")); n != 1 {
			t.Errorf("%d events of lockouts, want 1", n)
		}
	})
}

// TestOneCodeOneLogin: of many logins with one code at the same time one succeeds.
func TestOneCodeOneLogin(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		_, secret, recovery := w.enrolled("bob")
		for _, code := range []string{w.code(secret, 30*time.Second), recovery[0]} {
			var wg sync.WaitGroup
			good := make(chan bool, 6)
			for range cap(good) {
				wg.Go(func() { good <- w.loginWith("bob", code) == nil })
			}
			wg.Wait()
			n := 0
			for range cap(good) {
				if <-good {
					n++
				}
			}
			if n != 1 {
				t.Errorf("%d logins with the code %s, want 1", n, code)
			}
		}
	})
}

func TestSecondFactorRequired(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.person("bob")
		cookie, _, err := w.login("bob", goodPassword)
		w.ok(err)
		w.with(cookie)
		ann := w.user("ann", "")
		_, err = w.UpdateSettings(ctx, w.root, cloud.Settings{SecondFactor: cloud.SecondFactorStaff})
		w.ok(err)
		w.with(cookie) // is no staff
		_, err = w.UpdateSettings(ctx, w.root, cloud.Settings{SecondFactor: cloud.SecondFactorAll})
		w.ok(err)
		_, err = w.Authenticate(ctx, cookie)
		w.fails("a session from before", err, cloud.SecondFactorMissing)
		w.as(ann) // programs go on
		r, err := w.AuthenticateToEnrol(ctx, cookie)
		w.ok(err)
		if !r.Enrol {
			t.Error("the session is a full one")
		}
		secret, _, err := w.EnrolTOTP(ctx, r, "", "")
		w.ok(err)
		_, err = w.ConfirmTOTP(ctx, r, w.code(secret, 0))
		w.ok(err)
		full := w.with(cookie)
		w.fails("end what is required", w.DisableTOTP(ctx, full, w.code(secret, 30*time.Second)), cloud.Conflict)
		f, err := w.SecondFactor(ctx, full)
		w.ok(err)
		if !f.Enabled || !f.Required {
			t.Errorf("state %+v", f)
		}
	})
}

func TestEnrolNeedsThePassword(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.person("bob")
		cookie, _, err := w.login("bob", goodPassword)
		w.ok(err)
		r := w.with(cookie)
		r.SignedInAt = cloud.Now().Add(-time.Hour)
		_, _, err = w.EnrolTOTP(ctx, r, "", "")
		w.fails("an old session", err, cloud.Invalid)
		_, _, err = w.EnrolTOTP(ctx, r, "wrong password", "")
		w.fails("with a wrong password", err, cloud.Invalid)
		_, _, err = w.EnrolTOTP(ctx, r, goodPassword, "")
		w.ok(err)
		_, _, err = w.EnrolTOTP(ctx, w.as(w.user("ann", "")), "", "")
		w.fails("without a password there is no second factor", err, cloud.Conflict)
		_, err = w.ConfirmTOTP(ctx, w.as(w.user("eve", "")), "000000")
		w.fails("confirm what is not under way", err, cloud.Conflict)
	})
}

func TestResetSecondFactor(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		r, _, _ := w.enrolled("bob")
		op := w.as(w.user("op", cloud.InstallationOperator))
		w.fails("an operator", w.ResetTOTP(ctx, op, "bob"), cloud.Denied)
		w.fails("oneself", w.ResetTOTP(ctx, r, "bob"), cloud.Denied)
		w.ok(w.ResetTOTP(ctx, w.root, "bob"))
		w.ok(w.loginWith("bob", ""))
		w.fails("again", w.ResetTOTP(ctx, w.root, "bob"), cloud.Conflict)
		list := w.events("user.totp-reset")
		if len(list) == 0 || list[len(list)-1].SubjectName != "bob" {
			t.Errorf("events %+v", list)
		}
	})
}
