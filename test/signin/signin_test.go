// Package signin_test signs people in through a real OpenID Connect provider, a
// process of its own, at a real controller, as a browser does it. It must never
// reach past their listeners, into a store or a package.
package signin_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"atoll/api"
	"atoll/test/program"
)

// person is one at the provider.
type person struct {
	ID, Username, Password, FirstName, LastName, Email string
	EmailVerified                                      bool
	Groups                                             []string
}

// world is a controller and a provider.
type world struct {
	t        *testing.T
	atoll    string // URL
	issuer   string
	admin    string // token
	file     string // of the people
	people   map[string]*person
	provider *exec.Cmd
	log      *logged
}

type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write keeps a part of the log.
func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

const config = `
data: %[1]s/data
listen: 127.0.0.1:0
agent-listen: 127.0.0.1:0
sign-in:
  - {name: corp, label: Corporate account, issuer: "%[2]s", client-id: atoll, client-secret-file: %[1]s/secret, create-users: true,
     allow-groups: [cloud, ops], roles: [{group: ops, role: operator}],
     memberships: [{group: dev, account: default, role: writer}, {group: lead, account: default, role: admin}, {group: dev, account: none, role: reader}]}
  - {name: linking, issuer: "%[2]s", client-id: atoll, client-secret-file: %[1]s/secret, link-by-email: true}
  - {name: domain, issuer: "%[2]s", client-id: atoll, client-secret-file: %[1]s/secret, create-users: true, allow-domains: [corp.test]}
  - {name: strict, issuer: "%[2]s", client-id: atoll, client-secret-file: %[1]s/secret, create-users: true, amr: [otp]}
  - {name: nonce, issuer: "%[2]s", client-id: wrong-nonce, client-secret-file: %[1]s/secret, create-users: true}
  - {name: old, issuer: "%[2]s", client-id: expired, client-secret-file: %[1]s/secret, create-users: true}
  - {name: wrong-secret, issuer: "%[2]s", client-id: atoll, client-secret-file: %[1]s/server.yaml, create-users: true}
`

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{t: t, file: filepath.Join(dir, "people.json"), people: map[string]*person{}, log: &logged{}}
	w.person("ada", "cloud", "dev")
	w.startProvider(dir)
	w.write(filepath.Join(dir, "secret"), "secret\n")
	w.write(filepath.Join(dir, "server.yaml"), fmt.Sprintf(config, dir, w.issuer))
	cmd := exec.Command(program.Build(t), "server", "--config", filepath.Join(dir, "server.yaml"))
	lines := w.start(cmd, true)
	ready := regexp.MustCompile(`msg="controller ready" people=(\S+)`)
	for line := range lines {
		if m := ready.FindStringSubmatch(line); m != nil {
			w.atoll = m[1]
			break
		}
	}
	go func() {
		for range lines {
		}
	}()
	if w.atoll == "" {
		t.Fatalf("the controller did not get ready: %s", w.log)
	}
	token, err := os.ReadFile(filepath.Join(dir, "data", "admin.token"))
	w.ok(err)
	w.admin = strings.TrimSpace(string(token))
	return w
}

// startProvider builds and starts the provider, which prints its URL.
func (w *world) startProvider(dir string) {
	w.t.Helper()
	bin := filepath.Join(dir, "oidc")
	build := exec.Command("go", "build", "-o", bin, ".")
	build.Dir = "../oidc"
	if out, err := build.CombinedOutput(); err != nil {
		w.t.Fatalf("build the provider: %v\n%s", err, out)
	}
	w.provider = exec.Command(bin, "--people", w.file)
	lines := w.start(w.provider, false)
	w.issuer = <-lines
	go func() {
		for range lines {
		}
	}()
	if w.issuer == "" {
		w.t.Fatal("the provider did not get ready")
	}
}

