package exchange

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"atoll/internal/cloud"
	"atoll/internal/control"
	"atoll/internal/pki"
	"atoll/internal/sal/saltest"
	"atoll/internal/wire"
)

const session = "0198c3e2-0000-7d0a-8f00-1c2d3e4f5a6b"

func TestJoin(t *testing.T) {
	s := newSite(t)
	_, csr := newKey(t)
	once := s.joinToken(control.NewJoinToken{Uses: 1, TTL: time.Hour})
	deleted, tok, err := s.c.CreateJoinToken(t.Context(), s.admin, control.NewJoinToken{Uses: 1, TTL: time.Hour})
	fatal(t, err)
	fatal(t, s.c.DeleteJoinToken(t.Context(), s.admin, tok.ID))
	for _, tt := range []struct {
		name string
		in   any
		want int
	}{
		{"ok", wire.JoinRequest{Token: once, Name: "n1", CSR: csr, Roles: cloud.Roles}, 200},
		{"used up", wire.JoinRequest{Token: once, Name: "n2", CSR: csr, Roles: cloud.Roles}, 401},
		{"deleted", wire.JoinRequest{Token: deleted, Name: "n2", CSR: csr, Roles: cloud.Roles}, 401},
		{"no token", wire.JoinRequest{Name: "n2", CSR: csr}, 401},
		{"wrong secret", wire.JoinRequest{Token: s.token[:60] + "x" + s.token[61:], Name: "n2", CSR: csr}, 401},
		{"name taken", wire.JoinRequest{Token: s.token, Name: "n1", CSR: csr, Roles: cloud.Roles}, 409},
		{"bad name", wire.JoinRequest{Token: s.token, Name: "N 2", CSR: csr, Roles: cloud.Roles}, 422},
		{"bad request for a certificate", wire.JoinRequest{Token: s.token, Name: "n2", CSR: []byte("x"), Roles: cloud.Roles}, 422},
		{"garbage", strings.NewReader("\x00{"), 422},
		{"too long", strings.NewReader(`{"name":"` + strings.Repeat("a", 2<<20) + `"}`), 422},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, body := s.call(nil, http.MethodPost, wire.PathJoin, tt.in, nil)
			if status != tt.want {
				t.Errorf("join = %d %s, want %d", status, body, tt.want)
			}
			var p struct{ Code, Detail string }
			if err := json.Unmarshal(body, &p); status != 200 && (err != nil || p.Code == "" || p.Detail == "") {
				t.Errorf("refusal = %s, want code and detail", body)
			}
		})
	}
}

func TestWhoMayExchange(t *testing.T) {
	s := newSite(t)
	x := wire.Exchange{Session: session, Number: 1}
	if status, _ := s.call(nil, http.MethodPost, wire.PathExchange, x, nil); status != http.StatusUnauthorized {
		t.Errorf("exchange without a certificate = %d", status)
	}
	other, err := pki.NewCA("other", time.Now())
	fatal(t, err)
	key, csr := newKey(t)
	foreign, err := other.IssueNode(csr, "0198c3e2-0000-7d0a-8f00-1c2d3e4f5a6b", time.Hour, time.Now())
	fatal(t, err)
	if status, body := s.call(keyPair(t, key, foreign.PEM), http.MethodPost, wire.PathExchange, x, nil); status != 0 {
		t.Errorf("exchange with another CA's certificate = %d %s, want no connection", status, body)
	}
	expired, err := s.c.CA().IssueNode(csr, "0198c3e2-0000-7d0a-8f00-1c2d3e4f5a6b", time.Hour, time.Now().Add(-2*time.Hour))
	fatal(t, err)
	if status, body := s.call(keyPair(t, key, expired.PEM), http.MethodPost, wire.PathExchange, x, nil); status != 0 {
		t.Errorf("exchange with an expired certificate = %d %s, want no connection", status, body)
	}
	portal, err := s.c.CA().IssueServer(key.Public(), []string{"127.0.0.1"}, time.Hour, time.Now())
	fatal(t, err)
	for _, path := range []string{wire.PathExchange, wire.PathRenew, wire.PathJoin} {
		if status, body := s.call(keyPair(t, key, portal.PEM), http.MethodPost, path, x, nil); status != 0 {
			t.Errorf("%s with the certificate of people's listener = %d %s, want no connection", path, status, body)
		}
	}
	peer, err := s.c.CA().IssueController(key.Public(), "c2", nil, time.Hour, time.Now())
	fatal(t, err)
	for _, path := range []string{wire.PathExchange, wire.PathRenew} {
		if status, body := s.call(keyPair(t, key, peer.PEM), http.MethodPost, path, x, nil); status != http.StatusUnauthorized {
			t.Errorf("%s with a controller's certificate = %d %s", path, status, body)
		}
	}
	stranger, err := s.c.CA().IssueNode(csr, string(cloud.NewID[cloud.NodeID]()), time.Hour, time.Now())
	fatal(t, err)
	n := &node{s: s, cert: keyPair(t, key, stranger.PEM)}
	l := n.dial()
	l.say(&x)
	if status, body := l.read(); status != http.StatusUnauthorized || !strings.Contains(string(body), "deleted") {
		t.Errorf("exchange of a node without a row = %d %s", status, body)
	}
	if status, _ := s.call(n.cert, http.MethodGet, wire.PathScript+"x", nil, nil); status != http.StatusUnauthorized {
		t.Errorf("script for a node without a row = %d", status)
	}
}

