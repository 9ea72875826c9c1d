package rest

import (
	"context"
	"slices"
	"sync"
	"time"

	"atoll/internal/cloud"
)

// gate lets in as many requests as a controller can work on at a time; the others
// wait. Each caller has a line of its own, the lines take turns, and nobody gets
// more than half of the room: who asks for much waits behind himself.
type gate struct {
	room, share int // in weights
	lines       int // how many requests may wait together
	patience    time.Duration

	mu      sync.Mutex
	used    int
	working map[string]int // weight, by caller
	waiting map[string][]*waiter
	turns   []string // callers who wait, the next one first
	n       int      // who waits
}

// waiter is a request that waits at a gate.
type waiter struct {
	weight int
	end    chan error // nil lets it in
}

// The gate of a controller. A request weighs one, and one more for each 2 KiB of
// its body, so that few large batches are worked on at a time, and those who want
// little do not wait for them.
const (
	gateRoom     = 128
	gateLines    = 1024
	gatePatience = 5 * time.Second
	weightBytes  = 2 << 10
)

func newGate(room, lines int, patience time.Duration) *gate {
	return &gate{
		room: room, share: max(room/2, 1), lines: lines, patience: patience,
		working: map[string]int{}, waiting: map[string][]*waiter{},
	}
}

// overloaded is the answer when there is more to do than can be done.
func overloaded() error {
	e := cloud.Errorf(cloud.Unavailable, "the controller has more to do than it can; try again")
	e.RetryAfter = 2 * time.Second
	return e
}

// enter waits until the caller's request may be worked on. leave ends the work;
// it must be called once.
func (g *gate) enter(ctx context.Context, caller string, weight int) (leave func(), err error) {
	w := &waiter{weight: min(weight, g.share), end: make(chan error, 1)}
	g.mu.Lock()
	if len(g.waiting[caller]) == 0 {
		g.turns = append(g.turns, caller)
	}
	g.waiting[caller] = append(g.waiting[caller], w)
	g.n++
	g.admit()
	if g.n > g.lines {
		g.shorten()
	}
	g.mu.Unlock()
	leave = func() { g.leave(caller, w) }
	select { // without a timer, as most need not wait
	case err := <-w.end:
		return leave, err
	default:
	}
	timer := time.NewTimer(g.patience)
	defer timer.Stop()
	select {
	case err := <-w.end:
		return leave, err
	case <-timer.C:
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := slices.Index(g.waiting[caller], w); i >= 0 {
		g.drop(caller, i)
		return nil, overloaded()
	}
	return leave, <-w.end // its turn came at the last moment
}

// admit lets in whose turn it is, as far as there is room. The caller holds mu.
func (g *gate) admit() {
	for i := 0; i < len(g.turns); {
		caller := g.turns[i]
		w := g.waiting[caller][0]
		if used := g.working[caller]; used > 0 && used+w.weight > g.share {
			i++ // the others go before
			continue
		}
		if g.used+w.weight > g.room {
			return // nobody overtakes, or a heavy one would wait for ever
		}
		g.used += w.weight
		g.working[caller] += w.weight
		g.drop(caller, 0)
		if j := slices.Index(g.turns, caller); j >= 0 { // it has more: to the end of the turns
			g.turns = append(slices.Delete(g.turns, j, j+1), caller)
		}
		w.end <- nil
		i = 0
	}
}

// shorten refuses the last one of the longest line. The caller holds mu.
func (g *gate) shorten() {
	longest := g.turns[0]
	for _, caller := range g.turns {
		if len(g.waiting[caller]) > len(g.waiting[longest]) {
			longest = caller
		}
	}
	last := len(g.waiting[longest]) - 1
	w := g.waiting[longest][last]
	g.drop(longest, last)
	w.end <- overloaded()
}

// drop takes a waiter out of its line. The caller holds mu.
func (g *gate) drop(caller string, i int) {
	g.n--
	g.waiting[caller] = slices.Delete(g.waiting[caller], i, i+1)
	if len(g.waiting[caller]) == 0 {
		delete(g.waiting, caller)
		g.turns = slices.DeleteFunc(g.turns, func(c string) bool { return c == caller })
	}
}

func (g *gate) leave(caller string, w *waiter) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.used -= w.weight
	if g.working[caller] -= w.weight; g.working[caller] == 0 {
		delete(g.working, caller)
	}
	g.admit()
}
