package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"github.com/google/go-cmp/cmp"

	"atoll/api"
)

// serve starts a server with the routes and returns a client of it.
func serve(t *testing.T, routes map[string]http.HandlerFunc) *Client {
	t.Helper()
	mux := http.NewServeMux()
	for pattern, h := range routes {
		mux.HandleFunc(pattern, h)
	}
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	c, err := New(Config{URL: s.URL + "/", Token: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v) // a test's answer reaches its client or the test fails
}

func TestProblem(t *testing.T) {
	c := serve(t, map[string]http.HandlerFunc{
		"GET /api/v1/machines/web": func(w http.ResponseWriter, r *http.Request) {
			answer(w, 409, api.Problem{Code: "conflict", Detail: "machine web is stopping", State: "stopping", RequestID: "r1"})
		},
		"GET /api/v1/machines/proxy": func(w http.ResponseWriter, r *http.Request) { http.Error(w, "<html>", http.StatusBadGateway) },
		"GET /api/v1/machines/two": func(w http.ResponseWriter, r *http.Request) {
			answer(w, 422, api.Problem{Code: "invalid", Field: "a", Detail: "a: is wrong", Errors: []api.ProblemField{{Field: "a", Detail: "is wrong"}, {Field: "b", Detail: "too"}}})
		},
	})
	for _, tt := range []struct {
		ref  string
		want Error
		text string
	}{
		{"web", Error{Status: 409, Code: Conflict, Message: "machine web is stopping", State: "stopping", RequestID: "r1"}, "machine web is stopping"},
		{"proxy", Error{Status: 502, Code: Unavailable, Message: "GET /api/v1/machines/proxy was answered with 502 Bad Gateway"}, "GET /api/v1/machines/proxy was answered with 502 Bad Gateway"},
		{"two", Error{Status: 422, Code: Invalid, Field: "a", Message: "a: is wrong; b: too"}, "a: is wrong; b: too"},
	} {
		_, err := c.Machines().Get(t.Context(), tt.ref)
		var got *Error
		if !errors.As(err, &got) {
			t.Fatalf("Get(%s) = %v, want an *Error", tt.ref, err)
		}
		if diff := cmp.Diff(tt.want, *got); diff != "" || err.Error() != tt.text {
			t.Errorf("Get(%s): %s (-want +got)\n%s", tt.ref, err, diff)
		}
	}
}

// A POST is sent again with the key and body of the first time; what else is
// refused or broken is not.
func TestRetry(t *testing.T) {
	busy := func(w http.ResponseWriter) {
		w.Header().Set("Retry-After", "1")
		answer(w, 503, api.Problem{Code: "unavailable", Detail: "busy"})
	}
	abort := func(http.ResponseWriter) { panic(http.ErrAbortHandler) }
	full := func(w http.ResponseWriter) { answer(w, 503, api.Problem{Code: "capacity", Detail: "full"}) }
	late := func(w http.ResponseWriter) {
		w.Header().Set("Retry-After", "3600")
		answer(w, 429, api.Problem{Code: "rate-limited", Detail: "slow down"})
	}
	for _, tt := range []struct {
		name, method string
		fail         func(http.ResponseWriter)
		calls        int
		code         string // of the error, if the first answer fails for good
	}{
		{"busy", "POST", busy, 2, ""},
		{"broken", "POST", abort, 2, ""},
		{"busy delete", "DELETE", busy, 2, ""},
		{"broken delete", "DELETE", abort, 1, "-"},
		{"no capacity", "POST", full, 1, Capacity},
		{"too late", "POST", late, 1, RateLimited},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex // an answer that breaks off does not order the calls
			var keys []string
			handler := func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil || r.Header.Get("Authorization") != "Bearer secret" {
					t.Errorf("body %v, headers %v", err, r.Header)
				}
				mu.Lock()
				keys = append(keys, r.Header.Get("Idempotency-Key")+string(body))
				first := len(keys) == 1
				mu.Unlock()
				if first {
					tt.fail(w)
					return
				}
				answer(w, 201, api.Size{Name: "s"})
			}
			c := serve(t, map[string]http.HandlerFunc{"POST /api/v1/sizes": handler, "DELETE /api/v1/sizes/s": handler})
			var err error
			if tt.method == "POST" {
				_, err = c.Sizes().Create(t.Context(), api.SizeCreate{Name: "s"})
			} else {
				_, err = c.Sizes().Delete(t.Context(), "s")
			}
			mu.Lock()
			defer mu.Unlock()
			if (err != nil) != (tt.code != "") || tt.code != "-" && CodeOf(err) != tt.code {
				t.Errorf("error %v, want code %q", err, tt.code)
			}
			if len(keys) != tt.calls || len(slices.Compact(keys)) != 1 {
				t.Errorf("calls %q, want %d of one kind", keys, tt.calls)
			}
			if tt.method == "POST" && !strings.Contains(keys[0], `{"name":"s"`) || strings.HasPrefix(keys[0], "{") {
				t.Errorf("key and body %q", keys[0])
			}
		})
	}
}