func TestDeletedNodeIsShutOut(t *testing.T) {
	s := newSite(t)
	n := s.join("n1")
	idle, held := n.dial(), n.dial()
	idle.say(&wire.Exchange{Session: session, Number: 1})
	held.say(&wire.Exchange{Session: session, Number: 2})
	if status, _ := idle.read(); status != http.StatusNoContent {
		t.Fatalf("the replaced exchange = %d, want 204", status)
	}
	key, csr := newKey(t)
	status, body := s.call(n.cert, http.MethodPost, wire.PathRenew, wire.RenewRequest{CSR: csr}, nil)
	if status != http.StatusOK {
		t.Fatalf("renew = %d %s", status, body)
	}
	var got wire.JoinAnswer
	fatal(t, json.Unmarshal(body, &got))
	if got.Node != n.id {
		t.Errorf("renewed for %s, want %s", got.Node, n.id)
	}
	old := n.cert
	n.cert = keyPair(t, key, got.Certificate)
	fatal(t, s.c.DeleteNode(t.Context(), s.admin, "n1"))
	for status := -1; status != 0 && status != http.StatusUnauthorized; {
		if status, _ = held.read(); status == http.StatusNoContent { // what was held is dropped, and the next one refused
			held.say(&wire.Exchange{Session: session, Number: 3})
		}
	}
	if status, body := s.call(old, http.MethodGet, wire.PathScript+"x", nil, nil); status != http.StatusUnauthorized {
		t.Errorf("script with the certificate from before the renewal = %d %s", status, body)
	}
	until(t, "the new certificate is refused", func() bool {
		status, _ := s.call(n.cert, http.MethodPost, wire.PathRenew, wire.RenewRequest{CSR: csr}, nil)
		return status == 0
	})
	until(t, "open connections are closed", func() bool {
		s.s.mu.Lock()
		defer s.s.mu.Unlock()
		for a := range s.s.conns {
			if a.serial == pki.Serial(n.cert.Leaf) {
				return false
			}
		}
		return true
	})
}

func TestExchange(t *testing.T) {
	s := newSite(t)
	n := s.join("n1")
	l := n.dial()
	l.say(&wire.Exchange{Session: session, Number: 1, Room: 100})
	if a := l.answer(); a.Number != 1 || len(a.Jobs) != 0 {
		t.Errorf("answer after the hold = %+v, want an empty one", a)
	}
	// Many jobs, packed both ways.
	jobs := make([]*cloud.Job, 60)
	for i := range jobs {
		jobs[i] = &cloud.Job{Action: cloud.ActionNoop, TargetNode: n.id, Args: []byte(`{"x":1}`)}
	}
	fatal(t, s.c.CreateJobs(t.Context(), s.admin, jobs))
	l.say(&wire.Exchange{Session: session, Number: 2, Answer: 1, Room: 100})
	a := l.answer()
	if len(a.Jobs) != len(jobs) {
		t.Fatalf("%d jobs, want %d", len(a.Jobs), len(jobs))
	}
	x := wire.Exchange{Session: session, Number: 3, Answer: a.Number, Room: 100}
	for _, j := range a.Jobs {
		x.Results = append(x.Results, wire.Result{JobRef: j.JobRef, State: cloud.JobSucceeded, Output: strings.Repeat("a", 100)})
	}
	b, err := json.Marshal(x)
	fatal(t, err)
	l.post(pack(t, b), "Content-Encoding: zstd\r\n")
	if a := l.answer(); len(a.Forget) != len(jobs) {
		t.Errorf("%d results to forget, want %d", len(a.Forget), len(jobs))
	}
	for _, j := range jobs {
		if got, err := s.c.Job(t.Context(), s.admin, j.ID); err != nil || got.State != cloud.JobSucceeded || len(got.Output) != 100 {
			t.Fatalf("job = %+v, %v", got, err)
		}
	}
}

