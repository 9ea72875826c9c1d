package rest

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"atoll/api"
	"atoll/internal/cloud"
	"atoll/internal/store"
)

// TestSlowReaderIsDroppedAndResumes: a reader of the feed who does not read is
// left, others are not held up by it, and it goes on where it was.
func TestSlowReaderIsDroppedAndResumes(t *testing.T) {
	w := newWorldWith(t, Config{ReaderTime: 300 * time.Millisecond})
	s := w.server.Config.Handler.(*Server)
	slow := w.follow(w.admin, "?after=0")
	slow.SetReadLimit(1 << 20)
	first := w.next(slow).Event
	const n, size = 600, 60 << 10 // more than the sockets' buffers take
	filler := []byte(`{"x":"` + strings.Repeat("x", size) + `"}`)
	for range n / 20 {
		w.ok(w.control.DB.Update(t.Context(), func(tx *store.Tx) error {
			for range 20 {
				if err := tx.AddEvent(&cloud.Event{Class: cloud.ClassState, Actor: "test", Action: "test.filler", Outcome: cloud.OutcomeOK, Difference: filler}); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	w.eventually("the slow reader is left", func() bool {
		s.streams.mu.Lock()
		defer s.streams.mu.Unlock()
		return len(s.streams.open) == 0
	})
	last := first.Seq
	for { // what is in the buffers is read yet
		var m api.FeedMessage
		if err := wsjson.Read(t.Context(), slow, &m); err != nil {
			break
		}
		if m.Event.Seq != last+1 {
			t.Fatalf("event %d follows event %d", m.Event.Seq, last)
		}
		last = m.Event.Seq
	}
	if last >= n {
		t.Fatalf("the slow reader got all %d events: nothing was tested", last)
	}
	for last < n { // on a busy machine this reader may be slow too
		again := w.follow(w.admin, "?after="+strconv.FormatInt(last, 10))
		again.SetReadLimit(1 << 20)
		for last < n {
			var m api.FeedMessage
			if err := wsjson.Read(t.Context(), again, &m); err != nil {
				break
			}
			if m.Event.Seq != last+1 {
				t.Fatalf("event %d follows event %d", m.Event.Seq, last)
			}
			last++
		}
		again.CloseNow()
	}
}

// TestSlowConsoleIsLeft: who opens a console and does not read holds it no longer
// than that.
func TestSlowConsoleIsLeft(t *testing.T) {
	w := newWorldWith(t, Config{ReaderTime: 300 * time.Millisecond})
	s := w.server.Config.Handler.(*Server)
	ws, done, machine := w.console(s)
	defer ws.CloseNow()
	flood := make(chan error, 1)
	go func() {
		for buf := make([]byte, 64<<10); ; {
			if _, err := machine.Write(buf); err != nil {
				flood <- err
				return
			}
		}
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Error("the console goes on")
	}
	if err := <-flood; err != io.ErrClosedPipe {
		t.Errorf("the machine's end: %v", err)
	}
}

// console is a console with a user at one end and a machine at the other.
func (w *world) console(s *Server) (ws *websocket.Conn, done chan struct{}, machine net.Conn) {
	w.t.Helper()
	machine, line := net.Pipe()
	done = make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		defer close(done)
		ws, err := websocket.Accept(rw, r, nil)
		if err != nil {
			w.t.Error(err)
			return
		}
		s.relay(r, ws, line)
	}))
	w.t.Cleanup(srv.Close)
	ws, _, err := websocket.Dial(w.t.Context(), srv.URL, nil)
	w.ok(err)
	return ws, done, machine
}

// TestDrain: when the controller stops, waits are answered, streams end as going
// away, and nothing is taken for the end of what was followed.
func TestDrain(t *testing.T) {
	w := newWorld(t)
	s := w.server.Config.Handler.(*Server)
	feed := w.follow(w.admin, "?after=0")
	w.next(feed)
	console, done, _ := w.console(s)
	var job api.Job
	w.node("n1")
	w.post(w.admin, "/api/v1/jobs", `{"node":"n1","action":"noop"}`).read(&job)
	waits := make(chan *answered, 1)
	go func() { waits <- w.get(w.admin, "/api/v1/jobs/"+job.ID, "Prefer", "wait=60") }()
	logs := make(chan error, 1)
	go func() {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.server.URL+"/api/v1/jobs/"+job.ID+"/logs?follow=true", nil)
		if err != nil {
			logs <- err
			return
		}
		r.Header.Set("Authorization", "Bearer "+w.admin)
		res, err := http.DefaultClient.Do(r)
		if err == nil {
			defer res.Body.Close()
			_, err = io.ReadAll(res.Body)
		}
		logs <- err
	}()
	w.eventually("all wait", func() bool {
		s.streams.mu.Lock()
		defer s.streams.mu.Unlock()
		n := 0
		for _, of := range s.streams.open {
			n += of
		}
		return n == 3
	})
	s.Drain()
	if a := <-waits; a.StatusCode != 200 || !strings.Contains(a.text, `"queued"`) || !a.Close {
		t.Errorf("a wait is answered %d %s, close %t", a.StatusCode, a.text, a.Close)
	}
	if err := <-logs; err == nil {
		t.Error("output that was followed ends as if the job had ended")
	}
	for {
		var m api.FeedMessage
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		err := wsjson.Read(ctx, feed, &m)
		cancel()
		if err == nil {
			continue
		}
		if websocket.CloseStatus(err) != websocket.StatusGoingAway {
			t.Errorf("the feed ends with %v", err)
		}
		break
	}
	if _, _, err := console.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("the console ends with %v", err)
	}
	<-done
	w.get("", "/readyz").problem(503, "unavailable", "")
}