func TestAllPages(t *testing.T) {
	var queries []string
	c := serve(t, map[string]http.HandlerFunc{"GET /api/v1/sizes": func(w http.ResponseWriter, r *http.Request) {
		queries = append(queries, r.URL.RawQuery)
		if r.URL.Query().Get("cursor") == "" {
			answer(w, 200, api.Page[api.Size]{Items: []api.Size{{Name: "a"}, {Name: "b"}}, Next: "c2"})
			return
		}
		answer(w, 200, api.Page[api.Size]{Items: []api.Size{{Name: "c"}}})
	}})
	var names []string
	for s, err := range c.Sizes().All(t.Context(), ListOptions{Limit: 2, Sort: "-name", Filter: []string{"x=1", "y~2"}}) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, s.Name)
	}
	want := []string{"filter=x%3D1&filter=y~2&limit=2&sort=-name", "cursor=c2&filter=x%3D1&filter=y~2&limit=2&sort=-name"}
	if !slices.Equal(names, []string{"a", "b", "c"}) || !slices.Equal(queries, want) {
		t.Errorf("names %q, queries %q", names, queries)
	}
}

func TestResults(t *testing.T) {
	op := api.Operation{ID: "o1", Kind: "machine.create", SubjectKind: "machine", State: "running", Steps: 2}
	c := serve(t, map[string]http.HandlerFunc{
		"POST /api/v1/machines": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("dry_run") == "true" {
				answer(w, 200, api.Plan{Action: "machine.create"})
				return
			}
			answer(w, 202, op)
		},
		"PATCH /api/v1/machines/m": func(w http.ResponseWriter, r *http.Request) {
			answer(w, 200, api.Machine{Name: "m", Description: r.Header.Get("If-Match") + r.URL.RawQuery})
		},
		"DELETE /api/v1/machines/a%2Fb": func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(204) },
	})
	m := c.Machines()
	r, err := m.Create(t.Context(), api.MachineCreate{})
	if err != nil || r.Object != nil || r.Operation == nil || r.Operation.ID != "o1" {
		t.Errorf("Create = %+v, %v", r, err)
	}
	if r, err = m.Create(t.Context(), api.MachineCreate{}, DryRun()); err != nil || r.Plan == nil || r.Plan.Action != "machine.create" {
		t.Errorf("dry run = %+v, %v", r, err)
	}
	if r, err = m.Update(t.Context(), "m", api.MachineUpdate{}, IfMatch(3), In("a", "c")); err != nil || r.Object.Description != `"3"account=a&cloudspace=c` {
		t.Errorf("Update = %+v, %v", r, err)
	}
	if r, err = m.Delete(t.Context(), "a/b"); err != nil || *r != (Result[api.Machine]{}) {
		t.Errorf("Delete = %+v, %v", r, err)
	}
}