func TestBadBodies(t *testing.T) {
	s := newSite(t)
	n := s.join("n1")
	long := []byte(`{"session":"s","agent":"` + strings.Repeat("a", wire.MaxExchangeBody) + `"}`)
	many := []byte(`{"session":"s","results":[` + strings.Repeat(`{},`, maxValues+1) + `{}]}`)
	plain := ""
	packed := "Content-Encoding: zstd\r\n"
	for _, tt := range []struct {
		name   string
		body   []byte
		header string
		want   int
	}{
		{"no JSON", []byte("garbage"), plain, 422},
		{"empty", nil, plain, 422},
		{"no session", []byte(`{"number":1}`), plain, 422},
		{"wrong type", []byte(`{"session":"s","number":"one"}`), plain, 422},
		{"no zstd", []byte("garbage"), packed, 422},
		{"half a zstd", pack(t, []byte(strings.Repeat(`{"session":"s"}`, 9)))[:20], packed, 422},
		{"too long", long, plain, 413},
		{"bomb", pack(t, bytes.Repeat(long, 8)), packed, 422},
		{"many values in few bytes", pack(t, many), packed, 413},
	} {
		t.Run(tt.name, func(t *testing.T) {
			first, later := n.dial(), n.dial()
			first.t, later.t = t, t
			first.post(tt.body, tt.header)
			if status, body := first.read(); status != tt.want {
				t.Errorf("first exchange of a connection = %d %s, want %d", status, body, tt.want)
			}
			later.say(&wire.Exchange{Session: session, Number: 1})
			later.answer()
			later.post(tt.body, tt.header)
			status, body := later.read()
			if status != tt.want {
				t.Errorf("later exchange = %d %s, want %d", status, body, tt.want)
			}
		})
	}
	l := n.dial()
	l.say(&wire.Exchange{Session: session, Number: 9})
	l.answer() // the node is served as before
}

func TestBrokenConnections(t *testing.T) {
	s := newSite(t)
	n := s.join("n1")
	for name, text := range map[string]string{
		"half a head": "POST " + wire.PathExchange + " HTTP/1.1\r\nHo",
		"half a body": "POST " + wire.PathExchange + " HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{\"session\"",
		"no HTTP":     "\x16\x03\x01 what\r\n\r\n",
		"other path":  "GET /agent/v1/scripts/x HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		l := n.dial()
		l.say(&wire.Exchange{Session: session, Number: 1})
		l.answer()
		_, err := io.WriteString(l, text)
		fatal(t, err)
		fatal(t, l.CloseWrite())
		if status, body := l.read(); status != 0 {
			t.Errorf("%s: answered %d %s, want the end of the connection", name, status, body)
		}
	}
	// Requests sent ahead are no exchanges of an agent.
	b, err := json.Marshal(wire.Exchange{Session: session, Number: 2})
	fatal(t, err)
	one := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", wire.PathExchange, len(b), b)
	ahead := n.dial()
	_, err = io.WriteString(ahead, one+one)
	fatal(t, err)
	if status, _ := ahead.read(); status != 0 {
		t.Errorf("a connection with requests sent ahead = %d, want its end", status)
	}
	until(t, "no connection is left", func() bool {
		s.s.mu.Lock()
		defer s.s.mu.Unlock()
		return len(s.s.conns) == 0
	})
}

// An answer that cannot be written comes again, on another connection.
func TestAnswerToAClosedConnection(t *testing.T) {
	s := newSite(t)
	n := s.join("n1")
	gone := n.dial()
	gone.say(&wire.Exchange{Session: session, Number: 1, Room: 9})
	gone.answer()
	gone.say(&wire.Exchange{Session: session, Number: 2, Answer: 1, Room: 9})
	gone.Close()
	j := &cloud.Job{Action: cloud.ActionNoop, TargetNode: n.id}
	fatal(t, s.c.CreateJobs(t.Context(), s.admin, []*cloud.Job{j}))
	until(t, "the job is leased", func() bool {
		got, err := s.c.Job(t.Context(), s.admin, j.ID)
		return err == nil && got.State == cloud.JobLeased
	})
	l := n.dial()
	l.say(&wire.Exchange{Session: session, Number: 3, Answer: 1, Room: 9})
	if a := l.answer(); len(a.Jobs) != 1 || a.Jobs[0].JobRef != (wire.JobRef{ID: j.ID, Token: 1}) || a.Number < 3 {
		t.Errorf("answer = %+v, want the job with the same token", a)
	}
}

