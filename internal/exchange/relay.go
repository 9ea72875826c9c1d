package exchange

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/coder/websocket"

	"atoll/internal/cloud"
	"atoll/internal/pki"
)

// The paths at which a controller helps another one, on the agents' listener. The
// caller shows a controller's certificate. It has decided who may do this; no
// credential of a user travels.
const (
	pathNodes      = "/controller/v1/nodes/"
	pathNodeStream = pathNodes + "{node}/streams/{kind}" // WebSocket; the query has its args
	pathJobs       = "/controller/v1/jobs/"
	pathJobOutput  = pathJobs + "{job}/output" // a byte for each chunk of output that is stored
)

// controller lets only other controllers in.
func (s *Server) controller(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if _, serial, err := pki.PeerController(*r.TLS); err != nil || s.isRevoked(serial) {
			problem(w, cloud.Errorf(cloud.Unauthenticated, "a controller's certificate of this installation is needed"))
			return
		}
		s.visitors.identified(r)
		h(w, r)
	}
}

// nodeStream opens a stream at an agent of ours and passes it on.
func (s *Server) nodeStream(w http.ResponseWriter, r *http.Request) {
	line, err := s.c.OpenStreamHere(r.Context(), cloud.NodeID(r.PathValue("node")), r.PathValue("kind"), json.RawMessage(r.URL.Query().Get("args")))
	if err != nil {
		problem(w, err)
		return
	}
	defer line.Close()
	ws, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // Accept has answered
	}
	defer ws.CloseNow()
	remote := websocket.NetConn(s.ctx, ws, websocket.MessageBinary)
	ended := make(chan struct{}, 2)
	pass := func(to io.Writer, from io.Reader) {
		io.Copy(to, from) // whatever ends it ends the stream
		ended <- struct{}{}
	}
	go pass(line, remote)
	go pass(remote, line)
	select {
	case <-ended:
		ws.Close(websocket.StatusNormalClosure, "") // the other end may be gone
		line.Close()
		<-ended
	case <-s.draining:
		ws.Close(websocket.StatusGoingAway, goingAway)
		line.Close()
		<-ended
		<-ended
	}
}

const goingAway = "the controller stops; open it again"

// jobOutput tells the caller of each chunk of the job's output.
func (s *Server) jobOutput(w http.ResponseWriter, r *http.Request) {
	news, stop := s.c.FollowLog(cloud.JobID(r.PathValue("job")))
	defer stop()
	out := http.NewResponseController(w)
	for {
		if err := out.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			return
		}
		if _, err := w.Write([]byte{'.'}); err != nil || out.Flush() != nil {
			return
		}
		select {
		case <-news:
		case <-s.draining:
			return
		case <-r.Context().Done():
			return
		}
	}
}

// relay calls other controllers; it is control's Relay.
type relay struct{ http *http.Client }

func newRelay(ca *pki.CA, cert *certificate) *relay {
	return &relay{&http.Client{Transport: &http.Transport{
		TLSClientConfig: pki.ClientConfig(ca.Cert(), cert.get), DisableKeepAlives: true,
		TLSHandshakeTimeout: relayDial, ResponseHeaderTimeout: relayAnswer,
	}}}
}

const (
	relayDial   = 5 * time.Second
	relayAnswer = 30 * time.Second // its agent has half of it to open a stream
)

// OpenStream is control.Relay's.
func (l *relay) OpenStream(ctx context.Context, at string, node cloud.NodeID, kind string, args json.RawMessage) (io.ReadWriteCloser, error) {
	to := url.URL{Scheme: "https", Host: at, Path: pathNodes + string(node) + "/streams/" + kind, RawQuery: url.Values{"args": {string(args)}}.Encode()}
	ws, res, err := websocket.Dial(ctx, to.String(), &websocket.DialOptions{HTTPClient: l.http})
	switch {
	case err == nil:
		ws.SetReadLimit(-1) // messages are read in parts
		return newRelayed(ws), nil
	case res != nil && res.StatusCode >= http.StatusBadRequest:
		return nil, problemOf(res)
	}
	return nil, cloud.Wrap(cloud.Unavailable, err, "the controller at %s, which holds the agent of node %s, does not answer", at, node)
}

// FollowLog is control.Relay's.
func (l *relay) FollowLog(ctx context.Context, at string, job cloud.JobID, heard func()) error {
	to := url.URL{Scheme: "https", Host: at, Path: pathJobs + string(job) + "/output"}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, to.String(), nil)
	if err != nil {
		return err
	}
	res, err := l.http.Do(req)
	if err != nil {
		return cloud.Wrap(cloud.Unavailable, err, "the controller at %s does not answer", at)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return problemOf(res)
	}
	for body := bufio.NewReader(res.Body); ; heard() {
		if _, err := body.ReadByte(); err != nil {
			return err
		}
	}
}

// problemOf reads what problem wrote.
func problemOf(res *http.Response) error {
	var p struct {
		Code   cloud.ErrorKind
		Detail string
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<16)).Decode(&p); err != nil || p.Code == "" {
		return cloud.Errorf(cloud.Unavailable, "another controller answered %s", res.Status)
	}
	return cloud.Errorf(p.Code, "%s", p.Detail)
}

// relayed is a stream that another controller passes on. Unlike websocket.NetConn
// it tells a stream that ended from one whose controller stops.
type relayed struct {
	net    io.WriteCloser
	ws     *websocket.Conn
	ctx    context.Context
	cancel context.CancelFunc
	part   io.Reader // of the message that is being read
}

func newRelayed(ws *websocket.Conn) *relayed {
	ctx, cancel := context.WithCancel(context.Background()) // until Close: it outlives the call that opened it
	return &relayed{net: websocket.NetConn(ctx, ws, websocket.MessageBinary), ws: ws, ctx: ctx, cancel: cancel}
}

// Read implements io.Reader. Unavailable says that the stream may be opened again.
func (c *relayed) Read(p []byte) (int, error) {
	for {
		if c.part == nil {
			_, part, err := c.ws.Reader(c.ctx)
			switch {
			case websocket.CloseStatus(err) == websocket.StatusNormalClosure:
				return 0, io.EOF
			case err != nil:
				return 0, cloud.Wrap(cloud.Unavailable, err, goingAway)
			}
			c.part = part
		}
		n, err := c.part.Read(p)
		if err == io.EOF {
			c.part, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// Write implements io.Writer.
func (c *relayed) Write(p []byte) (int, error) { return c.net.Write(p) }

// Close implements io.Closer.
func (c *relayed) Close() error {
	err := c.net.Close()
	c.cancel()
	return err
}
