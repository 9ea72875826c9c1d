package agent

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"atoll/internal/pki"
	"atoll/internal/wire"
)

// talkState is the state of the exchange. Agent.mu guards it.
//
// One goroutine, that of Run, makes one exchange after the other. While its
// exchange is held by the controller and there is something to say, a second
// goroutine makes a newer exchange on another connection; the controller ends
// the older one at once, and its goroutine waits until the turn comes back. (An
// older exchange that is slow to arrive may push out the newer one; then the
// second goroutine goes on until the first one is back.)
type talkState struct {
	turn     int64         // grows when another goroutine takes over: jobs count only in answers of the turn
	back     chan struct{} // the turn is Run's again
	waiting  bool          // Run's goroutine waits for back
	held     time.Time     // from when on the newest exchange may be replaced; zero while none is under way
	dirty    bool          // there is something to say that the newest exchange did not carry
	due      time.Time     // when that is to be said; past or zero for at once
	timer    *time.Timer   // until the newest exchange may be replaced
	number   int64         // of the newest exchange
	answer   int64         // number of the newest answer
	server   int           // index of the controller
	failures int           // in a row
	up       bool          // the last exchange had an answer
	stopping bool          // ctx of Run has ended
	trouble  string        // last one that was logged
	renew    bool          // the controller wants the agent to have a new certificate
	renewAt  time.Time     // not before this
	conns    map[*conn]struct{}
	idle     []*conn              // of conns, the last used one last
	trust    []pki.VerifyKey      // keys that sign scripts
	verified map[wire.Script]bool // whose signatures held
}

const (
	// replaceAfter is how long an exchange is left alone before a newer one
	// replaces it, so that results of short jobs go together.
	replaceAfter = 2 * time.Millisecond
	// gather is how long the results of a queue in which jobs still wait may wait
	// for others to go with: the node has work, and an exchange costs both sides
	// as much as a short job.
	gather = 50 * time.Millisecond
	// quickWait is how long the next exchange waits for jobs of the last answer.
	quickWait = 2 * time.Millisecond
	// idleConn is how long a connection beside the one in use is kept.
	idleConn   = time.Minute
	renewPause = time.Minute
)

// serve makes exchanges until ctx ends. Its error says that the agent cannot go
// on without its operator.
func (a *Agent) serve(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.talk.stopping = true
		a.talk.hangUp()
	})()
	a.mu.Lock()
	a.talk.back = make(chan struct{}, 1)
	a.mu.Unlock()
	for ctx.Err() == nil && a.work.Err() == nil {
		if err := a.keepIdentity(ctx); err != nil {
			return err
		}
		if !a.backOff(ctx) {
			break
		}
		a.refresh(false)
		a.mu.Lock()
		turn := a.talk.turn
		a.mu.Unlock()
		if a.round(ctx, turn) {
			continue
		}
		a.mu.Lock()
		a.talk.waiting = true
		a.mu.Unlock()
		select {
		case <-a.talk.back:
		case <-ctx.Done():
		case <-a.work.Done():
		}
	}
	return nil
}

// say tells the controller within the time what there is to tell: the exchange
// that it holds is replaced. The caller holds mu.
func (a *Agent) say(within time.Duration) {
	t := &a.talk
	if due := time.Now().Add(within); !t.dirty || due.Before(t.due) {
		t.due = due
	}
	t.dirty = true
	a.scheduleReplace()
}

// scheduleReplace has the held exchange replaced when it is due and may be. The
// caller holds mu.
func (a *Agent) scheduleReplace() {
	t := &a.talk
	if !t.dirty || t.held.IsZero() || a.closed || t.stopping {
		return // the next exchange takes it along
	}
	wait := max(0, time.Until(t.held), time.Until(t.due))
	if t.timer == nil {
		t.timer = time.AfterFunc(wait, a.replace)
	} else {
		t.timer.Reset(wait)
	}
}

// speak is say for callers without mu.
func (a *Agent) speak() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.say(0)
}

// replace makes a newer exchange in a goroutine of its own.
func (a *Agent) replace() {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := &a.talk
	t.timer = nil
	if t.held.IsZero() || !t.dirty || a.closed || t.stopping {
		return
	}
	t.held = time.Time{}
	t.turn++
	turn := t.turn
	a.wg.Go(func() {
		for a.round(a.work, turn) && !a.giveBack(turn) && a.backOff(a.work) {
		}
	})
}