func TestExchangeOfThePreviousVersion(t *testing.T) {
	s := newSite(t)
	n := s.join("n1")
	text, err := os.ReadFile("testdata/exchange-v0.json")
	fatal(t, err)
	l := n.dial()
	l.post(text, "")
	if a := l.answer(); len(a.Forget) != 1 {
		t.Errorf("answer = %+v, want the unknown result to be forgotten", a)
	}
	got, err := s.c.Node(t.Context(), s.admin, "n1")
	if err != nil || got.State != cloud.NodeOnline || got.Facts.CPUs != 8 || got.AgentVersion != "0.0.9" {
		t.Errorf("node = %+v, %v", got, err)
	}
}

func TestScriptsAndImages(t *testing.T) {
	s := newSite(t)
	n, other := s.join("n1"), s.join("n2")
	source := []byte("#!/bin/sh\necho hello\n")
	sc, err := s.c.CreateScript(t.Context(), s.admin, "", "hello", source)
	fatal(t, err)
	disk, _ := saltest.RawImage([]byte("x"))
	i, err := s.c.CreateImageFromUpload(t.Context(), s.admin, control.NewImage{Name: "disk"}, bytes.NewReader(disk))
	fatal(t, err)
	script, image := wire.PathScript+string(sc.ID), wire.PathImage+i.SHA256
	for _, path := range []string{script, image} {
		if status, _ := s.call(n.cert, http.MethodGet, path, nil, nil); status != http.StatusNotFound {
			t.Errorf("GET %s without a job = %d", path, status)
		}
	}
	args, err := json.Marshal(wire.ImageArgs{SHA256: i.SHA256, Size: i.Size, Format: i.Format})
	fatal(t, err)
	l, held := n.lease(
		&cloud.Job{Action: cloud.ActionScript, ScriptID: sc.ID, TargetNode: n.id},
		&cloud.Job{Action: wire.ActionImageEnsure, Args: args, TargetNode: n.id},
	)
	if status, body := s.call(n.cert, http.MethodGet, script, nil, nil); status != 200 || !bytes.Equal(body, source) {
		t.Errorf("script = %d %q", status, body)
	}
	if status, body := s.call(n.cert, http.MethodGet, image, nil, nil); status != 200 || !bytes.Equal(body, disk) {
		t.Errorf("image = %d with %d bytes", status, len(body))
	}
	if status, body := s.call(n.cert, http.MethodGet, image, nil, map[string]string{"Range": "bytes=10-19"}); status != 206 || !bytes.Equal(body, disk[10:20]) {
		t.Errorf("part of the image = %d %q", status, body)
	}
	for path, want := range map[string]int{
		script: 200, image: 200,
		wire.PathScript + "0198c3e2-0000-7d0a-8f00-1c2d3e4f5a6b": 404,
		wire.PathScript + "..%2f..%2fmaster.key":                 404,
		wire.PathImage + strings.Repeat("0", 64):                 404,
		wire.PathImage + "x":                                     422,
		wire.PathImage + "..%2f..%2f..%2fetc%2fpasswd":           422,
		"/api/v1/nodes": 404,
	} {
		if status, body := s.call(n.cert, http.MethodGet, path, nil, nil); status != want {
			t.Errorf("GET %s = %d %s, want %d", path, status, body, want)
		}
		if status, _ := s.call(other.cert, http.MethodGet, path, nil, nil); status != want && status != 404 || status == 200 {
			t.Errorf("GET %s of another node's job = %d", path, status)
		}
		if status, _ := s.call(nil, http.MethodGet, path, nil, nil); status != 401 && status != 404 || status == 404 && want != 404 {
			t.Errorf("GET %s without a certificate = %d", path, status)
		}
	}
	x := wire.Exchange{Session: session, Number: 3, Answer: 2, Room: 9}
	for _, ref := range held {
		x.Results = append(x.Results, wire.Result{JobRef: ref, State: cloud.JobSucceeded})
	}
	l.say(&x)
	l.answer()
	for _, path := range []string{script, image} {
		if status, _ := s.call(n.cert, http.MethodGet, path, nil, nil); status != http.StatusNotFound {
			t.Errorf("GET %s after the job = %d", path, status)
		}
	}
}

