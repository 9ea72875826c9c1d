package rest

import (
	"strings"
	"testing"
	"time"

	"atoll/api"
	"atoll/internal/pki"
)

// browse is what a session's cookie and CSRF token are sent as.
func browse(cookie, csrf string) []string { return []string{"Cookie", cookie, csrfHeader, csrf} }

func (w *world) code(secret string, from time.Duration) string {
	w.t.Helper()
	code, err := pki.TOTP(secret, time.Now().Add(from))
	w.ok(err)
	return code
}

// TestSecondFactor enrols a second factor that the settings want, as the portal does.
func TestSecondFactor(t *testing.T) {
	w := newWorld(t)
	w.user("ada", "", "reader")
	w.do(w.admin, "PUT", "/api/v1/settings", `{"second_factor":"all"}`).status(200)
	_, s, cookie := w.login("ada", "correct horse battery")
	as := browse(cookie, s.CSRF)
	if !s.Enrol {
		t.Error("the login does not say that a second factor is missing")
	}
	for _, path := range []string{"/machines", "/sessions", "/users/ada", "/events", "/search?q=x", "/tokens", "/settings"} {
		w.get("", "/api/v1"+path, as...).problem(403, "second-factor-missing", "")
	}
	w.post("", "/api/v1/tokens", `{"name":"around"}`, as...).problem(403, "second-factor-missing", "")
	w.get("", "/octopod/x/api/v1/deployments", as...).status(403)
	w.get("", "/api/v1/events", append(as, "Upgrade", "websocket", "Connection", "Upgrade")...).problem(403, "second-factor-missing", "")
	w.get("", "/api/v1/branding", as...).status(200)
	var me api.Me
	w.get("", "/api/v1/me", as...).read(&me)
	if me.SecondFactor != (api.SecondFactor{Required: true, Enrol: true}) || me.CSRF != s.CSRF {
		t.Errorf("me is %+v", me)
	}
	w.post("", "/api/v1/me/totp", `{}`, "Cookie", cookie).problem(403, "denied", "") // no CSRF token
	w.post("", "/api/v1/me/totp/confirm", `{"code":"123456"}`, as...).problem(409, "conflict", "")
	var secret api.TOTPSecret
	a := w.post("", "/api/v1/me/totp", `{}`, as...)
	a.status(201)
	a.read(&secret)
	if !strings.HasPrefix(secret.OTPAuthURI, "otpauth://totp/Atoll:ada?") || !strings.Contains(secret.OTPAuthURI, secret.Secret) {
		t.Errorf("secret %+v", secret)
	}
	w.post("", "/api/v1/me/totp/confirm", `{"code":"12345x"}`, as...).problem(422, "invalid", "code")
	var codes api.RecoveryCodes
	a = w.post("", "/api/v1/me/totp/confirm", api.TOTPCode{Code: w.code(secret.Secret, 0)}, as...)
	a.status(200)
	a.read(&codes)
	if len(codes.RecoveryCodes) != 10 {
		t.Errorf("codes %v", codes)
	}
	w.get("", "/api/v1/machines", as...).status(200)

	wrong, _, _ := w.login("ada", "correct horse battery")
	wrong.problem(401, "second-factor", "")
	try := func(code string) *answered {
		return w.post("", "/api/v1/login", api.Login{Name: "ada", Password: "correct horse battery", Code: code})
	}
	try("000000").problem(401, "second-factor", "code")
	try(w.code(secret.Secret, 30*time.Second)).status(201)
	try(w.code(secret.Secret, 30*time.Second)).problem(401, "second-factor", "code")
	try(codes.RecoveryCodes[9]).status(201)
	w.post("", "/api/v1/me/totp/disable", api.TOTPCode{Code: codes.RecoveryCodes[8]}, as...).problem(409, "conflict", "")
	w.do(w.admin, "PUT", "/api/v1/settings", `{}`).status(200)
	a = w.post("", "/api/v1/me/totp/recovery-codes", api.TOTPCode{Code: codes.RecoveryCodes[7]}, as...)
	a.status(200)
	a.read(&codes)
	w.post("", "/api/v1/me/totp/disable", api.TOTPCode{Code: "nonsense"}, as...).problem(422, "invalid", "code")
	w.post("", "/api/v1/me/totp/disable", api.TOTPCode{Code: codes.RecoveryCodes[0]}, as...).status(204)
	if strings.Contains(w.logged(), secret.Secret) || strings.Contains(w.logged(), codes.RecoveryCodes[1]) {
		t.Error("the log has a secret")
	}
}

