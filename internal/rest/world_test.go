package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"atoll/api"
	"atoll/internal/blob"
	"atoll/internal/cloud"
	"atoll/internal/control"
	"atoll/internal/pki"
	"atoll/internal/store/storetest"
)

// world is an API over a real control, with people in it. Nodes are missing:
// operations stay live.
type world struct {
	t       testing.TB
	control *control.Control
	server  *httptest.Server
	log     logBuffer
	root    *control.Request
	admin   string // token
	account *cloud.Account
	space   *cloud.Cloudspace
}

func newWorld(t testing.TB) *world { return newWorldWith(t, Config{}) }

func newWorldWith(t testing.TB, cfg Config) *world {
	t.Helper()
	w := &world{t: t, root: control.System("test")}
	dir := t.TempDir()
	blobs, err := blob.Open(t.Context(), "file://"+dir)
	w.ok(err)
	keys, _, err := pki.LoadKeyring(dir + "/master.key")
	w.ok(err)
	w.control, err = control.New(t.Context(), control.Config{
		DB: storetest.SQLite(t), Blobs: blobs, Keys: keys, Passwords: pki.PasswordsForTest(1), Log: slog.New(slog.DiscardHandler), PublicURL: "http://atoll.test",
	})
	w.ok(err)
	w.admin, err = w.control.Bootstrap(t.Context(), nil)
	w.ok(err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- w.control.Run(ctx) }()
	cfg.Log = slog.New(slog.NewTextHandler(&w.log, nil))
	s, err := New(w.control, cfg)
	w.ok(err)
	w.server = httptest.NewServer(s)
	t.Cleanup(func() {
		w.server.Close()
		w.control.Settle()
		cancel()
		<-done
		blobs.Close()
	})
	w.account, err = w.control.Account(t.Context(), w.root, "default")
	w.ok(err)
	w.space, err = w.control.Cloudspace(t.Context(), w.root, "default", "default")
	w.ok(err)
	return w
}

func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// user makes a person with a role on the installation and one on the account
// ("" for none), and returns a token.
func (w *world) user(name string, installation, account cloud.UserRole) string {
	w.t.Helper()
	ctx := w.t.Context()
	u := &cloud.User{Name: name, Role: installation}
	w.ok(w.control.CreateUser(ctx, w.root, u, "correct horse battery"))
	if account != "" {
		_, err := w.control.CreateMembership(ctx, w.root, control.NewMembership{User: string(u.ID), Role: account, Account: w.account.ID})
		w.ok(err)
	}
	own := *w.root
	own.User = u
	secret, err := w.control.CreateToken(ctx, &own, u.ID, &cloud.Token{Name: "test"})
	w.ok(err)
	return secret
}

// answered is an answer with its body read.
type answered struct {
	*http.Response
	t    testing.TB
	text string
}

// do sends a request. Headers are pairs.
func (w *world) do(token, method, path string, body any, headers ...string) *answered {
	w.t.Helper()
	var rd io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		rd = strings.NewReader(b)
	default:
		text, err := json.Marshal(b)
		w.ok(err)
		rd = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.server.URL+path, rd)
	w.ok(err)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if rd != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := w.server.Client().Do(r)
	w.ok(err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	w.ok(err)
	return &answered{res, w.t, string(text)}
}

func (w *world) get(token, path string, headers ...string) *answered {
	w.t.Helper()
	return w.do(token, http.MethodGet, path, nil, headers...)
}

func (w *world) post(token, path string, body any, headers ...string) *answered {
	w.t.Helper()
	return w.do(token, http.MethodPost, path, body, headers...)
}

func (a *answered) status(want int) bool {
	a.t.Helper()
	if a.StatusCode != want {
		a.t.Errorf("%s %s: status %d, want %d: %s", a.Request.Method, a.Request.URL.Path, a.StatusCode, want, a.text)
	}
	return a.StatusCode == want
}

// read decodes the body.
func (a *answered) read(v any) {
	a.t.Helper()
	if err := json.Unmarshal([]byte(a.text), v); err != nil {
		a.t.Fatalf("%s %s answered %.200s: %v", a.Request.Method, a.Request.URL.Path, a.text, err)
	}
}

// problem checks that the answer is a problem with the code, and about the field.
func (a *answered) problem(status int, code, field string) api.Problem {
	a.t.Helper()
	var p api.Problem
	if !a.status(status) {
		return p
	}
	a.read(&p)
	if ct := a.Header.Get("Content-Type"); ct != api.ProblemType {
		a.t.Errorf("%s %s: content type %q", a.Request.Method, a.Request.URL.Path, ct)
	}
	if p.Code != code || p.Field != field || p.Status != status || p.RequestID == "" || p.RequestID != a.Header.Get("X-Request-Id") {
		a.t.Errorf("%s %s: problem %+v, want code %q, field %q, and the request id %q", a.Request.Method, a.Request.URL.Path, p, code, field, a.Header.Get("X-Request-Id"))
	}
	return p
}

// eventually waits until the condition holds.
func (w *world) eventually(what string, cond func() bool) {
	w.t.Helper()
	until := time.Now().Add(20 * time.Second)
	for !cond() {
		if time.Now().After(until) {
			w.t.Fatalf("%s did not come about", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// logBuffer lets handlers log at the same time.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write appends.
func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (w *world) logged() string {
	w.log.mu.Lock()
	defer w.log.mu.Unlock()
	return w.log.b.String()
}
