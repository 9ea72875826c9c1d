package qemu

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"atoll/internal/cloud"
	"atoll/internal/wire"
)

const (
	// retryAfter is the pause before QEMU is looked for again.
	retryAfter = 20 * time.Millisecond
	// lookAgain bounds how long a run state can go unseen without an event.
	lookAgain = 10 * time.Second
)

// machine is what the driver knows of one machine. Operations that begin or end
// a process hold op; mu guards the fields and is never held over a wait.
type machine struct {
	d       *Driver
	id      cloud.MachineID
	dir     string
	console *console
	op      chan struct{} // a lock whose waiters can give up
	reboot  chan struct{} // the same, for reboots, which leave op free
	user    uint32        // id of the process's user, 0 before the first start; Driver.mu guards it

	mu        sync.Mutex
	rec       *record    // nil until the first Start
	running   bool       // a watcher watches a process
	status    string     // QEMU's run state; "" while it has not answered
	resets    int        // that QEMU told of
	rebooting bool       // a guest that powers off is to be started again
	qmp       *qmp       // nil while there is no connection
	pid       int        // of the process; 0 if no connection ever told it
	usage     wire.Usage // of the run, as last read
	power     cloud.Power
	news      chan struct{} // closed at the next change of the fields
	poke      chan struct{} // tells the watcher to look
	watched   chan struct{} // closed when the watcher has ended
}

func (d *Driver) newMachine(id cloud.MachineID) *machine {
	dir := filepath.Join(d.dir, string(id))
	return &machine{
		d: d, id: id, dir: dir, console: newConsole(dir),
		op: make(chan struct{}, 1), reboot: make(chan struct{}, 1),
		news: make(chan struct{}), poke: make(chan struct{}, 1),
	}
}

// release gives the operation lock back. A machine that nothing was recorded of
// is forgotten.
func (m *machine) release() {
	if !m.known() {
		m.d.mu.Lock()
		delete(m.d.machines, m.id)
		m.d.mu.Unlock()
	}
	<-m.op
}

func (m *machine) known() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rec != nil
}

func (m *machine) epoch() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rec == nil {
		return 0
	}
	return m.rec.Spec.Epoch
}

// state returns what the node reports of the machine; without an id if it is
// not known (any more).
func (m *machine) state() wire.MachineState {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rec == nil {
		return wire.MachineState{Power: cloud.PowerOff}
	}
	s := wire.MachineState{ID: m.id, Epoch: m.rec.Spec.Epoch, Power: m.powerLocked(), HostBoot: m.rec.HostBoot}
	switch {
	case m.running && m.status == "":
		s.Detail = "QEMU does not answer"
	case m.running && m.status == statusIOError:
		s.Detail = "paused: a disk of the node is full or broken; start the machine again when it is mended"
	case m.running:
		if m.status != statusRunning {
			s.Detail = "QEMU says " + m.status
		}
	case m.rec.Ended != nil:
		s.Detail = m.rec.Ended.Detail
		if m.rec.Ended.Power == cloud.PowerOff && !m.rec.Ended.WithHost {
			// It did not go down with its host, whenever that booted since.
			s.HostBoot = m.d.boot
		}
	}
	return s
}

func (m *machine) powerLocked() cloud.Power {
	switch {
	case m.running && m.status == "":
		return cloud.PowerUnknown
	case m.running:
		return cloud.PowerOn
	case m.rec != nil && m.rec.Ended != nil:
		return m.rec.Ended.Power
	}
	return cloud.PowerOff
}

// update changes fields and tells those who wait.
func (m *machine) update(change func()) {
	m.mu.Lock()
	change()
	close(m.news)
	m.news = make(chan struct{})
	power := m.powerLocked()
	tell := power != m.power
	m.power = power
	m.mu.Unlock()
	if tell {
		m.d.notify()
	}
}

// wait returns true when ok holds, false when ctx ends first.
func (m *machine) wait(ctx context.Context, ok func() bool) bool {
	for {
		m.mu.Lock()
		done, news := ok(), m.news
		m.mu.Unlock()
		if done {
			return true
		}
		select {
		case <-news:
		case <-ctx.Done():
			return false
		}
	}
}

// ended is a condition for wait.
func (m *machine) ended() bool { return !m.running }

// settled waits until the watcher knows the machine's state.
func (m *machine) settled() {
	ctx, cancel := context.WithTimeout(m.d.ctx, adoptTimeout)
	defer cancel()
	m.wait(ctx, func() bool { return !m.running || m.status != "" })
}

// onEvent is called by the connection's reader.
func (m *machine) onEvent(name string) {
	if name == "RESET" {
		m.update(func() { m.resets++ })
	}
	select {
	case m.poke <- struct{}{}:
	default:
	}
}

// record saves a changed record; it stays as it was if that fails.
func (m *machine) record(change func(*record)) error {
	var err error
	m.update(func() {
		next := *m.rec
		change(&next)
		if err = next.save(m.dir); err == nil {
			m.rec = &next
		}
	})
	if err != nil {
		return fmt.Errorf("machine %s: record: %w", m.id, err)
	}
	return nil
}