func TestWait(t *testing.T) {
	states := []string{"running", "undoing", "failed"}
	c := serve(t, map[string]http.HandlerFunc{"GET /api/v1/operations/o1": func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Prefer") != "wait=1" {
			t.Errorf("Prefer: %q", r.Header.Get("Prefer"))
		}
		answer(w, 200, api.Operation{ID: "o1", State: states[0], Error: "no room", ErrorCode: "capacity"})
		states = states[1:]
	}})
	var seen []string
	_, err := c.Operations().Wait(t.Context(), "o1", func(o *api.Operation) { seen = append(seen, o.State) })
	var failed *Error
	if !errors.As(err, &failed) || failed.Code != Capacity || failed.Operation != "o1" || !slices.Equal(seen, []string{"running", "undoing", "failed"}) {
		t.Errorf("Wait = %v after %q", err, seen)
	}
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if _, err := c.Operations().Wait(ctx, "o1", nil); !errors.Is(err, cause) {
		t.Errorf("Wait = %v, want the context's cause", err)
	}
}

func TestRun(t *testing.T) {
	looks := 0
	c := serve(t, map[string]http.HandlerFunc{
		"POST /api/v1/runs": func(w http.ResponseWriter, r *http.Request) {
			answer(w, 202, api.Operation{ID: "o1", SubjectKind: "installation", Steps: 1, State: "running"})
		},
		"GET /api/v1/nodes": func(w http.ResponseWriter, r *http.Request) {
			answer(w, 200, api.Page[api.Node]{Items: []api.Node{{ID: "n1", Name: "one"}, {ID: "n2", Name: "two"}}})
		},
		"GET /api/v1/operations/o1": func(w http.ResponseWriter, r *http.Request) {
			looks++
			answer(w, 200, api.Operation{ID: "o1", State: []string{"running", "failed"}[looks-1], Error: "1 of 2 nodes failed", ErrorCode: "conflict"})
		},
		"GET /api/v1/jobs": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("filter") != "operation=o1" {
				t.Errorf("query %q", r.URL.RawQuery)
			}
			second := []string{"running", "failed"}[looks-1]
			answer(w, 200, api.Page[api.Job]{Items: []api.Job{
				{ID: "j1", TargetNodeID: "n1", State: "succeeded", Output: "hi\n"}, {ID: "j2", TargetNodeID: "n2", State: second, ExitCode: 3},
			}})
		},
	})
	var got []NodeResult
	var last error
	for r, err := range c.Run(t.Context(), api.RunCreate{Role: "compute", Command: []string{"uptime"}}) {
		if last = err; err == nil {
			got = append(got, r)
		}
	}
	want := []NodeResult{{Node: "one", State: "succeeded", Output: "hi\n", Job: "j1"}, {Node: "two", State: "failed", Exit: 3, Job: "j2"}}
	if diff := cmp.Diff(want, got); diff != "" || CodeOf(last) != Conflict {
		t.Errorf("Run ended with %v (-want +got)\n%s", last, diff)
	}
}

func TestLogs(t *testing.T) {
	c := serve(t, map[string]http.HandlerFunc{"GET /api/v1/jobs/j1/logs": func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("follow") != "true" {
			t.Errorf("query %q", r.URL.RawQuery)
		}
		fmt.Fprint(w, `{"at":"2026-01-02T03:04:05Z","level":5,"text":"a"}`+"\n"+`{"at":1767323045000000,"level":5,"text":"b","stream":"stderr"}`+"\n")
	}})
	var text string
	for l, err := range c.Jobs().Logs(t.Context(), "j1", true) {
		if err != nil {
			t.Fatal(err)
		}
		text += l.Text + l.Stream + l.At.Format(" 15:04:05 ")
	}
	if text != "a 03:04:05 bstderr 03:04:05 " {
		t.Errorf("lines %q", text)
	}
}