func TestResetSecondFactor(t *testing.T) {
	w := newWorld(t)
	w.user("ada", "", "")
	_, s, cookie := w.login("ada", "correct horse battery")
	as := browse(cookie, s.CSRF)
	var secret api.TOTPSecret
	w.post("", "/api/v1/me/totp", `{}`, as...).read(&secret)
	w.post("", "/api/v1/me/totp/confirm", api.TOTPCode{Code: w.code(secret.Secret, 0)}, as...).status(200)
	var u api.User
	w.get(w.admin, "/api/v1/users/ada").read(&u)
	if !u.TwoFactor {
		t.Errorf("user %+v", u)
	}
	w.do(w.admin, "DELETE", "/api/v1/users/ada/totp", nil).status(204)
	w.get("", "/api/v1/me", as...).problem(401, "unauthenticated", "")
	if a, _, _ := w.login("ada", "correct horse battery"); a.StatusCode != 201 {
		t.Errorf("login after the reset: %s", a.text)
	}
	w.do(w.admin, "DELETE", "/api/v1/users/ada/totp", nil).problem(409, "conflict", "")
}

// TestOwnAffairs is what people do about themselves in the portal, with a session.
func TestOwnAffairs(t *testing.T) {
	w := newWorld(t)
	w.user("ada", "", "writer")
	_, s, cookie := w.login("ada", "correct horse battery")
	_, other, second := w.login("ada", "correct horse battery")
	as := browse(cookie, s.CSRF)

	var me api.Me
	w.get("", "/api/v1/me", as...).read(&me)
	if len(me.Memberships) != 1 || me.Memberships[0].Account != "default" || me.Memberships[0].Role != "writer" {
		t.Errorf("memberships %+v", me.Memberships)
	}
	writer := me.Permissions.Roles["writer"]
	if len(me.Permissions.Roles) != 1 || strings.Join(writer["machine"], " ") != "read create update delete execute" || len(writer["node"]) != 0 {
		t.Errorf("permissions of a writer: %+v", me.Permissions.Roles)
	}
	if got := me.Permissions.Installation; strings.Join(got["size"], " ") != "read" || len(got["machine"]) != 0 {
		t.Errorf("permissions of everybody: %+v", got)
	}
	w.get(w.admin, "/api/v1/me").read(&me)
	if got := me.Permissions.Installation; strings.Join(got["settings"], " ") != "read create update delete execute manage" {
		t.Errorf("permissions of an admin: %+v", got["settings"])
	}

	w.do("", "DELETE", "/api/v1/sessions/"+other.Session.ID, nil, "Cookie", cookie).problem(403, "denied", "")
	w.do("", "DELETE", "/api/v1/sessions/"+other.Session.ID, nil, as...).status(204)
	w.get("", "/api/v1/me", "Cookie", second).problem(401, "unauthenticated", "")
	_, _, third := w.login("ada", "correct horse battery")
	const path, good = "/api/v1/users/ada/password", `{"old_password":"correct horse battery","password":"another horse battery"}`
	w.post("", path, good, "Cookie", cookie).problem(403, "denied", "")
	w.post("", path, `{"old_password":"wrong","password":"another horse battery"}`, as...).problem(422, "invalid", "old_password")
	w.post("", path, good, as...).status(204)
	w.get("", "/api/v1/me", "Cookie", third).problem(401, "unauthenticated", "") // the others end
	w.get("", "/api/v1/me", as...).status(200)

	var tok api.TokenCreated
	w.post("", "/api/v1/tokens", `{"name":"laptop"}`, "Cookie", cookie).problem(403, "denied", "")
	a := w.post("", "/api/v1/tokens", `{"name":"laptop"}`, as...)
	a.status(201)
	a.read(&tok)
	w.get(tok.Secret, "/api/v1/me").status(200)
	var list api.Page[api.Token]
	w.get("", "/api/v1/tokens", as...).read(&list)
	if len(list.Items) != 2 {
		t.Errorf("tokens %+v", list.Items)
	}
	w.do("", "DELETE", "/api/v1/tokens/"+tok.ID, nil, as...).status(204)
	w.get(tok.Secret, "/api/v1/me").problem(401, "unauthenticated", "")
}
