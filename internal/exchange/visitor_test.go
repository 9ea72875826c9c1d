package exchange

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"atoll/internal/wire"
)

// A stranger's connections are bounded, and leave room for agents.
func TestStrangersConnectionsAreBounded(t *testing.T) {
	s := newSite(t)
	agent := s.join("agent")
	held := agent.dial()
	defer held.Close()
	hello := &wire.Exchange{Session: session, Number: 1}
	held.say(hello)
	held.answer()
	n := func() int {
		s.s.visitors.mu.Lock()
		defer s.s.visitors.mu.Unlock()
		return s.s.visitors.n["127.0.0.1"]
	}
	if n() != 0 {
		t.Fatalf("%d connections count as strangers' after an exchange", n())
	}
	s.s.visitors.mu.Lock()
	s.s.visitors.n["127.0.0.1"] = maxVisitors - 1
	s.s.visitors.mu.Unlock()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", s.addr)
		fatal(t, err)
		t.Cleanup(func() { c.Close() })
		return c
	}
	last := dial() // takes the last place, and says nothing
	until(t, "the stranger is counted", func() bool { return n() == maxVisitors })
	over := dial()
	fatal(t, over.SetReadDeadline(time.Now().Add(5*time.Second)))
	if _, err := over.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a connection over the limit was not closed: %v", err)
	}
	hello.Number++
	held.say(hello) // who is known goes on
	held.answer()
	last.Close()
	until(t, "the stranger is gone", func() bool { return n() == maxVisitors-1 })
	again := agent.dial()
	defer again.Close()
	hello.Number++
	again.say(hello)
	again.answer()
}