// After a broken connection the feed goes on where it was; a refusal ends it.
// TestLogsGoOn: output that is followed goes on at the first byte that is missing.
func TestLogsGoOn(t *testing.T) {
	const text = `{"at":1,"level":5,"text":"one"}` + "\n" + `{"at":2,"level":5,"text":"two"}` + "\n" + `{"at":3,"level":5,"text":"three"}` + "\n"
	var calls atomic.Int64
	c := serve(t, map[string]http.HandlerFunc{"GET /api/v1/jobs/j1/logs": func(w http.ResponseWriter, r *http.Request) {
		offset, err := strconv.Atoi(r.URL.Query().Get("offset"))
		if err != nil {
			t.Error(err)
		}
		rest := text[offset:]
		if calls.Add(1) < 3 {
			io.WriteString(w, rest[:40]) // a line and a part of the next
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
		io.WriteString(w, rest)
	}})
	var got []string
	for l, err := range c.Jobs().Logs(t.Context(), "j1", true) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, l.Text)
	}
	if !slices.Equal(got, []string{"one", "two", "three"}) || calls.Load() != 3 {
		t.Errorf("%v in %d calls", got, calls.Load())
	}
	for _, err := range c.Jobs().Logs(t.Context(), "j1", false) {
		if err != nil {
			t.Errorf("a whole answer: %v", err)
		}
	}
}

func TestFollow(t *testing.T) {
	var after []string
	c := serve(t, map[string]http.HandlerFunc{"GET /api/v1/events": func(w http.ResponseWriter, r *http.Request) {
		after = append(after, r.URL.Query().Get("after")+r.URL.Query().Get("kind"))
		ws, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer ws.CloseNow()
		n := int64(len(after))
		for _, seq := range []int64{n, n + 1} {
			wsjson.Write(r.Context(), ws, api.FeedMessage{Type: api.FeedEvent, Event: &api.Event{Seq: seq}}) // the reader counts
		}
		if n == 3 {
			wsjson.Write(r.Context(), ws, api.FeedMessage{Type: api.FeedEnd, Problem: &api.Problem{Code: "unauthenticated", Detail: "revoked"}})
			ws.Close(websocket.StatusPolicyViolation, "")
		}
	}})
	var seen []int64
	var last error
	for e, err := range c.Events().Follow(t.Context(), Feed{Kind: "x"}) {
		if last = err; err == nil {
			seen = append(seen, e.Seq)
		}
	}
	if !slices.Equal(seen, []int64{1, 2, 3, 4}) || !slices.Equal(after, []string{"x", "2x", "3x"}) || CodeOf(last) != Unauthenticated {
		t.Errorf("events %v after %q, then %v", seen, after, last)
	}
	refused := serve(t, map[string]http.HandlerFunc{"GET /api/v1/events": func(w http.ResponseWriter, r *http.Request) {
		answer(w, 403, api.Problem{Code: "denied", Detail: "no"})
	}})
	for _, err := range refused.Events().Follow(t.Context(), Feed{}) {
		if CodeOf(err) != Denied {
			t.Errorf("Follow = %v, want denied", err)
		}
	}
}

func TestWatch(t *testing.T) {
	var asked []string
	c := serve(t, map[string]http.HandlerFunc{"GET /api/v1/events": func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Query().Get("notices"))
		ws, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer ws.CloseNow()
		for _, m := range []api.FeedMessage{
			{Type: api.FeedNotice, Notice: &api.Notice{Kind: "operation", Many: true}},
			{Type: api.FeedEvent, Event: &api.Event{Seq: 1}},
			{Type: api.FeedNotice, Notice: &api.Notice{Kind: "operation", ID: "o1", State: "running"}},
			{Type: "something", Notice: nil}, // of a later version
			{Type: api.FeedEnd, Problem: &api.Problem{Code: "unauthenticated", Detail: "revoked"}},
		} {
			wsjson.Write(r.Context(), ws, m) // the reader counts
		}
		ws.Close(websocket.StatusPolicyViolation, "")
	}})
	var seen []string
	var last error
	for m, err := range c.Events().Watch(t.Context(), Feed{}) {
		if last = err; err == nil {
			seen = append(seen, m.Type)
		}
	}
	if !slices.Equal(seen, []string{"notice", "event", "notice"}) || !slices.Equal(asked, []string{"true"}) || CodeOf(last) != Unauthenticated {
		t.Errorf("messages %v, asked %q, then %v", seen, asked, last)
	}
}

