package rest

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"atoll/internal/cloud"
)

// enters starts a request at the gate and returns how it ends.
func enters(g *gate, caller string, weight int) <-chan func() {
	in := make(chan func(), 1)
	go func() {
		leave, err := g.enter(context.Background(), caller, weight)
		if err != nil {
			leave = nil
		}
		in <- leave
	}()
	return in
}

// counts returns the weight that works and how many wait.
func (g *gate) counts() (used, n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.used, g.n
}

func TestGateIsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(8, 100, time.Hour)
		var noisy []<-chan func()
		for range 20 {
			noisy = append(noisy, enters(g, "noisy", 1))
			synctest.Wait() // they come in this order
		}
		if used, n := g.counts(); used != 4 || n != 16 {
			t.Fatalf("%d of the noisy caller's requests work and %d wait, want half of the room", used, n)
		}
		quiet := enters(g, "quiet", 1)
		synctest.Wait()
		select {
		case leave := <-quiet:
			leave()
		default:
			t.Fatal("a quiet caller waits behind a noisy one")
		}
		for _, in := range noisy { // all of them get in, one after the other
			leave := <-in
			if leave == nil {
				t.Fatal("a request that could wait was refused")
			}
			leave()
		}
		synctest.Wait()
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.used != 0 || g.n != 0 || len(g.working)+len(g.waiting)+len(g.turns) != 0 {
			t.Errorf("something is left: %d, %d, %v, %v, %v", g.used, g.n, g.working, g.waiting, g.turns)
		}
	})
}

// TestGateTakesTurns: heavy requests of many callers come in as soon as light ones.
func TestGateTakesTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(4, 100, time.Hour)
		first, second := <-enters(g, "a", 2), <-enters(g, "b", 2)
		heavy := enters(g, "c", 100) // weighs as much as one may have
		synctest.Wait()
		light := enters(g, "d", 1)
		synctest.Wait()
		first()
		leave := <-heavy
		synctest.Wait()
		if len(light) > 0 {
			t.Error("there is no room, and one came in")
		}
		second()
		(<-light)()
		leave()
	})
}

func TestGateRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(2, 5, 5*time.Second)
		leave := <-enters(g, "noisy", 1)
		var waiting []<-chan func()
		for range 5 {
			waiting = append(waiting, enters(g, "noisy", 1))
			synctest.Wait()
		}
		other := <-enters(g, "other", 1)
		last := enters(g, "other", 1) // is too much: the noisy caller's last one goes
		synctest.Wait()
		if _, n := g.counts(); n != 5 {
			t.Errorf("%d requests wait, want 5", n)
		}
		if leave := <-waiting[4]; leave != nil {
			t.Error("the last of the longest line was let in")
		}
		began := time.Now()
		if leave := <-waiting[0]; leave != nil || time.Since(began) != 5*time.Second {
			t.Errorf("a request waited for %s, want it refused after 5 s", time.Since(began))
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err := g.enter(ctx, "gone", 2); !cloud.Is(err, cloud.Unavailable) {
			t.Errorf("a caller who went: %v", err)
		}
		leave()
		other()
		synctest.Wait()
		if <-last != nil {
			t.Error("a request that waited for too long was let in")
		}
		synctest.Wait()
		if used, n := g.counts(); used != 0 || n != 0 {
			t.Errorf("weight %d works and %d wait at the end", used, n)
		}
	})
}

func TestTooManyStreams(t *testing.T) {
	w := newWorld(t)
	s := w.server.Config.Handler.(*Server)
	account := w.account.ID
	ctx := context.WithValue(t.Context(), callKey{}, &call{address: "192.0.2.1"})
	var ends []func()
	for range maxStreams {
		_, end, err := s.stream(ctx)
		w.ok(err)
		ends = append(ends, end)
	}
	if _, _, err := s.stream(ctx); !cloud.Is(err, cloud.RateLimited) {
		t.Errorf("stream %d = %v", maxStreams+1, err)
	}
	w.get(w.admin, fmt.Sprintf("/api/v1/accounts/%s", account)).status(200) // others are not in its way
	for _, end := range ends {
		end()
	}
	waits, end, err := s.stream(ctx)
	w.ok(err)
	s.Drain()
	<-waits.Done()
	end()
	if len(s.streams.open) != 0 {
		t.Errorf("streams are left: %v", s.streams.open)
	}
	w.get("", "/readyz").problem(503, "unavailable", "")
}

func TestTooManyRequests(t *testing.T) {
	w := newWorld(t)
	s := w.server.Config.Handler.(*Server)
	s.inside.Add(maxRequests)
	if p := w.get(w.admin, "/api/v1/me").problem(503, "unavailable", ""); p.RetryAfter < 1 {
		t.Errorf("no time to retry in %+v", p)
	}
	w.get("", "/livez").status(200)
	s.inside.Add(-maxRequests)
	w.get(w.admin, "/api/v1/me").status(200)
	w.eventually("all requests are out", func() bool { return s.inside.Load() == 0 })
}
