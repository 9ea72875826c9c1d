// Package reconcile runs loops that look at what is and at what should be and do
// the difference: on a timer and on a signal, on one controller at a time, and
// it keeps how each of them fares.
//
// It must never know what a loop does: the loops live in control, take no input,
// and do not retry inside, since they run again.
package reconcile

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Loop is one loop.
type Loop struct {
	Name   string
	Period time.Duration
	Do     func(ctx context.Context) error
}

// State is how a loop fares on this controller.
type State struct {
	Name    string
	Period  time.Duration
	Runs    int64
	Errors  int64
	LastRun time.Time // of this controller; zero if another one has the lease
	LastErr string    // of the last run, "" if it went well
	Took    time.Duration
}

// Runner runs loops. It is safe for concurrent use.
type Runner struct {
	// Take takes or renews the lease of a name and reports whether this controller
	// has it.
	take func(ctx context.Context, name string, ttl time.Duration) (bool, error)
	log  *slog.Logger

	mu      sync.Mutex
	states  map[string]*State
	signals map[string]chan struct{}
}

// New returns a runner that asks take for the lease of a loop before each run.
func New(take func(ctx context.Context, name string, ttl time.Duration) (bool, error), log *slog.Logger) *Runner {
	return &Runner{take: take, log: log, states: map[string]*State{}, signals: map[string]chan struct{}{}}
}

// Run runs the loop until ctx ends.
func (r *Runner) Run(ctx context.Context, l Loop) {
	signal := r.add(l)
	tick := time.NewTicker(l.Period)
	defer tick.Stop()
	for {
		r.once(ctx, l)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-signal:
		}
	}
}

func (r *Runner) add(l Loop) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.states[l.Name] = &State{Name: l.Name, Period: l.Period}
	c := make(chan struct{}, 1)
	r.signals[l.Name] = c
	return c
}

// Signal has the loop run soon.
func (r *Runner) Signal(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case r.signals[name] <- struct{}{}:
	default: // it runs soon, or not at all
	}
}

// leaseSlack is how much longer than three periods a lease holds.
const leaseSlack = 10 * time.Second

func (r *Runner) once(ctx context.Context, l Loop) {
	start := time.Now()
	mine, err := r.take(ctx, l.Name, 3*l.Period+leaseSlack)
	if err == nil && !mine {
		return
	}
	if err == nil {
		err = l.Do(ctx)
	}
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		r.log.Error("loop", "name", l.Name, "err", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.states[l.Name]
	s.Runs++
	s.LastRun, s.Took, s.LastErr = start, time.Since(start), ""
	if err != nil {
		s.Errors++
		s.LastErr = err.Error()
	}
}

// States returns how the loops fare, by name.
func (r *Runner) States() []State {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]State, 0, len(r.states))
	for _, s := range r.states {
		out = append(out, *s)
	}
	slices.SortFunc(out, func(a, b State) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return out
}