// watch starts the goroutine that follows the machine's process until it has
// ended and that is on record; q is the connection to it, nil to make one.
func (m *machine) watch(q *qmp) {
	watched := make(chan struct{})
	m.update(func() { m.running, m.status, m.qmp, m.watched = true, "", q, watched })
	m.d.wg.Go(func() {
		defer close(watched)
		for alive(m.dir) {
			if q == nil {
				q = m.connect()
			}
			if q != nil {
				m.follow(q)
				m.update(func() { m.qmp = nil })
				q.close()
				q = nil
			}
			select { // the process is ending, or QEMU does not answer
			case <-m.d.ctx.Done():
				m.console.detach()
				return
			case <-time.After(retryAfter):
			}
		}
		m.console.detach()
		m.buried()
	})
}

// connect returns nil if QEMU does not answer now.
func (m *machine) connect() *qmp {
	ctx, cancel := context.WithTimeout(m.d.ctx, qmpTimeout)
	defer cancel()
	q, err := dialQMP(ctx, m.dir, m.onEvent)
	if err != nil {
		if m.d.ctx.Err() == nil && alive(m.dir) {
			m.d.cfg.Log.Warn("machine does not answer", "machine", m.id, "error", err)
			m.update(func() { m.status = "" })
		}
		return nil
	}
	m.openConsole(ctx)
	m.update(func() { m.qmp, m.pid = q, q.pid })
	return q
}

func (m *machine) openConsole(ctx context.Context) {
	conn, err := dialIn(ctx, m.dir, consoleSocket)
	if err != nil {
		m.d.cfg.Log.Warn("console does not answer", "machine", m.id, "error", err)
		return
	}
	m.console.attach(conn)
}

// follow looks at QEMU's run state at each event until the connection ends.
func (m *machine) follow(q *qmp) {
	again := time.NewTicker(lookAgain)
	defer again.Stop()
	for {
		status, err := q.status(m.d.ctx)
		if err != nil {
			return
		}
		m.update(func() { m.status = status })
		m.react(q, status)
		select {
		case <-m.poke:
		case <-again.C:
		case <-q.done:
			return
		case <-m.d.ctx.Done():
			return
		}
	}
}

// react ends the process of a guest that is at its end.
func (m *machine) react(q *qmp, status string) {
	m.mu.Lock()
	rebooting, started := m.rebooting, m.rec.Ended == nil
	m.mu.Unlock()
	var end *ended
	switch {
	case rebooting:
		return
	case status == statusShutdown:
		end = &ended{Power: cloud.PowerOff, Detail: "the guest powered off"}
	case status == statusPanicked, status == statusInternal:
		end = &ended{Power: cloud.PowerCrashed, Detail: "QEMU says " + status + ": " + lastWords(m.dir)}
	case status == statusPrelaunch && started:
		// The agent was killed between the record and this command, or in a reboot.
		_ = q.run(m.d.ctx, "cont", nil)
		return
	case started:
		return
	}
	// A process whose record has ended already is one that was not fully started
	// or not fully stopped when the agent was killed.
	if end != nil && started {
		end.Usage = m.count(m.d.ctx)
		if err := m.record(func(r *record) { r.Ended = end }); err != nil {
			m.d.cfg.Log.Error("machine ended", "error", err)
			return // QEMU stays as it is; we look again
		}
	}
	_ = q.run(m.d.ctx, "quit", nil)
}

// buried records the end of the process.
func (m *machine) buried() {
	m.mu.Lock()
	end, lost, usage := m.rec.Ended, m.rec.HostBoot != m.d.boot, m.usage
	m.mu.Unlock()
	if end == nil {
		end = &ended{Power: cloud.PowerCrashed, Detail: "QEMU ended: " + lastWords(m.dir)}
		if lost {
			end = &ended{Power: cloud.PowerOff, Detail: "it went down with its host", WithHost: true}
		}
		end.Usage = usage
		if err := m.record(func(r *record) { r.Ended = end }); err != nil {
			m.d.cfg.Log.Error("machine ended", "error", err)
		}
	}
	if err := m.detachTaps(context.WithoutCancel(m.d.ctx)); err != nil {
		m.d.cfg.Log.Error("machine ended", "error", err)
	}
	m.update(func() {
		m.running, m.status, m.pid = false, "", 0
		m.rec.Ended = end // also if it could not be saved
	})
}

// detachTaps removes the taps of the machine's last run.
func (m *machine) detachTaps(ctx context.Context) error {
	if m.d.cfg.Taps == nil {
		return nil
	}
	m.mu.Lock()
	nics := m.rec.Spec.NICs
	m.mu.Unlock()
	for _, n := range nics {
		if err := m.d.cfg.Taps.Detach(ctx, n.Network, n.MAC); err != nil {
			return fmt.Errorf("machine %s: detach network card %s: %w", m.id, n.MAC, err)
		}
	}
	return nil
}

// kill ends the process that holds the machine's lock, whatever it does.
func (m *machine) kill() error {
	m.mu.Lock()
	pid := m.pid
	m.mu.Unlock()
	if pid == 0 {
		conn, err := dialIn(m.d.ctx, m.dir, qmpSocket)
		if err != nil {
			return err
		}
		defer conn.Close()
		if pid, err = peerPID(conn); err != nil {
			return err
		}
	}
	if pid > 1 && alive(m.dir) {
		return unix.Kill(pid, unix.SIGKILL)
	}
	return nil
}