// start starts a program, which ends with the test, and returns the lines of its
// log or of its output.
func (w *world) start(cmd *exec.Cmd, log bool) <-chan string {
	w.t.Helper()
	pipe, err := cmd.StdoutPipe()
	if log {
		pipe, err = cmd.StderrPipe()
	}
	w.ok(err)
	w.ok(cmd.Start())
	lines := make(chan string)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(lines)
		var from io.Reader = pipe
		if log {
			from = io.TeeReader(pipe, w.log)
		}
		scan := bufio.NewScanner(from)
		scan.Buffer(nil, 1<<20)
		for scan.Scan() {
			lines <- scan.Text()
		}
	}()
	w.t.Cleanup(func() {
		if cmd.ProcessState == nil {
			w.ok(cmd.Process.Signal(syscall.SIGTERM))
			<-done
			cmd.Wait() // the provider knows no other end than by a signal
		}
	})
	return lines
}

func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) write(file, text string) {
	w.t.Helper()
	w.ok(os.WriteFile(file, []byte(text), 0o600))
}

// person makes or changes a person at the provider.
func (w *world) person(name string, groups ...string) *person {
	w.t.Helper()
	p := w.people["id-"+name]
	if p == nil {
		p = &person{
			ID: "id-" + name, Username: name, Password: "secret of " + name, FirstName: strings.ToUpper(name), LastName: "Test",
			Email: name + "@corp.test", EmailVerified: true,
		}
		w.people[p.ID] = p
	}
	p.Groups = groups
	w.save()
	return p
}

func (w *world) save() {
	w.t.Helper()
	text, err := json.Marshal(w.people)
	w.ok(err)
	w.write(w.file+".new", string(text))
	w.ok(os.Rename(w.file+".new", w.file))
}

// call calls the API as the admin.
func (w *world) call(method, path string, in, out any) int {
	w.t.Helper()
	text, err := json.Marshal(in)
	w.ok(err)
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.atoll+"/api/v1"+path, bytes.NewReader(text))
	w.ok(err)
	r.Header.Set("Authorization", "Bearer "+w.admin)
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	w.ok(err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	w.ok(err)
	if out != nil && res.StatusCode < 300 {
		w.ok(json.Unmarshal(body, out))
	}
	return res.StatusCode
}

// browser keeps cookies, and stops at pages of the portal.
type browser struct {
	*world
	http *http.Client
	hops []*url.URL // all that it was sent to
}

func (w *world) browser() *browser {
	w.t.Helper()
	jar, err := cookiejar.New(nil)
	w.ok(err)
	b := &browser{world: w, http: &http.Client{Jar: jar}}
	b.http.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		b.hops = append(b.hops, r.URL)
		if strings.HasPrefix(r.URL.String(), w.atoll) && !strings.HasPrefix(r.URL.Path, "/api/") {
			return http.ErrUseLastResponse
		}
		return nil
	}
	return b
}

