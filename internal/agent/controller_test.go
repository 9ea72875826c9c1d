package agent

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/klauspost/compress/zstd"

	"atoll/internal/cloud"
	"atoll/internal/pki"
	"atoll/internal/sal"
	"atoll/internal/sal/sim"
	"atoll/internal/script"
	"atoll/internal/wire"
)

// controller speaks the controller's side of wire over real TLS, for one agent.
type controller struct {
	t     testing.TB
	ca    *pki.CA
	url   string
	token string
	srv   func() // stops the listener

	mu       sync.Mutex
	changed  *sync.Cond
	lifetime time.Duration // of certificates
	jobs     []wire.Job    // to hand over
	next     wire.Answer   // what the next answer carries beside jobs
	number   int64
	sent     []handed
	forget   []wire.JobRef
	held     chan *wire.Answer // of the exchange that is held; nil answers 204
	refuse   int               // status of the next exchanges
	cut      int               // so many answers are lost on their way
	log      []wire.Exchange
	results  map[wire.JobRef][]wire.Result
	chunks   map[wire.JobRef][]wire.LogChunk
	serials  map[string]bool // of certificates that called
	images   map[string][]byte
	scripts  map[string][]byte
	bundles  map[string][]byte
	streams  map[string]chan *websocket.Conn
	joins    []wire.JoinRequest
	replaced int
}

type handed struct {
	number int64
	jobs   []wire.Job
}

func newController(t testing.TB) *controller {
	t.Helper()
	now := time.Now()
	ca, err := pki.NewCA("test", now)
	if err != nil {
		t.Fatal(err)
	}
	c := &controller{
		t: t, ca: ca, lifetime: time.Hour,
		results: map[wire.JobRef][]wire.Result{}, chunks: map[wire.JobRef][]wire.LogChunk{}, serials: map[string]bool{},
		images: map[string][]byte{}, scripts: map[string][]byte{}, bundles: map[string][]byte{}, streams: map[string]chan *websocket.Conn{},
	}
	c.changed = sync.NewCond(&c.mu)
	c.token = pki.FormatJoinToken(pki.JoinToken{ID: "t1", Secret: "secret", CAHash: ca.Hash()})
	mux := http.NewServeMux()
	mux.HandleFunc(wire.PathExchange, c.exchange)
	mux.HandleFunc(wire.PathJoin, c.join)
	mux.HandleFunc(wire.PathRenew, c.renew)
	mux.HandleFunc(wire.PathScript, func(w http.ResponseWriter, r *http.Request) { c.body(w, r, wire.PathScript, c.scripts) })
	mux.HandleFunc(wire.PathBundle, func(w http.ResponseWriter, r *http.Request) { c.body(w, r, wire.PathBundle, c.bundles) })
	mux.HandleFunc(wire.PathImage, func(w http.ResponseWriter, r *http.Request) { c.body(w, r, wire.PathImage, c.images) })
	mux.HandleFunc(wire.PathStream, c.stream)
	c.url = c.serve(mux)
	return c
}

// serve starts a controller's listener with the handler and returns its URL.
func (c *controller) serve(h http.Handler) string {
	c.t.Helper()
	key, err := pki.NewKey()
	if err != nil {
		c.t.Fatal(err)
	}
	issued, err := c.ca.IssueController(key.Public(), "c1", nil, time.Hour, time.Now())
	if err != nil {
		c.t.Fatal(err)
	}
	cert, err := issued.TLS(key)
	if err != nil {
		c.t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", pki.ListenerConfig(c.ca.Cert(), func() (*tls.Certificate, error) { return &cert, nil }, nil))
	if err != nil {
		c.t.Fatal(err)
	}
	srv := &http.Server{Handler: h, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			c.t.Error(err)
		}
	}()
	stop := sync.OnceFunc(func() {
		srv.Close() //nolint:errcheck // the test has ended
		<-done
	})
	if c.srv == nil {
		c.srv = stop
	}
	c.t.Cleanup(stop)
	return "https://" + l.Addr().String()
}

func (c *controller) stop() {
	c.mu.Lock()
	if c.held != nil {
		c.held <- nil
		c.held = nil
	}
	c.refuse = http.StatusServiceUnavailable
	c.mu.Unlock()
	c.srv()
}

func (c *controller) join(w http.ResponseWriter, r *http.Request) {
	var req wire.JoinRequest
	if json.NewDecoder(r.Body).Decode(&req) != nil || req.Token != c.token {
		http.Error(w, `{"detail":"the join token is used up"}`, http.StatusUnauthorized)
		return
	}
	c.mu.Lock()
	c.joins = append(c.joins, req)
	c.mu.Unlock()
	c.issue(w, req.CSR, "node-1")
}

func (c *controller) renew(w http.ResponseWriter, r *http.Request) {
	node, _, err := pki.PeerNode(*r.TLS)
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	var req wire.RenewRequest
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.issue(w, req.CSR, node)
}

