// Package exchange is the agents' endpoint: join and renewal, the long-polled
// exchange, script and image bodies, and the streams that agents open.
//
// It must never decide anything about jobs or nodes: it authenticates the peer,
// decodes, and asks control and job. A held exchange costs a connection and a
// few hundred bytes, no goroutine.
package exchange

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"atoll/internal/cloud"
	"atoll/internal/control"
	"atoll/internal/pki"
	"atoll/internal/wire"
)

// Server is the agents' endpoint of one controller.
type Server struct {
	c    *control.Control
	log  *slog.Logger
	http *http.Server
	ctx  context.Context // ends when the server does: exchanges outlive their request's
	// draining is closed when agents are to turn to other controllers.
	draining chan struct{}
	drain    sync.Once

	mu      sync.Mutex
	conns   map[*agentConn]bool
	revoked map[string]bool
	work    sync.WaitGroup

	visitors *visitors
}

// New returns the endpoint; hosts are the names and addresses under which agents
// reach it.
func New(ctx context.Context, c *control.Control, hosts []string, log *slog.Logger) (*Server, error) {
	s := &Server{
		c: c, log: log, ctx: ctx, draining: make(chan struct{}),
		conns: map[*agentConn]bool{}, revoked: map[string]bool{}, visitors: newVisitors(),
	}
	cert, err := newCertificate(c, hosts)
	if err != nil {
		return nil, err
	}
	if err := s.loadRevoked(ctx); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+wire.PathJoin, s.join)
	mux.HandleFunc("POST "+wire.PathRenew, s.node(s.renew))
	mux.HandleFunc("POST "+wire.PathExchange, s.node(s.exchange))
	mux.HandleFunc("GET "+wire.PathScript+"{id}", s.known(s.script))
	mux.HandleFunc("GET "+wire.PathBundle+"{sha256}", s.known(s.bundle))
	mux.HandleFunc("GET "+wire.PathImage+"{sha256}", s.known(s.image))
	mux.HandleFunc("GET "+wire.PathStream+"{id}", s.known(s.stream))
	mux.HandleFunc("GET "+pathNodeStream, s.controller(s.nodeStream))
	mux.HandleFunc("GET "+pathJobOutput, s.controller(s.jobOutput))
	c.UseRelay(newRelay(c.CA(), cert))
	s.http = &http.Server{
		Handler: mux, TLSConfig: pki.ListenerConfig(c.CA().Cert(), cert.get, s.isRevoked),
		ReadHeaderTimeout: 15 * time.Second, IdleTimeout: 15 * time.Second, // exchanges have their own, see agentConn
		ConnState: s.visitors.see, ConnContext: remember,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug), // handshakes of strangers
	}
	s.http.TLSConfig.NextProtos = []string{"http/1.1"}
	return s, nil
}

// certificate is the listener's, made anew when two thirds of its life are over.
type certificate struct {
	mu    sync.Mutex
	c     *control.Control
	hosts []string
	cert  *tls.Certificate
}

func newCertificate(c *control.Control, hosts []string) (*certificate, error) {
	cert, err := c.ListenerCertificate(hosts)
	return &certificate{c: c, hosts: hosts, cert: cert}, err
}

func (k *certificate) get() (*tls.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.cert.Leaf != nil && time.Now().After(pki.RenewAt(k.cert.Leaf)) {
		next, err := k.c.ListenerCertificate(k.hosts)
		if err != nil {
			return nil, err
		}
		k.cert = next
	}
	return k.cert, nil
}

// Serve answers agents on the listener until ctx of New ends.
func (s *Server) Serve(ln net.Listener) error {
	s.work.Go(s.watch)
	stop := context.AfterFunc(s.ctx, func() { s.http.Close() })
	defer stop()
	err := s.http.ServeTLS(ln, "", "")
	if errors.Is(err, http.ErrServerClosed) {
		<-s.ctx.Done() // Drain still speaks to the agents that are connected
	}
	s.closeConns(func(*agentConn) bool { return true })
	s.work.Wait()
	if s.ctx.Err() != nil && errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// Drain sends the agents to other controllers: exchanges that are held end, new
// ones are refused, streams that are passed on to other controllers are closed as
// going away. It waits for calls under way, such as image bodies, until ctx ends.
func (s *Server) Drain(ctx context.Context) {
	s.drain.Do(func() { close(s.draining) })
	s.c.Queue().Close()
	if err := s.http.Shutdown(ctx); err != nil {
		s.log.Debug("agents' calls are cut", "err", err)
	}
}

func (s *Server) isDraining() bool {
	select {
	case <-s.draining:
		return true
	default:
		return false
	}
}

// watch refreshes the revocations and closes the connections that they end.
func (s *Server) watch() {
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
		}
		if err := s.loadRevoked(s.ctx); err != nil {
			s.log.Error("read revoked certificates", "err", err)
			continue
		}
		s.closeConns(func(a *agentConn) bool { return s.isRevoked(a.serial) })
	}
}

func (s *Server) loadRevoked(ctx context.Context) error {
	list, err := s.c.Revoked(ctx)
	if err != nil {
		return err
	}
	next := make(map[string]bool, len(list))
	for _, serial := range list {
		next[serial] = true
	}
	s.mu.Lock()
	s.revoked = next
	s.mu.Unlock()
	return nil
}

func (s *Server) isRevoked(serial string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.revoked[serial]
}

