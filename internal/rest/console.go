package rest

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"atoll/internal/cloud"
	"atoll/internal/control"
)

func (s *Server) registerConsoles() {
	op := get("/machines/{machine}/console", "open-console", "Machines", "Open a machine's serial console or screen (WebSocket)")
	op.Description = "Binary messages are the bytes of the serial line, or of the RFB protocol for the screen, both ways."
	op.Responses = map[string]*huma.Response{"101": {Description: "The WebSocket."}}
	add(s, op, s.console)
}

type console struct {
	MachineIn
	Kind    string `query:"kind" enum:"console,screen" default:"console"`
	Upgrade string `header:"Upgrade" doc:"websocket"`
}

// checkUpgrade refuses what is no WebSocket before anything was opened.
func checkUpgrade(text string) error {
	if !strings.EqualFold(text, "websocket") {
		return cloud.FieldErrorf("Upgrade", "this is a WebSocket: send Upgrade: websocket")
	}
	return nil
}

func (s *Server) console(ctx context.Context, r *control.Request, in *console) (*huma.StreamResponse, error) {
	if err := checkUpgrade(in.Upgrade); err != nil {
		return nil, err
	}
	if r.ReadOnly {
		return nil, cloud.Errorf(cloud.Denied, "this token may only read; make one with the scope full")
	}
	waits, end, err := s.stream(ctx)
	if err != nil {
		return nil, err
	}
	line, err := s.control.OpenConsole(waits, r, in.ref(), in.Kind)
	if err != nil {
		end()
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer end()
		defer line.Close()
		req, w := humago.Unwrap(hc)
		ws, err := websocket.Accept(w, req, &websocket.AcceptOptions{OriginPatterns: s.hosts})
		if err != nil {
			return // Accept has answered
		}
		defer ws.CloseNow()
		s.relay(req, ws, line)
	}}, nil
}

// relay copies both ways until one side ends or the credential holds no longer.
// A user who does not read what comes is left.
func (s *Server) relay(r *http.Request, ws *websocket.Conn, line io.ReadWriteCloser) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	conn := websocket.NetConn(ctx, ws, websocket.MessageBinary)
	ended := make(chan error, 4)
	go func() { _, err := io.Copy(line, conn); ended <- err }()
	go func() { _, err := io.Copy(patient{conn, s.ReaderTime}, line); ended <- err }()
	go func() { ended <- s.holds(ctx, r) }()
	defer context.AfterFunc(s.draining, func() { ended <- cloud.Errorf(cloud.Unavailable, stopping) })()
	switch err := <-ended; cloud.KindOf(err) {
	case cloud.Unauthenticated:
		ws.Close(websocket.StatusPolicyViolation, "the credential holds no longer")
	case cloud.Unavailable:
		ws.Close(websocket.StatusGoingAway, cloud.UserMessage(err))
	default:
		ws.Close(websocket.StatusNormalClosure, "the console ended")
	}
	cancel()
	line.Close() // ends the copies; what it answers is of no use any more
	for range 2 {
		<-ended
	}
}

// patient writes to a reader who may take so long for it.
type patient struct {
	net.Conn
	limit time.Duration
}

func (p patient) Write(b []byte) (int, error) {
	if err := p.SetWriteDeadline(time.Now().Add(p.limit)); err != nil {
		return 0, err
	}
	return p.Conn.Write(b)
}

// consoleCheck is how often the credential of an open console is looked at, besides
// when any is taken.
const consoleCheck = 5 * time.Second

// holds returns when the request's credential holds no longer, or ctx ends.
func (s *Server) holds(ctx context.Context, r *http.Request) error {
	revoked, stop := s.control.Revocations()
	defer stop()
	tick := time.NewTicker(consoleCheck)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-revoked:
		}
		_, err := s.recheck(ctx, r)
		if err != nil && !errors.Is(err, context.Canceled) && cloud.Is(err, cloud.Unauthenticated) {
			return err
		}
	}
}