func (c *controller) issue(w http.ResponseWriter, csr []byte, node string) {
	c.mu.Lock()
	lifetime := c.lifetime
	c.mu.Unlock()
	cert, err := c.ca.IssueNode(csr, node, lifetime, time.Now())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	leaf := pki.EncodeCertificate(cert.Leaf)
	json.NewEncoder(w).Encode(wire.JoinAnswer{Node: cloud.NodeID(node), Certificate: leaf, CA: c.ca.CertPEM()}) //nolint:errcheck // the agent sees it
}

func (c *controller) body(w http.ResponseWriter, r *http.Request, prefix string, bodies map[string][]byte) {
	if _, _, err := pki.PeerNode(*r.TLS); err != nil {
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	c.mu.Lock()
	b, ok := bodies[strings.TrimPrefix(r.URL.Path, prefix)]
	c.mu.Unlock()
	if !ok {
		http.Error(w, `{"detail":"there is no such thing"}`, http.StatusNotFound)
		return
	}
	w.Write(b) //nolint:errcheck // the agent sees it
}

func (c *controller) stream(w http.ResponseWriter, r *http.Request) {
	ws, err := websocket.Accept(w, r, nil)
	if err != nil {
		c.t.Error(err)
		return
	}
	c.mu.Lock()
	to := c.streams[strings.TrimPrefix(r.URL.Path, wire.PathStream)]
	c.mu.Unlock()
	to <- ws
}

// exchange does what the controller does: see internal/job.
func (c *controller) exchange(w http.ResponseWriter, r *http.Request) {
	_, serial, err := pki.PeerNode(*r.TLS)
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	x, err := readExchange(r)
	if err != nil {
		c.t.Error(err)
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	if c.refuse != 0 {
		w.WriteHeader(c.refuse)
		c.mu.Unlock()
		return
	}
	c.serials[serial] = true
	wait := c.take(x)
	lost := c.cut > 0 && len(c.jobs) > 0
	if lost {
		c.cut--
	}
	c.answer()
	c.mu.Unlock()
	select {
	case a := <-wait:
		if lost {
			panic(http.ErrAbortHandler) // the connection is cut
		}
		write(w, a)
	case <-r.Context().Done():
		c.mu.Lock()
		if c.held == wait {
			c.held = nil
		}
		c.mu.Unlock()
	}
}

func readExchange(r *http.Request) (*wire.Exchange, error) {
	body, err := io.ReadAll(r.Body)
	if err == nil && r.Header.Get("Content-Encoding") == "zstd" {
		z := decoders.Get().(*zstd.Decoder)
		defer decoders.Put(z)
		body, err = z.DecodeAll(body, nil)
	}
	if err != nil {
		return nil, err
	}
	x := &wire.Exchange{}
	return x, json.Unmarshal(body, x)
}

// take stores what the agent says and holds the exchange.
func (c *controller) take(x *wire.Exchange) chan *wire.Answer {
	c.log = append(c.log, *x)
	for _, l := range x.Logs {
		c.chunks[l.JobRef] = append(c.chunks[l.JobRef], l)
	}
	for _, r := range x.Results {
		c.results[r.JobRef] = append(c.results[r.JobRef], r)
		c.forget = append(c.forget, r.JobRef)
	}
	for _, h := range c.sent {
		if h.number > x.Answer {
			for _, j := range h.jobs {
				if len(c.results[j.JobRef]) == 0 {
					c.jobs = append(c.jobs, j)
				}
			}
		}
	}
	c.sent = nil
	if c.held != nil {
		c.replaced++
		c.held <- nil
	}
	c.held = make(chan *wire.Answer, 1)
	c.changed.Broadcast()
	return c.held
}

// answer answers the held exchange if there is something to say.
func (c *controller) answer() {
	n := &c.next
	if c.held == nil || len(c.jobs) == 0 && len(n.Cancel) == 0 && len(n.Streams) == 0 && !n.Renew && !n.Resend && len(n.Trust) == 0 {
		return
	}
	c.number++
	a := *n
	a.Number, a.Jobs, a.Forget = c.number, c.jobs, c.forget
	c.sent = append(c.sent, handed{a.Number, a.Jobs})
	c.jobs, c.forget, c.next = nil, nil, wire.Answer{}
	c.held <- &a
	c.held = nil
}

func write(w http.ResponseWriter, a *wire.Answer) {
	if a == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	body, _ := json.Marshal(a)
	if len(body) > 500 {
		z := encoders.Get().(*zstd.Encoder)
		defer encoders.Put(z)
		body = z.EncodeAll(body, nil)
		w.Header().Set("Content-Encoding", "zstd")
	}
	w.Write(body) //nolint:errcheck // the agent sees it
}

// do changes the controller's state and answers what is held.
func (c *controller) do(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
	c.answer()
}

func (c *controller) hand(jobs ...wire.Job) { c.do(func() { c.jobs = append(c.jobs, jobs...) }) }

// until waits until ok, which is called whenever the agent said something.
func (c *controller) until(what string, ok func() bool) {
	c.t.Helper()
	late := time.AfterFunc(20*time.Second, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		what = "too late: " + what
		c.changed.Broadcast()
	})
	defer late.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	for !ok() {
		if strings.HasPrefix(what, "too late") {
			c.t.Fatal(what)
		}
		c.changed.Wait()
	}
}

// result waits for the end of the job.
func (c *controller) result(ref wire.JobRef) wire.Result {
	c.t.Helper()
	var r wire.Result
	c.until("result of job "+string(ref.ID), func() bool {
		list := c.results[ref]
		if len(list) > 0 {
			r = list[0]
		}
		return len(list) > 0
	})
	return r
}

// last reports whether ok holds for the newest exchange. The caller holds mu.
func (c *controller) last(ok func(x *wire.Exchange) bool) bool {
	return len(c.log) > 0 && ok(&c.log[len(c.log)-1])
}

func newJob(action string, args any) wire.Job {
	j := wire.Job{JobRef: wire.JobRef{ID: cloud.NewID[cloud.JobID](), Token: 1}, Action: action, TimeoutMS: 60_000}
	if args != nil {
		j.Args, _ = json.Marshal(args)
	}
	return j
}

func command(argv ...string) wire.Job {
	return newJob(cloud.ActionCommand, map[string]any{"argv": argv})
}

// processes runs commands as a function of the test.
type processes func(ctx context.Context, cmd sal.Command) (sal.Exit, error)

func (p processes) Run(ctx context.Context, cmd sal.Command) (sal.Exit, error) { return p(ctx, cmd) }
func (p processes) Remnants(context.Context) ([]string, error)                 { return nil, nil }

func simNode(t testing.TB, name string) *sim.Node {
	t.Helper()
	f, err := sim.NewFleet(sim.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return f.Node(name)
}

func testConfig(t testing.TB, c *controller) Config {
	return Config{
		Servers: []string{c.url}, DataDir: t.TempDir(), Name: "n1", Node: simNode(t, "n1").SAL(), Roles: cloud.Roles, Version: "test",
		Log: slog.New(slog.DiscardHandler), Backoff: 50 * time.Millisecond,
	}
}

// start makes and runs an agent, which joins if it has not. The function that it
// returns ends it and waits: as kill -9 does, if kill is set.
func start(t testing.TB, c *controller, cfg Config) (*Agent, func(kill bool)) {
	t.Helper()
	a, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if !a.Joined() {
		if err := a.Join(t.Context(), c.token); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	var once sync.Once
	end := func(kill bool) {
		once.Do(func() {
			if kill {
				a.Kill()
			}
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Run() = %v", err)
			}
		})
	}
	t.Cleanup(func() { end(true) })
	return a, end
}

// sign makes a key that signs scripts and a signature of the checksum by it.
func sign(t testing.TB, sum string) (trust, signature string) {
	t.Helper()
	key, err := pki.NewSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	signature, err = key.Sign(script.Purpose, script.SignedMessage(sum))
	if err != nil {
		t.Fatal(err)
	}
	return key.VerifyKey().String(), signature
}

// logText returns the text of a job's chunks.
func (c *controller) logText(ref wire.JobRef) string {
	var b strings.Builder
	for _, l := range c.logLines(ref) {
		b.WriteString(l.Text + "\n")
	}
	return b.String()
}

// logLines returns the lines of a job's chunks in the order of their sequence.
func (c *controller) logLines(ref wire.JobRef) (lines []wire.LogLine) {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := int64(0)
	// As they are stored: by sequence.
	chunks := slices.SortedStableFunc(slices.Values(c.chunks[ref]), func(a, b wire.LogChunk) int { return cmp.Compare(a.Sequence, b.Sequence) })
	for _, chunk := range chunks {
		if chunk.Sequence < next {
			continue // sent twice
		}
		if chunk.Sequence > next {
			c.t.Fatalf("chunk %d is missing", next)
		}
		next++
		for line := range strings.Lines(chunk.Data) {
			var l wire.LogLine
			if err := json.Unmarshal([]byte(line), &l); err != nil {
				c.t.Errorf("line %q: %v", line, err)
			}
			lines = append(lines, l)
		}
	}
	return lines
}

// proxy is a network that can be taken away.
type network struct {
	mu    sync.Mutex
	gone  bool
	conns []net.Conn
}

func (n *network) Dial(ctx context.Context, kind, addr string) (net.Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.gone {
		return nil, &net.OpError{Op: "dial", Net: kind, Err: io.ErrClosedPipe}
	}
	c, err := (&net.Dialer{}).DialContext(ctx, kind, addr)
	if err == nil {
		n.conns = append(n.conns, c)
	}
	return c, err
}

func (n *network) set(gone bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.gone = gone
	if gone {
		for _, c := range n.conns {
			c.Close() //nolint:errcheck // that is the point
		}
		n.conns = nil
	}
}