func (s *Server) closeConns(which func(*agentConn) bool) {
	s.mu.Lock()
	var list []*agentConn
	for a := range s.conns {
		list = append(list, a)
	}
	s.mu.Unlock()
	for _, a := range list {
		if which(a) {
			a.conn.Close()
		}
	}
}

// node lets only agents in, and tells the handler which node calls.
func (s *Server) node(h func(w http.ResponseWriter, r *http.Request, id cloud.NodeID)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id, serial, err := pki.PeerNode(*r.TLS)
		if err != nil || s.isRevoked(serial) {
			problem(w, cloud.Errorf(cloud.Unauthenticated, "an agent's certificate of this installation is needed"))
			return
		}
		s.visitors.identified(r)
		h(w, r, cloud.NodeID(id))
	}
}

// known is node for what control does not check itself: a node that was deleted
// may still have a certificate from before its last renewal.
func (s *Server) known(h func(w http.ResponseWriter, r *http.Request, id cloud.NodeID)) http.HandlerFunc {
	return s.node(func(w http.ResponseWriter, r *http.Request, id cloud.NodeID) {
		if err := s.c.KnownNode(r.Context(), id); err != nil {
			problem(w, err)
			return
		}
		h(w, r, id)
	})
}

func (s *Server) join(w http.ResponseWriter, r *http.Request) {
	var in wire.JoinRequest
	if err := decode(w, r, &in); err != nil {
		problem(w, err)
		return
	}
	host, _, _ := net.SplitHostPort(r.RemoteAddr) // an address of net/http always has a port
	answer, err := s.c.Join(r.Context(), &in, host)
	s.reply(w, answer, err)
}

func (s *Server) renew(w http.ResponseWriter, r *http.Request, id cloud.NodeID) {
	var in wire.RenewRequest
	if err := decode(w, r, &in); err != nil {
		problem(w, err)
		return
	}
	answer, err := s.c.Renew(r.Context(), id, in.CSR)
	s.reply(w, answer, err)
}

func decode(w http.ResponseWriter, r *http.Request, v any) error {
	if err := limitBody(w); err != nil {
		return err
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(v); err != nil {
		return cloud.Wrap(cloud.Invalid, err, "the body is no JSON that this controller understands")
	}
	return nil
}

// limitBody bounds the time in which a body must be there.
func limitBody(w http.ResponseWriter) error {
	return http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
}

func (s *Server) reply(w http.ResponseWriter, answer any, err error) {
	if err != nil {
		s.log.Warn("agent refused", "err", err)
		problem(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(answer) // the agent is gone if this fails
}

// statusOf maps kinds of errors to what an agent does: 4xx it reports, 5xx and
// 429 it tries again.
func statusOf(err error) int {
	switch cloud.KindOf(err) {
	case cloud.Invalid:
		return http.StatusUnprocessableEntity
	case cloud.TooLarge:
		return http.StatusRequestEntityTooLarge
	case cloud.Unauthenticated:
		return http.StatusUnauthorized
	case cloud.Denied:
		return http.StatusForbidden
	case cloud.NotFound:
		return http.StatusNotFound
	case cloud.Conflict:
		return http.StatusConflict
	case cloud.RateLimited:
		return http.StatusTooManyRequests
	case cloud.Internal:
		return http.StatusInternalServerError
	}
	return http.StatusServiceUnavailable
}

func problem(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(statusOf(err))
	json.NewEncoder(w).Encode(problemBody(err)) // the agent is gone if this fails
}

func problemBody(err error) map[string]string {
	return map[string]string{"code": string(cloud.KindOf(err)), "detail": cloud.UserMessage(err)}
}

func (s *Server) script(w http.ResponseWriter, r *http.Request, id cloud.NodeID) {
	body, err := s.c.OpenScript(r.Context(), id, cloud.ScriptID(r.PathValue("id")))
	if err != nil {
		problem(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Write(body) // the agent is gone if this fails
}

func (s *Server) image(w http.ResponseWriter, r *http.Request, id cloud.NodeID) {
	body, _, err := s.c.OpenImage(r.Context(), id, r.PathValue("sha256"))
	sendBlob(w, r, body, err)
}

func (s *Server) bundle(w http.ResponseWriter, r *http.Request, id cloud.NodeID) {
	body, err := s.c.OpenBundle(r.Context(), id, r.PathValue("sha256"))
	sendBlob(w, r, body, err)
}

// sendBlob answers with a blob that was opened, or with why it was not.
func sendBlob(w http.ResponseWriter, r *http.Request, body io.ReadSeekCloser, err error) {
	if err != nil {
		problem(w, err)
		return
	}
	defer body.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, body)
}

// stream hands a stream that an agent opened to whoever asked for it.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, id cloud.NodeID) {
	ws, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // Accept has answered
	}
	ws.SetReadLimit(1 << 20)
	ctx, cancel := context.WithCancel(s.ctx)
	conn := &streamConn{Conn: websocket.NetConn(ctx, ws, websocket.MessageBinary), closed: cancel}
	if err := s.c.AcceptStream(strings.TrimSpace(r.PathValue("id")), id, conn); err != nil {
		ws.Close(websocket.StatusPolicyViolation, cloud.UserMessage(err))
		cancel()
		return
	}
	<-ctx.Done() // the reader closes it
}

// streamConn tells the handler when its reader has closed it.
type streamConn struct {
	net.Conn
	closed context.CancelFunc
}

func (c *streamConn) Close() error {
	err := c.Conn.Close()
	c.closed()
	return err
}
