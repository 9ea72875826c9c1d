package lab

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"atoll/api"
	"atoll/internal/cloud"
	"atoll/internal/rest"
	"atoll/internal/sal/sim"
	"atoll/internal/store/storetest"
)

// browser is what a page in a browser can do: it has a session's cookie and says
// its origin, and can set no header of a WebSocket.
type browser struct {
	t      *testing.T
	base   string
	origin string
	cookie string
	csrf   string
}

// login logs in at the API, which browsers reach at the URL, "" for its own.
func (l *Lab) login(t *testing.T, publicURL string) *browser {
	t.Helper()
	api, err := rest.New(l.Control, rest.Config{PublicURL: publicURL})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(api)
	t.Cleanup(web.Close)
	b := &browser{t: t, base: web.URL, origin: web.URL}
	if publicURL != "" {
		b.origin = publicURL
	}
	b.in()
	return b
}

// in begins the session.
func (b *browser) in() {
	b.t.Helper()
	res := b.post("/api/v1/login", `{"name":"ada","password":"correct horse battery"}`, http.StatusCreated)
	var s api.SessionCreated
	if err := json.NewDecoder(res.Body).Decode(&s); err != nil {
		b.t.Fatal(err)
	}
	b.cookie, b.csrf = strings.SplitN(res.Header.Get("Set-Cookie"), ";", 2)[0], s.CSRF
}

func (b *browser) post(path, body string, want int) *http.Response {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.base+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header = http.Header{"Content-Type": {"application/json"}, "Origin": {b.origin}, "Cookie": {b.cookie}, "X-Csrf-Token": {b.csrf}}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { res.Body.Close() })
	if res.StatusCode != want {
		b.t.Fatalf("POST %s answers %s", path, res.Status)
	}
	return res
}

// open opens a WebSocket; want is the status of the answer.
func (b *browser) open(path, origin, cookie string, want int) *websocket.Conn {
	b.t.Helper()
	h := http.Header{"Origin": {origin}}
	if cookie != "" {
		h.Set("Cookie", cookie)
	}
	ws, res, err := websocket.Dial(b.t.Context(), b.base+path, &websocket.DialOptions{HTTPHeader: h})
	if res == nil || res.StatusCode != want {
		b.t.Fatalf("%s from %s: %v, %v; want status %d", path, origin, res, err, want)
	}
	return ws
}

// TestStreamsOfABrowser: the portal's page opens feeds, consoles and screens with
// its session, behind a proxy and without one; a page of another origin cannot; and
// they end with the session.
func TestStreamsOfABrowser(t *testing.T) {
	t.Parallel()
	l := New(t, storetest.SQLite(t), 1, sim.Config{})
	l.image("disk")
	m := l.create("web-1")
	if err := l.Control.CreateUser(t.Context(), l.Admin, &cloud.User{Name: "ada", Role: cloud.InstallationAdmin}, "correct horse battery"); err != nil {
		t.Fatal(err)
	}
	paths := []string{
		"/api/v1/events?notices=true", "/api/v1/machines/" + string(m.ID) + "/console", "/api/v1/machines/" + string(m.ID) + "/console?kind=screen",
	}
	for _, url := range []string{"", "https://cloud.example"} {
		t.Run("public-url "+url, func(t *testing.T) {
			b := l.login(t, url)
			for _, path := range paths {
				b.open(path, "https://evil.example", b.cookie, http.StatusForbidden)
				b.open(path, "https://evil.cloud.example", b.cookie, http.StatusForbidden)
				b.open(path, "null", b.cookie, http.StatusForbidden)
				b.open(path, b.origin, "", http.StatusUnauthorized)
				ws := b.open(path, b.origin, b.cookie, http.StatusSwitchingProtocols)
				first, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				if strings.HasSuffix(path, "/console") { // a serial line speaks when it is spoken to
					if err := ws.Write(first, websocket.MessageBinary, []byte("hello\r")); err != nil {
						t.Error(err)
					}
				}
				if _, text, err := ws.Read(first); err != nil || len(text) == 0 {
					t.Errorf("%s begins with %q, %v", path, text, err)
				}
				cancel()
				b.post("/api/v1/logout", "", http.StatusNoContent)
				b.ends(ws, path)
				b.open(path, b.origin, b.cookie, http.StatusUnauthorized)
				b.in()
			}
		})
	}
}

// ends checks that the stream of a session that was just ended ends within a second,
// give or take what a busy machine needs.
func (b *browser) ends(ws *websocket.Conn, path string) {
	b.t.Helper()
	defer ws.CloseNow()
	ctx, cancel := context.WithTimeout(b.t.Context(), 3*time.Second)
	defer cancel()
	for {
		_, _, err := ws.Read(ctx)
		if err == nil {
			continue // what was on its way
		}
		if websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
			b.t.Errorf("%s ends with %v", path, err)
		}
		return
	}
}