// get returns the status, the body, and where the browser was sent to last.
func (b *browser) get(address string) (status int, body, to string) {
	b.t.Helper()
	res, err := b.http.Get(address)
	b.ok(err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	b.ok(err)
	return res.StatusCode, string(text), res.Header.Get("Location")
}

var requestID = regexp.MustCompile(`name="id" value="([^"]+)"`)

// begin goes to the provider's form, and returns the id in it.
func (b *browser) begin(provider, returnTo string) (id string) {
	b.t.Helper()
	status, body, to := b.get(b.atoll + "/api/v1/login/oidc/" + provider + "?return_to=" + url.QueryEscape(returnTo))
	m := requestID.FindStringSubmatch(body)
	if m == nil {
		b.t.Fatalf("no form of the provider: %d, sent to %q: %.300s", status, to, body)
	}
	return m[1]
}

// submit fills the provider's form in and returns where the browser is in the end.
func (b *browser) submit(id string, p *person) (to string) {
	b.t.Helper()
	res, err := b.http.PostForm(b.issuer+"login/username", url.Values{"id": {id}, "username": {p.Username}, "password": {p.Password}})
	b.ok(err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	b.ok(err)
	if res.StatusCode != http.StatusSeeOther {
		b.t.Fatalf("the sign-in ends with %d: %.300s", res.StatusCode, text)
	}
	return res.Header.Get("Location")
}

func (b *browser) signIn(provider string, p *person, returnTo string) (to string) {
	b.t.Helper()
	return b.submit(b.begin(provider, returnTo), p)
}

// me is who the session is; false if there is none.
func (b *browser) me() (me api.Me, ok bool) {
	b.t.Helper()
	status, body, _ := b.get(b.atoll + "/api/v1/me")
	if status != 200 {
		return me, false
	}
	b.ok(json.Unmarshal([]byte(body), &me))
	return me, true
}

// refused wants the sign-in to end at the sign-in page with the problem, and
// without a session.
func (b *browser) refused(to, problem string) {
	b.t.Helper()
	u, err := url.Parse(to)
	b.ok(err)
	if u.Path != "/login" || u.Query().Get("problem") != problem || u.Query().Get("request_id") == "" {
		b.t.Errorf("sent to %q, want /login?problem=%s", to, problem)
	}
	if me, ok := b.me(); ok {
		b.t.Errorf("there is a session of %s", me.User.Name)
	}
}

// lastLogin is the newest event of a login.
func (w *world) lastLogin() api.Event {
	w.t.Helper()
	mark := time.Now().String() // events up to the one of this have numbers when it has
	w.call("PATCH", "/users/admin", map[string]string{"full_name": mark}, nil)
	for until := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		var marked, logins api.Page[api.Event]
		w.call("GET", "/events?action=user.update&actor=admin&sort=-seq&limit=1", nil, &marked)
		if len(marked.Items) == 1 && strings.Contains(string(marked.Items[0].Difference), mark) {
			w.call("GET", "/events?action=login&class=auth&sort=-seq&limit=1", nil, &logins)
			return logins.Items[0]
		}
		if time.Now().After(until) {
			w.t.Fatal("events get no numbers")
		}
	}
}

func TestSignIn(t *testing.T) {
	w := newWorld(t)
	ada := w.people["id-ada"]

	t.Run("the page's offer", func(t *testing.T) {
		var list api.SignInProviders
		w.call("GET", "/login/providers", nil, &list)
		if len(list.Items) != 7 || list.Items[0] != (api.SignInProvider{Name: "corp", Label: "Corporate account", URL: "/api/v1/login/oidc/corp"}) {
			t.Errorf("providers %+v", list.Items)
		}
	})
	t.Run("first sign-in makes the user", func(t *testing.T) {
		b := w.browser()
		if to := b.signIn("corp", ada, "/machines?x=1"); to != "/machines?x=1" {
			t.Errorf("sent to %q", to)
		}
		me, _ := b.me()
		if me.User.Name != "ada" || me.User.Email != "ada@corp.test" || me.User.FullName != "ADA Test" || me.Provider != "corp" || me.User.Issuer != w.issuer || me.CSRF == "" {
			t.Errorf("me is %+v", me)
		}
		if len(me.Memberships) != 1 || me.Memberships[0].Account != "default" || me.Memberships[0].Role != "writer" || me.Memberships[0].Provider != "corp" {
			t.Errorf("memberships %+v", me.Memberships)
		}
		if e := w.lastLogin(); e.Outcome != "ok" || e.Message != "by corp" || e.SubjectName != "ada" {
			t.Errorf("event %+v", e)
		}
	})
	t.Run("groups give and take roles", func(t *testing.T) {
		role := func(groups ...string) string {
			b := w.browser()
			b.signIn("corp", w.person("ada", groups...), "")
			me, _ := b.me()
			out := me.User.Role
			for _, m := range me.Memberships {
				out += " " + m.Role
			}
			return out
		}
		for _, tt := range []struct{ groups, want string }{
			{"ops dev lead", "operator admin"}, {"cloud dev lead", " admin"}, {"cloud dev", " writer"}, {"cloud", ""}, {"cloud dev", " writer"},
		} {
			if got := role(strings.Fields(tt.groups)...); got != tt.want {
				t.Errorf("groups %s give %q, want %q", tt.groups, got, tt.want)
			}
		}
	})
	testRefusals(t, w, ada)
	t.Run("linked by address", func(t *testing.T) { testLink(t, w) })
	t.Run("state", func(t *testing.T) { testState(t, w) })
	t.Run("return_to", func(t *testing.T) { testReturnTo(t, w) })
	t.Run("disabled", func(t *testing.T) {
		if status := w.call("PATCH", "/users/ada", map[string]bool{"disabled": true}, nil); status != 200 {
			t.Fatalf("disable: %d", status)
		}
		b := w.browser()
		b.refused(b.signIn("corp", w.person("ada", "cloud"), "/"), "denied")
		if e := w.lastLogin(); e.SubjectName != "ada" || !strings.Contains(e.Message, "disabled") {
			t.Errorf("event %+v", e)
		}
	})
	t.Run("the provider is down", func(t *testing.T) {
		b := w.browser()
		id := b.begin("corp", "/")
		w.ok(w.provider.Process.Signal(syscall.SIGTERM))
		w.provider.Wait() // by the signal
		if _, err := b.http.PostForm(b.issuer+"login/username", url.Values{"id": {id}}); err == nil {
			t.Error("the provider lives")
		}
		// Who came back just before it went.
		state := b.hops[0].Query().Get("state")
		_, _, to := b.get(b.atoll + "/api/v1/login/oidc/corp/callback?code=x&state=" + state)
		b.refused(to, "unavailable")
	})
	for _, secret := range []string{"code=", "id_token", "access_token", "secret of ", "Bearer ey"} {
		if strings.Contains(w.log.String(), secret) {
			t.Errorf("the controller's log has %q", secret)
		}
	}
}

// testRefusals: who may not sign in, and tokens of the provider that do not hold.
func testRefusals(t *testing.T, w *world, ada *person) {
	t.Helper()
	t.Run("in no allowed group", func(t *testing.T) {
		b := w.browser()
		b.refused(b.signIn("corp", w.person("eve", "others"), "/"), "denied")
		if e := w.lastLogin(); e.Outcome != "refused" || !strings.Contains(e.Message, "by corp: in none of the allowed groups") {
			t.Errorf("event %+v", e)
		}
	})
	t.Run("the name is another's", func(t *testing.T) {
		b := w.browser()
		b.refused(b.signIn("corp", w.person("admin", "cloud"), "/"), "denied")
	})
	t.Run("domain", func(t *testing.T) {
		b, mallory := w.browser(), w.person("mallory")
		mallory.EmailVerified = false
		w.save()
		b.refused(b.signIn("domain", mallory, "/"), "denied")
		mallory.EmailVerified = true
		w.save()
		if to := w.browser().signIn("domain", mallory, "/"); to != "/" {
			t.Errorf("sent to %q", to)
		}
	})
	t.Run("no second factor at the provider", func(t *testing.T) {
		b := w.browser()
		b.refused(b.signIn("strict", w.person("tom"), "/"), "refused")
	})
	t.Run("wrong nonce", func(t *testing.T) {
		b := w.browser()
		b.refused(b.signIn("nonce", ada, "/"), "refused")
		if e := w.lastLogin(); !strings.Contains(e.Message, "nonce") {
			t.Errorf("event %+v", e)
		}
	})
	t.Run("expired token", func(t *testing.T) {
		b := w.browser()
		b.refused(b.signIn("old", ada, "/"), "refused")
	})
	t.Run("wrong client secret", func(t *testing.T) {
		b := w.browser()
		b.refused(b.signIn("wrong-secret", ada, "/"), "refused")
	})
}

// testLink: the verified address of a user makes its owner that user.
func testLink(t *testing.T, w *world) {
	if status := w.call("POST", "/users", map[string]string{"name": "grace", "email": "Hopper@corp.test"}, nil); status != 201 {
		t.Fatalf("create: %d", status)
	}
	hopper := w.person("hopper")
	hopper.EmailVerified = false
	w.save()
	b := w.browser()
	b.refused(b.signIn("linking", hopper, "/"), "denied")
	hopper.EmailVerified = true
	w.save()
	b = w.browser()
	b.signIn("linking", hopper, "/")
	if me, _ := b.me(); me.User.Name != "grace" || me.User.Issuer != w.issuer {
		t.Errorf("me is %+v", me)
	}
	// From now on by the account, whatever its address.
	hopper.Email = "other@corp.test"
	w.save()
	b = w.browser()
	b.signIn("linking", hopper, "/")
	me, _ := b.me()
	if me.User.Name != "grace" {
		t.Errorf("me is %+v", me)
	}
	// Its own address is not the user's to choose: it would be a way to others' accounts.
	r, err := http.NewRequestWithContext(t.Context(), "PATCH", w.atoll+"/api/v1/users/grace", strings.NewReader(`{"email":"ada@corp.test"}`))
	w.ok(err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-CSRF-Token", me.CSRF)
	res, err := b.http.Do(r)
	w.ok(err)
	res.Body.Close()
	if res.StatusCode != http.StatusForbidden {
		t.Errorf("a user changes its address: %d", res.StatusCode)
	}
	if status := w.call("DELETE", "/users/grace/identity", nil, nil); status != 204 {
		t.Errorf("unlink: %d", status)
	}
	if _, ok := b.me(); ok {
		t.Error("the session of who is linked no longer goes on")
	}
}

// testState: a sign-in ends once, in the browser that began it.
func testState(t *testing.T, w *world) {
	cookieOf := func(b *browser) string {
		u, err := url.Parse(w.atoll + "/api/v1/login/oidc/corp/callback")
		w.ok(err)
		for _, c := range b.http.Jar.Cookies(u) {
			if c.Name == "atoll_sign_in" {
				return c.Name + "=" + c.Value
			}
		}
		return ""
	}
	ada := w.person("ada", "cloud")
	b := w.browser()
	id := b.begin("corp", "/")
	cookie := cookieOf(b)
	if to := b.submit(id, ada); to != "/" {
		t.Fatalf("sent to %q", to)
	}
	i := slices.IndexFunc(b.hops, func(u *url.URL) bool {
		return strings.HasSuffix(u.Path, "/callback") && u.Query().Get("code") != "" && strings.HasPrefix(u.String(), w.atoll)
	})
	callback := b.hops[i].String()
	if cookieOf(b) != "" {
		t.Error("the cookie of the sign-in stays")
	}
	// as is another browser, with the cookie that it was given.
	as := func(cookie, address string) string {
		r, err := http.NewRequestWithContext(t.Context(), "GET", address, nil)
		w.ok(err)
		if cookie != "" {
			r.Header.Set("Cookie", cookie)
		}
		other := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		res, err := other.Do(r)
		w.ok(err)
		res.Body.Close()
		for _, c := range res.Cookies() {
			if c.Name == "atoll_session" {
				t.Errorf("%s with %q gives a session", address, cookie)
			}
		}
		return res.Header.Get("Location")
	}
	fresh := w.browser()
	fresh.begin("corp", "/")
	other := w.browser()
	other.begin("linking", "/")
	for name, to := range map[string]string{
		"replayed":          as(cookie, callback),
		"without cookie":    as("", callback),
		"wrong state":       as(cookieOf(fresh), callback),
		"other provider":    as(cookieOf(other), strings.Replace(callback, "state=", "state="+other.hops[0].Query().Get("state")+"&was=", 1)),
		"changed cookie":    as("atoll_sign_in=AAAA"+strings.TrimPrefix(cookie, "atoll_sign_in=")[4:], callback),
		"no state, no code": as(cookieOf(fresh), w.atoll+"/api/v1/login/oidc/corp/callback"),
	} {
		if !strings.HasPrefix(to, "/login?problem=expired&") && name != "other provider" || strings.Contains(to, "session") {
			t.Errorf("%s: sent to %q", name, to)
		}
	}
	// The provider says no.
	said := as(cookieOf(fresh), w.atoll+"/api/v1/login/oidc/corp/callback?error=access_denied&error_description=no&state="+fresh.hops[0].Query().Get("state"))
	if !strings.HasPrefix(said, "/login?problem=refused&") {
		t.Errorf("refused by the provider: sent to %q", said)
	}
}

// testReturnTo: nobody is sent to another site.
func testReturnTo(t *testing.T, w *world) {
	b := w.browser()
	for _, to := range []string{"https://evil.test/", "//evil.test", "/\\evil.test", "\\\\evil.test", "javascript:alert(1)", "machines", "/\t/evil.test", "/ /evil.test"} {
		if status, _, at := b.get(w.atoll + "/api/v1/login/oidc/corp?return_to=" + url.QueryEscape(to)); status != http.StatusUnprocessableEntity || at != "" {
			t.Errorf("return_to %q: %d, sent to %q", to, status, at)
		}
	}
	if status, _, _ := b.get(w.atoll + "/api/v1/login/oidc/none"); status != http.StatusNotFound {
		t.Errorf("an unknown provider: %d", status)
	}
}
