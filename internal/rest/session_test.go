package rest

import (
	"net/http"
	"strings"
	"testing"

	"atoll/api"
)

func (w *world) login(name, password string, headers ...string) (*answered, api.SessionCreated, string) {
	w.t.Helper()
	a := w.post("", "/api/v1/login", api.Login{Name: name, Password: password}, headers...)
	var s api.SessionCreated
	if a.StatusCode != http.StatusCreated {
		return a, s, ""
	}
	a.read(&s)
	return a, s, strings.SplitN(a.Header.Get("Set-Cookie"), ";", 2)[0]
}

func TestSessions(t *testing.T) {
	w := newWorld(t)
	w.user("ada", "", "admin")
	a, s, cookie := w.login("ada", "correct horse battery")
	a.status(201)
	set := a.Header.Get("Set-Cookie")
	for _, want := range []string{"atoll_session=atoll_session_", "HttpOnly", "SameSite=Lax", "Path=/"} {
		if !strings.Contains(set, want) {
			t.Errorf("the cookie %q lacks %s", set, want)
		}
	}
	if strings.Contains(a.text, strings.TrimPrefix(cookie, "atoll_session=")) {
		t.Error("the body has the cookie's secret: scripts of a page could read it")
	}
	var me api.Me
	w.get("", "/api/v1/me", "Cookie", cookie).read(&me)
	if me.User.Name != "ada" || me.CSRF != s.CSRF || s.CSRF == "" {
		t.Errorf("me is %+v", me)
	}
	body := `{"account":"default","name":"k","public_key":"` + testKey + `"}`
	w.post("", "/api/v1/ssh-keys", body, "Cookie", cookie).problem(403, "denied", "")
	w.post("", "/api/v1/ssh-keys", body, "Cookie", cookie, csrfHeader, "wrong").problem(403, "denied", "")
	w.post("", "/api/v1/ssh-keys", body, "Cookie", cookie, csrfHeader, s.CSRF, "Origin", "http://evil.test").problem(403, "denied", "")
	w.post("", "/api/v1/ssh-keys", body, "Cookie", cookie, csrfHeader, s.CSRF, "Sec-Fetch-Site", "cross-site").problem(403, "denied", "")
	w.post("", "/api/v1/ssh-keys", body, "Cookie", cookie, csrfHeader, s.CSRF, "Origin", w.server.URL).status(201)
	var list api.Page[api.Session]
	w.get("", "/api/v1/sessions", "Cookie", cookie).read(&list)
	if len(list.Items) != 1 || !list.Items[0].Current {
		t.Errorf("sessions are %+v", list.Items)
	}
	out := w.post("", "/api/v1/logout", nil, "Cookie", cookie, csrfHeader, s.CSRF)
	out.status(204)
	if c := out.Header.Get("Set-Cookie"); !strings.Contains(c, "Max-Age=0") {
		t.Errorf("logout sets the cookie %q", c)
	}
	w.get("", "/api/v1/me", "Cookie", cookie).problem(401, "unauthenticated", "")
	// An old cookie does not keep anybody from logging in.
	if a, _, _ := w.login("ada", "correct horse battery", "Cookie", cookie); a.StatusCode != 201 {
		t.Errorf("login with an old cookie: %d %s", a.StatusCode, a.text)
	}
	if strings.Contains(w.logged(), "correct horse") || strings.Contains(w.logged(), strings.TrimPrefix(cookie, "atoll_session=")) {
		t.Error("the log has a secret")
	}
}

func TestLoginRefused(t *testing.T) {
	w := newWorld(t)
	w.user("ada", "", "")
	wrong, _, _ := w.login("ada", "wrong password")
	wrong.problem(401, "unauthenticated", "")
	absent, _, _ := w.login("nobody", "wrong password")
	absent.problem(401, "unauthenticated", "")
	w.post("", "/api/v1/login", api.Login{Name: "ada", Password: "correct horse battery"}, "Origin", "http://evil.test").problem(403, "denied", "")
	w.post("", "/api/v1/login", `{"name":"ada"}`).problem(422, "invalid", "password")
}

func TestCookieIsSecureBehindTLS(t *testing.T) {
	w := newWorldWith(t, Config{PublicURL: "https://cloud.example.org"})
	w.user("ada", "", "")
	a, _, _ := w.login("ada", "correct horse battery", "Origin", "https://cloud.example.org")
	a.status(201)
	if !strings.Contains(a.Header.Get("Set-Cookie"), "; Secure") {
		t.Errorf("the cookie is %q", a.Header.Get("Set-Cookie"))
	}
}

func TestSetupLink(t *testing.T) {
	w := newWorld(t)
	var u api.UserCreated
	a := w.post(w.admin, "/api/v1/users", `{"name":"ada"}`)
	a.status(201)
	a.read(&u)
	if !strings.HasPrefix(u.SetupURL, "http://atoll.test/setup#") || u.SetupSecret == "" || u.HasPassword {
		t.Fatalf("user is %+v", u)
	}
	w.post("", "/api/v1/setup", api.Setup{Secret: u.SetupSecret, Password: "short"}).problem(422, "invalid", "password")
	a = w.post("", "/api/v1/setup", api.Setup{Secret: u.SetupSecret, Password: "correct horse battery"})
	a.status(201)
	if a.Header.Get("Set-Cookie") == "" {
		t.Error("set-up does not log in")
	}
	w.post("", "/api/v1/setup", api.Setup{Secret: u.SetupSecret, Password: "correct horse battery"}).problem(401, "unauthenticated", "")
	if a, _, _ := w.login("ada", "correct horse battery"); a.StatusCode != 201 {
		t.Errorf("login: %s", a.text)
	}
	w.post(w.admin, "/api/v1/users/ada/password", `{"password":"another horse battery"}`).status(204)
	if a, _, _ := w.login("ada", "another horse battery"); a.StatusCode != 201 {
		t.Errorf("login with the new password: %s", a.text)
	}
}