// lease has the node take the jobs with its second exchange.
func (n *node) lease(jobs ...*cloud.Job) (*line, []wire.JobRef) {
	n.s.t.Helper()
	l := n.dial()
	l.say(&wire.Exchange{Session: session, Number: 1, Room: 9})
	l.answer()
	fatal(n.s.t, n.s.c.CreateJobs(n.s.t.Context(), n.s.admin, jobs))
	l.say(&wire.Exchange{Session: session, Number: 2, Answer: 1, Room: 9})
	a := l.answer()
	if len(a.Jobs) != len(jobs) {
		n.s.t.Fatalf("%d jobs were handed over, want %d", len(a.Jobs), len(jobs))
	}
	refs := make([]wire.JobRef, len(jobs))
	for i := range a.Jobs {
		refs[i] = a.Jobs[i].JobRef
	}
	return l, refs
}

// TestNodeSpeaksForItselfAlone: whatever an agent says of another node's job
// changes nothing.
func TestNodeSpeaksForItselfAlone(t *testing.T) {
	s := newSite(t)
	n, rogue := s.join("n1"), s.join("n2")
	job := &cloud.Job{Action: cloud.ActionNoop, TargetNode: n.id}
	own, held := n.lease(job)
	own.say(&wire.Exchange{Session: session, Number: 3, Answer: 2, Room: 9, Running: held})
	own.answer()
	ref := held[0]
	forged := func(number int64, ref wire.JobRef) *wire.Exchange {
		return &wire.Exchange{
			Session: session, Number: number, Room: 9, Free: map[string]int{"*": 9}, Running: []wire.JobRef{ref},
			Results: []wire.Result{{JobRef: ref, State: cloud.JobFailed, Output: "forged", Error: "forged"}},
			Logs:    []wire.LogChunk{{JobRef: ref, Data: "forged\n"}},
		}
	}
	l := rogue.dial()
	for i, ref := range []wire.JobRef{ref, {ID: ref.ID, Token: ref.Token + 1}, {ID: ref.ID}} {
		l.say(forged(int64(i+1), ref))
		if a := l.answer(); len(a.Jobs) != 0 {
			t.Errorf("the other node was given %+v", a.Jobs)
		}
	}
	got, err := s.c.Job(t.Context(), s.admin, job.ID)
	if err != nil || got.State != cloud.JobRunning || got.NodeID != n.id || got.Output != "" || got.Segments != 0 || got.Error != "" {
		t.Errorf("after what another node said the job is %+v, %v", got, err)
	}
	own.say(&wire.Exchange{Session: session, Number: 4, Answer: 3, Room: 9, Results: []wire.Result{{JobRef: ref, State: cloud.JobSucceeded, Output: "mine"}}})
	own.answer()
	if got, err = s.c.Job(t.Context(), s.admin, job.ID); err != nil || got.State != cloud.JobSucceeded || got.Output != "mine" {
		t.Errorf("after what its node said the job is %+v, %v", got, err)
	}
}

func TestStreamNobodyAskedFor(t *testing.T) {
	s := newSite(t)
	n := s.join("n1")
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: s.tls(n.cert)}}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, "https://"+s.addr+wire.PathStream+"x", &websocket.DialOptions{HTTPClient: client})
	fatal(t, err)
	defer ws.CloseNow()
	if _, _, err := ws.Read(ctx); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Errorf("stream ended with %v, want a refusal", err)
	}
}

func FuzzReadExchange(f *testing.F) {
	for _, name := range []string{"testdata/exchange-v0.json", "../agent/testdata/exchange-v1.json"} {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text, false)
	}
	f.Add([]byte(`{"session":"s","results":[{},{"stats":[{}]},null],"free":null}`), false)
	f.Add([]byte("\x28\xb5\x2f\xfd\x04\x00\x41\x00\x00{\"session\""), true)
	f.Add([]byte(`{"session":"\`), false)
	f.Fuzz(func(t *testing.T, body []byte, packed bool) {
		r, err := http.NewRequest(http.MethodPost, wire.PathExchange, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if packed {
			r.Header.Set("Content-Encoding", "zstd")
		}
		x, err := readExchange(r)
		if err == nil && x.Session == "" || err != nil && x != nil {
			t.Errorf("readExchange = %+v, %v", x, err)
		}
		if k := cloud.KindOf(err); err != nil && k != cloud.Invalid && k != cloud.TooLarge {
			t.Errorf("error %v is %s", err, k)
		}
		if err != nil {
			return
		}
		// What was understood means the same when it is said again.
		once, err := json.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		if r, err = http.NewRequest(http.MethodPost, wire.PathExchange, bytes.NewReader(once)); err != nil {
			t.Fatal(err)
		}
		again, err := readExchange(r)
		if err != nil {
			t.Fatalf("%s: %v", once, err)
		}
		if twice, err := json.Marshal(again); err != nil || !bytes.Equal(once, twice) {
			t.Errorf("%s becomes %s, %v", once, twice, err)
		}
	})
}