func TestConsole(t *testing.T) {
	c := serve(t, map[string]http.HandlerFunc{"GET /api/v1/machines/m/console": func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		conn := websocket.NetConn(r.Context(), ws, websocket.MessageBinary)
		defer conn.Close()
		io.CopyN(conn, conn, 5) // echoes; the client checks it
	}})
	conn, err := c.Machines().Console(t.Context(), "m", In("a", "b"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("login")); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(conn); err != nil || string(got) != "login" {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestUpload(t *testing.T) {
	data := strings.Repeat("disk", 10_000)
	sum := sha256.Sum256([]byte(data))
	want := hex.EncodeToString(sum[:])
	c := serve(t, map[string]http.HandlerFunc{"POST /api/v1/images:upload": func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		q := r.URL.Query()
		if err != nil || string(body) != data || r.ContentLength != int64(len(data)) || q.Get("sha256") != want || q.Get("name") != "mini" || r.Header.Get("Idempotency-Key") != "" {
			t.Errorf("upload of %d bytes, query %v, headers %v", len(body), q, r.Header)
		}
		answer(w, 201, api.Image{Name: "mini"})
	}})
	var sent int64
	up := Upload{Name: "mini", Progress: func(n, _ int64) { sent = n }}
	if r, err := c.Images().Upload(t.Context(), up, strings.NewReader(data)); err != nil || r.Object.Name != "mini" || sent != int64(len(data)) {
		t.Errorf("Upload = %+v, %v; %d sent", r, err, sent)
	}
	up.SHA256 = strings.Repeat("0", 64)
	if _, err := c.Images().Upload(t.Context(), up, strings.NewReader(data)); CodeOf(err) != Invalid {
		t.Errorf("Upload with another checksum = %v", err)
	}
}

func TestLogin(t *testing.T) {
	ended := false
	signed := func(r *http.Request) bool {
		k, err := r.Cookie("atoll_session")
		return err == nil && k.Value == "s" && r.Header.Get("X-CSRF-Token") == "c" && r.Header.Get("Authorization") == ""
	}
	c := serve(t, map[string]http.HandlerFunc{
		"POST /api/v1/login": func(w http.ResponseWriter, r *http.Request) {
			http.SetCookie(w, &http.Cookie{Name: "atoll_session", Value: "s"})
			answer(w, 201, api.SessionCreated{CSRF: "c"})
		},
		"POST /api/v1/tokens": func(w http.ResponseWriter, r *http.Request) {
			if !signed(r) {
				t.Errorf("headers %v", r.Header)
			}
			answer(w, 201, api.TokenCreated{Secret: "t"})
		},
		"POST /api/v1/logout": func(w http.ResponseWriter, r *http.Request) { ended = signed(r); w.WriteHeader(204) },
	})
	got, err := Login(t.Context(), Config{URL: c.URL(), Token: "old"}, api.Login{Name: "ada", Password: "x"}, api.TokenCreate{Name: "cli"})
	if err != nil || got.Secret != "t" || !ended {
		t.Errorf("Login = %+v, %v; session ended: %v", got, err, ended)
	}
}

func TestTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(w, 200, api.Me{}) }))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.StartTLS()
	defer s.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(s.Certificate().Raw)
	for _, tt := range []struct {
		name string
		cfg  Config
		ok   bool
	}{
		{"unknown", Config{}, false},
		{"ca file", Config{CAFile: ca}, true},
		{"pin", Config{Pin: strings.ToUpper(hex.EncodeToString(sum[:]))}, true},
		{"other pin", Config{Pin: strings.Repeat("0", 64)}, false},
	} {
		tt.cfg.URL = s.URL
		c, err := New(tt.cfg)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Me(t.Context()); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	for _, cfg := range []Config{{URL: "x"}, {URL: "ftp://x"}, {URL: s.URL, Pin: "12"}, {URL: s.URL, CAFile: "/nowhere"}} {
		if _, err := New(cfg); err == nil {
			t.Errorf("New(%+v) took it", cfg)
		}
	}
}
