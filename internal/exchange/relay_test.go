package exchange

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"

	"atoll/internal/cloud"
	"atoll/internal/wire"
)

// TestWhoMayRelay: only controllers reach agents through a controller, and a
// controller is no agent.
func TestWhoMayRelay(t *testing.T) {
	s := newSite(t)
	n := s.join("n1")
	mine, err := s.c.ListenerCertificate(nil)
	fatal(t, err)
	foreign := newSite(t)
	theirs, err := foreign.c.ListenerCertificate(nil)
	fatal(t, err)
	for _, path := range []string{pathNodes + string(n.id) + "/streams/console", pathJobs + cloud.NewID[string]() + "/output"} {
		if status, body := s.call(n.cert, http.MethodGet, path, nil, nil); status != http.StatusUnauthorized {
			t.Errorf("GET %s of an agent = %d %s", path, status, body)
		}
		if status, body := s.call(nil, http.MethodGet, path, nil, nil); status != http.StatusUnauthorized {
			t.Errorf("GET %s without certificate = %d %s", path, status, body)
		}
		if status, body := s.call(theirs, http.MethodGet, path, nil, nil); status != 0 {
			t.Errorf("GET %s of another installation's controller = %d %s", path, status, body)
		}
	}
	if status, body := s.call(mine, http.MethodGet, pathNodes+string(n.id)+"/streams/console", nil, nil); status != http.StatusServiceUnavailable {
		t.Errorf("a stream of an agent that is not here = %d %s", status, body)
	}
	if status, body := s.call(mine, http.MethodPost, wire.PathExchange, &wire.Exchange{Session: "x", Number: 1}, nil); status != http.StatusUnauthorized {
		t.Errorf("an exchange of a controller = %d %s", status, body)
	}
}

// TestRelay passes a stream of an agent on, both ways, until the controller stops.
func TestRelay(t *testing.T) {
	s := newSite(t)
	n := s.join("n1")
	l := n.dial()
	l.say(&wire.Exchange{Session: "a", Number: 1})
	l.answer()
	l.say(&wire.Exchange{Session: "a", Number: 2, Answer: 1})
	cert, err := newCertificate(s.c, nil)
	fatal(t, err)
	r := newRelay(s.c.CA(), cert)
	args := json.RawMessage(`{"id":"m","epoch":3}`)
	agent := make(chan *websocket.Conn, 1)
	go func() { // the agent opens what it is asked for
		a := l.answer()
		for number := int64(3); len(a.Streams) == 0; number++ {
			l.say(&wire.Exchange{Session: "a", Number: number, Answer: a.Number})
			a = l.answer()
		}
		if open := a.Streams[0]; open.Kind != wire.StreamConsole || string(open.Args) != string(args) {
			t.Errorf("the agent is asked for %+v", open)
		}
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: s.tls(n.cert)}}
		ws, _, err := websocket.Dial(t.Context(), "https://"+s.addr+wire.PathStream+a.Streams[0].ID, &websocket.DialOptions{HTTPClient: client})
		if err != nil {
			t.Error(err)
		}
		agent <- ws
	}()
	line, err := r.OpenStream(t.Context(), s.addr, n.id, wire.StreamConsole, args)
	fatal(t, err)
	defer line.Close()
	ws := <-agent
	defer ws.CloseNow()
	_, err = line.Write([]byte("uname\n"))
	fatal(t, err)
	if _, got, err := ws.Read(t.Context()); err != nil || string(got) != "uname\n" {
		t.Fatalf("the agent reads %q, %v", got, err)
	}
	fatal(t, ws.Write(t.Context(), websocket.MessageBinary, []byte("Linux\n")))
	got := make([]byte, 6)
	if _, err := io.ReadFull(line, got); err != nil || string(got) != "Linux\n" {
		t.Fatalf("the other controller reads %q, %v", got, err)
	}
	end, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	s.s.Drain(end)
	if _, err := line.Read(got); !cloud.Is(err, cloud.Unavailable) {
		t.Errorf("the stream of a controller that stops ends with %v", err)
	}
}

// TestDrainSendsAgentsAway: exchanges are answered at once, and the connection ends.
func TestDrainSendsAgentsAway(t *testing.T) {
	s := newSite(t)
	n := s.join("n1")
	l := n.dial()
	l.say(&wire.Exchange{Session: "a", Number: 1})
	l.answer()
	end, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	done := make(chan struct{})
	go func() { defer close(done); s.s.Drain(end) }()
	for number := int64(2); ; number++ {
		l.say(&wire.Exchange{Session: "a", Number: number, Answer: 1})
		resp, err := http.ReadResponse(l.r, nil)
		fatal(t, err)
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Fatal(err)
		}
		if resp.Close {
			break
		}
	}
	<-done
	if _, err := l.r.ReadByte(); err == nil {
		t.Error("the connection goes on")
	}
	if status, _ := s.call(n.cert, http.MethodGet, wire.PathScript+"x", nil, nil); status != 0 {
		t.Errorf("a call after the end = %d", status)
	}
}
