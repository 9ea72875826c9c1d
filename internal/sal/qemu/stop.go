package qemu

import (
	"context"
	"fmt"
	"os"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/wire"
)

const (
	quitGrace = 3 * time.Second  // from quit to SIGKILL
	killGrace = 10 * time.Second // from SIGKILL to giving up: input or output that hangs
)

// Stop presses the guest's power button and after the grace switches the machine
// off. A machine that the node does not know is off.
func (d *Driver) Stop(ctx context.Context, stop wire.MachineStop) error {
	for asked := stop.GraceMS <= 0; ; asked = true {
		m, err := d.open(ctx, stop.ID, false)
		if err != nil {
			return err
		}
		if err := d.checkEpoch(m, stop.MachineRef); m == nil {
			return err
		} else if err != nil {
			m.release()
			return err
		}
		if asked {
			err := m.halt(ctx, &ended{Power: cloud.PowerOff, Detail: "it was switched off"})
			m.release()
			return err
		}
		// Others may act on the machine while the guest thinks about it.
		m.release()
		if err := m.ask(ctx, time.Duration(stop.GraceMS)*time.Millisecond, m.ended); err != nil {
			return err
		}
	}
}

// ask presses the power button and waits until done holds or the grace is over.
// It returns an error only if ctx ends first.
func (m *machine) ask(ctx context.Context, grace time.Duration, done func() bool) error {
	m.mu.Lock()
	q := m.qmp
	m.mu.Unlock()
	if q == nil || q.run(ctx, "system_powerdown", nil) != nil {
		return nil // off already, or deaf
	}
	waiting, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	m.wait(waiting, done)
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("machine %s: %w", m.id, err)
	}
	return nil
}

// halt ends the process, with end on record before. It goes through with it,
// whatever happens to ctx. The caller holds op.
func (m *machine) halt(ctx context.Context, end *ended) error {
	m.mu.Lock()
	running, q, watched := m.running, m.qmp, m.watched
	m.mu.Unlock()
	if !running {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	end.Usage = m.count(ctx)
	if err := m.record(func(r *record) { r.Ended = end }); err != nil {
		// A full disk must not keep a machine running.
		m.d.cfg.Log.Error("machine stops", "error", err)
		m.update(func() { m.rec.Ended = end })
	}
	quitting, cancel := context.WithTimeout(ctx, quitGrace)
	defer cancel()
	if q != nil {
		_ = q.run(quitting, "quit", nil)
	}
	if !closedWithin(quitting, watched) {
		if err := m.kill(); err != nil {
			return cloud.Wrap(cloud.Unavailable, err, "the QEMU process of machine %s cannot be ended", m.id)
		}
		killing, cancel := context.WithTimeout(ctx, killGrace)
		defer cancel()
		if !closedWithin(killing, watched) {
			return cloud.Errorf(cloud.Unavailable, "the QEMU process of machine %s does not end, likely because the node's disk hangs; try again", m.id)
		}
	}
	return nil
}

// closedWithin waits until c is closed, or returns false when ctx ends.
func closedWithin(ctx context.Context, c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	case <-ctx.Done():
		return false
	}
}

// Reboot presses the power button; when the guest has shut down, it is started
// again in the same process. There is no button that asks for a reboot, and this
// is how a guest ends its work in order. One that does not obey within the grace
// is reset.
func (d *Driver) Reboot(ctx context.Context, ref wire.MachineRef) error {
	if err := validateID(ref.ID); err != nil {
		return err
	}
	m, err := d.find(ref.ID)
	if err != nil {
		return err
	}
	if err := d.checkEpoch(m, ref); err != nil {
		return err
	}
	select {
	case m.reboot <- struct{}{}:
		defer func() { <-m.reboot }()
	case <-ctx.Done():
		return fmt.Errorf("machine %s: %w", ref.ID, ctx.Err())
	}
	if s := m.state(); s.Power == cloud.PowerUnknown {
		return m.silent()
	} else if s.Power != cloud.PowerOn {
		return cloud.StateErrorf(string(s.Power), "machine %s is %s and cannot reboot; start it", ref.ID, s.Power)
	}
	return m.restart(ctx)
}

func (m *machine) restart(ctx context.Context) error {
	var before int
	m.update(func() { m.rebooting, before = true, m.resets })
	defer func() {
		m.update(func() { m.rebooting = false })
		m.onEvent("") // the watcher looks again
	}()
	reset := func() bool { return m.resets > before || !m.running }
	down := func() bool { return reset() || m.status == statusShutdown }
	if err := m.ask(ctx, m.d.cfg.Grace, down); err != nil {
		return err
	}
	m.mu.Lock()
	done, q := m.running && m.resets > before, m.qmp
	m.mu.Unlock()
	if done { // the guest restarted by itself
		return nil
	}
	if q == nil {
		return cloud.StateErrorf(string(m.state().Power), "machine %s ended while it was to reboot; start it", m.id)
	}
	if err := q.run(ctx, "system_reset", nil); err != nil {
		return fmt.Errorf("machine %s: %w", m.id, err)
	}
	waiting, cancel := context.WithTimeout(ctx, qmpTimeout)
	defer cancel()
	if !m.wait(waiting, reset) {
		return cloud.Errorf(cloud.Unavailable, "machine %s was reset and QEMU did not say that it was done; try again", m.id)
	}
	// Harmless if it runs.
	if err := q.run(ctx, "cont", nil); err != nil {
		return fmt.Errorf("machine %s: %w", m.id, err)
	}
	return nil
}

// Delete ends the machine and removes its folder and taps. What remains is its
// epoch. Conflict if the node has a newer placement of it.
func (d *Driver) Delete(ctx context.Context, ref wire.MachineRef) error {
	m, err := d.open(ctx, ref.ID, true) // held also if there is nothing: no Start comes between
	if err != nil {
		return err
	}
	defer m.release()
	if m.known() {
		if err := d.checkEpoch(m, ref); err != nil {
			return err
		}
		if err := m.halt(ctx, &ended{Power: cloud.PowerOff, Detail: "it was deleted"}); err != nil {
			return err
		}
		if err := m.detachTaps(ctx); err != nil {
			return err
		}
	}
	if err := d.remember(ref); err != nil {
		return fmt.Errorf("machine %s: %w", ref.ID, err)
	}
	if err := os.RemoveAll(m.dir); err != nil {
		return fmt.Errorf("machine %s: %w", ref.ID, err)
	}
	if m.known() {
		m.update(func() { m.rec = nil })
		d.notify()
	}
	return nil
}

// remember keeps the epoch of a deleted machine.
func (d *Driver) remember(ref wire.MachineRef) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if known, ok := d.epochs[ref.ID]; ok && known >= ref.Epoch {
		return nil
	}
	if err := addEpoch(d.dir, ref.ID, ref.Epoch); err != nil {
		return err
	}
	d.epochs[ref.ID] = ref.Epoch
	return nil
}
