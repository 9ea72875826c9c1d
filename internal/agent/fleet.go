package agent

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/wire"
)

// Fleet runs the agents of many simulated nodes in one process. An agent with
// nothing to do is one goroutine that waits on one connection.
type Fleet struct {
	log     *slog.Logger
	members map[string]*member // by name of the node
	joining chan struct{}      // bounds how many join at a time
}

// member is one node of a fleet.
type member struct {
	cfg   Config
	token string
	dial  func(ctx context.Context, network, address string) (net.Conn, error)

	mu    sync.Mutex
	agent *Agent    // nil while it is dead
	down  time.Time // dead until then
	lost  time.Time // without network until then
}

// fleetJoins is how many agents join at a time.
const fleetJoins = 64

// NewFleet returns a fleet whose agents join with the token. Each Config needs a
// Name of its own; Memory is made where it is missing. Its error is New's.
func NewFleet(log *slog.Logger, token string, configs []Config) (*Fleet, error) {
	f := &Fleet{log: log, members: map[string]*member{}, joining: make(chan struct{}, fleetJoins)}
	for _, cfg := range configs {
		if cfg.Memory == nil {
			cfg.Memory = &Memory{}
		}
		m := &member{cfg: cfg, token: token, dial: cfg.Dial}
		if m.dial == nil {
			m.dial = wire.Dialer(dialTimeout).DialContext
		}
		m.cfg.Dial = m.dialUnlessLost
		if _, err := New(m.cfg); err != nil {
			return nil, err
		}
		f.members[cfg.Name] = m
	}
	return f, nil
}

// Run runs all agents until ctx ends, or until one of them cannot go on.
func (f *Fleet) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for _, m := range f.members {
		wg.Go(func() {
			if err := f.run(ctx, m); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// run runs one agent instance after the other.
func (f *Fleet) run(ctx context.Context, m *member) error {
	for ctx.Err() == nil {
		a, err := New(m.cfg)
		if err != nil {
			return err
		}
		if !a.Joined() {
			if err := f.join(ctx, m, a); err != nil {
				return err
			}
			if !a.Joined() {
				return nil // ctx ended
			}
		}
		m.mu.Lock()
		m.agent = a
		m.mu.Unlock()
		if err := a.Run(ctx); err != nil {
			return err
		}
		m.mu.Lock()
		m.agent = nil
		away := time.Until(m.down)
		m.mu.Unlock()
		pause(ctx, away)
	}
	return nil
}

// join tries until the agent has joined or is refused; nil also when ctx ended.
func (f *Fleet) join(ctx context.Context, m *member, a *Agent) error {
	for wait := 100 * time.Millisecond; ctx.Err() == nil; wait = min(2*wait, m.backoff()) {
		select {
		case f.joining <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		err := a.Join(ctx, m.token)
		<-f.joining
		if err == nil || !cloud.Is(err, cloud.Unavailable) {
			return err
		}
		f.log.Warn("join", "name", m.cfg.Name, "err", err)
		pause(ctx, rand.N(wait))
	}
	return nil
}

func (m *member) backoff() time.Duration {
	if m.cfg.Backoff > 0 {
		return m.cfg.Backoff
	}
	return defaultBackoff
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// Crash kills the agent of the node; another instance starts after away. It
// does not wait, so that it may be called from within a call of the agent.
func (f *Fleet) Crash(name string, away time.Duration) {
	m := f.members[name]
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.down = time.Now().Add(away)
	if m.agent != nil {
		m.agent.Kill()
	}
}

// Lose takes the network of the node's agent away for a while.
func (f *Fleet) Lose(name string, away time.Duration) {
	m := f.members[name]
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lost = time.Now().Add(away)
	if m.agent != nil {
		m.agent.hangUp()
	}
}

func (m *member) dialUnlessLost(ctx context.Context, network, address string) (net.Conn, error) {
	m.mu.Lock()
	lost := time.Until(m.lost) > 0
	m.mu.Unlock()
	if lost {
		return nil, &net.OpError{Op: "dial", Net: network, Err: errLost}
	}
	return m.dial(ctx, network, address)
}

var errLost = errors.New("simulated loss of the network")