// giveBack gives the turn to Run's goroutine if that one waits for it. It
// reports whether the caller's is over.
func (a *Agent) giveBack(turn int64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := &a.talk
	if t.turn == turn && !t.waiting {
		return a.closed || t.stopping
	}
	if t.turn == turn {
		t.turn++
		t.waiting = false
		t.back <- struct{}{}
	}
	return true
}

// round makes one exchange and does what its answer says. It reports whether the
// turn is still the caller's.
func (a *Agent) round(ctx context.Context, turn int64) bool {
	c, err := a.connect(ctx)
	if err != nil {
		return a.failed(turn, c, err)
	}
	reused := c.reused
	x, sent := a.compose()
	ans, err := c.exchange(x, func(bytes int) { a.written(turn, bytes) })
	a.settle(sent, err == nil)
	if err != nil {
		if s := new(statusError); reused && !errors.As(err, &s) {
			err = errors.Join(errStale, err)
		}
		return a.failed(turn, c, err)
	}
	a.release(c)
	b, mine := a.answered(turn, ans, !c.usable())
	if b != nil {
		t := time.NewTimer(quickWait)
		defer t.Stop()
		select {
		case <-b.done:
		case <-t.C:
		case <-ctx.Done():
		}
	}
	return mine
}

// written notes that the turn's exchange is on its way. The controller needs time
// to read a large one: a newer one must not arrive before it.
func (a *Agent) written(turn int64, bytes int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.talk.turn != turn {
		return
	}
	a.talk.held = time.Now().Add(replaceAfter + time.Duration(bytes>>15)*time.Millisecond)
	a.scheduleReplace()
}

// answered does what the answer says; last says that the controller closed the
// connection with it.
func (a *Agent) answered(turn int64, ans *wire.Answer, last bool) (*batch, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := &a.talk
	mine := t.turn == turn
	if mine {
		t.held = time.Time{}
	}
	if ans == nil {
		switch {
		case !mine:
			t.failures = 0
		case last: // the controller stops
			a.turnAway()
		default: // not replaced by us
			t.failures++
		}
		return nil, mine
	}
	a.learnTrust(ans.Trust)
	t.renew = t.renew || ans.Renew
	if ans.Resend {
		a.host.resend()
	}
	var b *batch
	if mine {
		// Jobs in the answer to an exchange that was replaced come once more: the
		// newer one did not acknowledge them.
		if t.failures, t.trouble = 0, ""; !t.up {
			t.up = true
			a.log.Info("connected", "server", a.servers[t.server].Host)
		}
		t.answer = ans.Number
		b = a.accept(ans.Jobs)
	}
	a.cancel(ans.Cancel)
	a.forget(ans.Forget) // after the jobs: one that is handed over once more is known until now
	for _, s := range ans.Streams {
		a.openStream(s)
	}
	return b, mine
}

// errStale says that a connection failed that had worked before: the next one is
// tried without a pause.
var errStale = errors.New("the connection ended")

// failed closes the connection after an exchange that failed, and reports
// whether the turn is still the caller's.
func (a *Agent) failed(turn int64, c *conn, err error) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := &a.talk
	if c != nil {
		delete(t.conns, c)
		c.Close() //nolint:errcheck // it failed already
	}
	if t.turn != turn {
		return false
	}
	t.held = time.Time{}
	if a.closed || t.stopping {
		return true
	}
	if errors.Is(err, errStale) && t.failures == 0 {
		t.hangUp()
		a.jobs.resend()
		return true
	}
	a.turnAway()
	if text := err.Error(); text != t.trouble {
		t.trouble = text
		a.log.Warn("no exchange with the controller", "err", err, "hint", hint(err))
	}
	return true
}

// turnAway has the next exchange be made with the next controller. The caller
// holds mu.
func (a *Agent) turnAway() {
	t := &a.talk
	t.hangUp()
	a.jobs.resend() // this controller may not have been able to say what it took
	t.failures++
	t.up = false
	t.server = (t.server + 1) % len(a.servers)
}

func hint(err error) string {
	var s *statusError
	if errors.As(err, &s) && (s.Code == http.StatusUnauthorized || s.Code == http.StatusForbidden) {
		return "the controller does not know this node's certificate; if the node was deleted, let it join again"
	}
	return "it is tried again"
}

// backOff waits before an exchange after failures; false when ctx ended.
func (a *Agent) backOff(ctx context.Context) bool {
	a.mu.Lock()
	n := a.talk.failures
	a.mu.Unlock()
	if n == 0 {
		return true
	}
	longest := min(a.cfg.Backoff, 50*time.Millisecond<<min(n, 20))
	t := time.NewTimer(time.Duration(rand.Int64N(int64(longest)) + 1))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
	case <-a.work.Done():
	}
	return false
}

// connect returns an idle connection or a new one.
func (a *Agent) connect(ctx context.Context) (*conn, error) {
	a.mu.Lock()
	t := &a.talk
	if n := len(t.idle); n > 0 {
		c := t.idle[n-1]
		t.idle = t.idle[:n-1]
		a.mu.Unlock()
		return c, nil
	}
	server := a.servers[t.server]
	a.mu.Unlock()
	c, err := a.dial(ctx, server, a.id.Load().tls)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed || ctx.Err() != nil {
		return nil, errors.Join(errStopped, c.Close())
	}
	if t.conns == nil {
		t.conns = map[*conn]struct{}{}
	}
	t.conns[c] = struct{}{}
	return c, nil
}

// release keeps the connection for the next exchange, and closes those that were
// not needed for long.
func (a *Agent) release(c *conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := &a.talk
	if _, ok := t.conns[c]; !ok {
		return // hung up meanwhile
	}
	if !c.usable() {
		delete(t.conns, c)
		return
	}
	c.idleAt = time.Now()
	t.idle = append(t.idle, c)
	for len(t.idle) > 1 && time.Since(t.idle[0].idleAt) > idleConn {
		delete(t.conns, t.idle[0])
		t.idle[0].Close() //nolint:errcheck // nothing is under way on it
		t.idle = t.idle[1:]
	}
}

// hangUp closes all connections. The caller holds Agent.mu.
func (t *talkState) hangUp() {
	for c := range t.conns {
		c.Close() //nolint:errcheck // what is under way is said once more
	}
	t.conns, t.idle = nil, nil
	if t.timer != nil {
		t.timer.Stop()
		t.timer = nil
	}
}

// keepIdentity renews the certificate when it is time. Its error says that it
// has expired.
func (a *Agent) keepIdentity(ctx context.Context) error {
	now := time.Now()
	id := a.id.Load()
	a.mu.Lock()
	due := (a.talk.renew || now.After(id.leaf.renewAt)) && !now.Before(a.talk.renewAt)
	if due {
		a.talk.renewAt = now.Add(renewPause)
	}
	a.mu.Unlock()
	if !due {
		return nil
	}
	if err := id.expired(now); err != nil {
		return err
	}
	if err := a.renew(ctx); err != nil {
		a.log.Error("certificate", "err", err, "valid_until", id.leaf.notAfter)
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.talk.renew = false
	a.talk.hangUp() // connections live with the certificate that they were made with
	return nil
}

func (a *Agent) serverNow() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.talk.server
}

// lastWord says how the jobs ended, when the agent stops.
func (a *Agent) lastWord(ctx context.Context) {
	for a.busy() {
		t := time.NewTimer(20 * time.Millisecond)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return
		}
	}
	a.mu.Lock()
	idle := len(a.jobs.pending) == 0
	a.mu.Unlock()
	if idle {
		return
	}
	// The controller holds an exchange to which it has nothing to say: this one is
	// not waited for long. The next agent says it once more in any case.
	ctx, cancel := context.WithTimeout(ctx, lastWordWait)
	defer cancel()
	c, err := a.connect(ctx)
	if err != nil {
		return // the journal keeps the results
	}
	defer context.AfterFunc(ctx, func() { c.Close() })() //nolint:errcheck // it ends the wait
	x, sent := a.compose()
	x.Free, x.Room = nil, 0
	_, err = c.exchange(x, func(int) {})
	a.settle(sent, err == nil)
}

const lastWordWait = time.Second

// busy reports whether jobs run.
func (a *Agent) busy() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, q := range a.jobs.queues {
		if q.running > 0 {
			return true
		}
	}
	return false
}

// learnTrust keeps the keys that sign scripts. The caller holds mu.
func (a *Agent) learnTrust(texts []string) {
	if len(texts) == 0 {
		return
	}
	keys := make([]pki.VerifyKey, 0, len(texts))
	for _, text := range texts {
		key, err := pki.ParseVerifyKey(text)
		if err != nil {
			a.log.Warn("a key that signs scripts cannot be read", "err", err)
			continue
		}
		keys = append(keys, key)
	}
	a.talk.trust, a.talk.verified = keys, nil
}
