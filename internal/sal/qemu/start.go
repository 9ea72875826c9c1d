package qemu

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/wire"
)

// startTimeout is how long QEMU may take until it answers.
const startTimeout = 20 * time.Second

// Start has the machine run. One that runs takes over a newer epoch and is
// otherwise left alone, also if the specification differs; one that is paused
// because a disk was full goes on.
func (d *Driver) Start(ctx context.Context, spec wire.MachineSpec) error {
	if err := validate(spec); err != nil {
		return err
	}
	accelerator, err := d.Probe(ctx)
	if err != nil {
		return err
	}
	m, err := d.open(ctx, spec.ID, true)
	if err != nil {
		return err
	}
	defer m.release()
	if err := d.checkEpoch(m, spec.MachineRef); err != nil {
		return err
	}
	runs, err := m.resume(ctx)
	if err != nil {
		return err
	}
	if runs {
		if m.epoch() == spec.Epoch {
			return nil
		}
		return m.record(func(r *record) { r.Spec.Epoch = spec.Epoch })
	}
	return m.start(ctx, spec, accelerator)
}

// resume reports whether the machine runs, and has it go on if it is paused. A
// guest that has just powered off does not run: resume waits for its end.
func (m *machine) resume(ctx context.Context) (bool, error) {
	m.mu.Lock()
	running, rebooting, q := m.running, m.rebooting, m.qmp
	m.mu.Unlock()
	if !running {
		return false, nil
	}
	if q == nil {
		return false, m.silent()
	}
	status, err := q.status(ctx)
	switch {
	case err != nil:
		return false, m.silent()
	case status == statusRunning, rebooting:
		return true, nil
	case status == statusShutdown, status == statusPanicked, status == statusInternal:
		if !m.wait(ctx, m.ended) {
			return false, fmt.Errorf("machine %s: %w", m.id, ctx.Err())
		}
		return false, nil
	}
	return true, q.run(ctx, "cont", nil)
}

func (m *machine) silent() error {
	return cloud.Errorf(cloud.Unavailable, "the QEMU process of machine %s does not answer; stop the machine with no grace to end it", m.id)
}

// start makes the machine's folder and runs QEMU in it. If that fails, a machine
// that was not known before leaves nothing.
func (m *machine) start(ctx context.Context, spec wire.MachineSpec, accelerator string) (err error) {
	disks, err := m.disks(spec)
	if err != nil {
		return err
	}
	if len(spec.NICs) > 0 && m.d.cfg.Taps == nil {
		return cloud.FieldErrorf("nics", "machine %s has network cards, and this node has no network role", spec.ID)
	}
	fresh := !m.known()
	defer func() {
		if err == nil {
			return
		}
		if fresh {
			m.update(func() { m.rec = nil })
			err = errors.Join(err, os.RemoveAll(m.dir))
		}
	}()
	if !fresh { // the network may have refused when the last run ended
		if err := m.detachTaps(ctx); err != nil {
			return err
		}
	}
	if err := m.prepare(spec); err != nil {
		return fmt.Errorf("machine %s: %w", m.id, err)
	}
	taps, err := m.attachTaps(ctx, spec)
	if err != nil {
		return err
	}
	q, err := m.launch(ctx, arguments(spec, accelerator, disks, taps, hasVhost(accelerator), m.d.user(m)))
	if err != nil {
		return errors.Join(err, m.detachTaps(context.WithoutCancel(ctx)))
	}
	m.openConsole(ctx)
	m.update(func() { m.pid, m.usage = q.pid, wire.Usage{} })
	// From here on the watcher lets the guest go, also that of a next agent.
	err = m.record(func(r *record) {
		r.Ended, r.Since, r.Taps = nil, cloud.Now(), nil
		for _, t := range taps {
			r.Taps = append(r.Taps, t.device)
		}
	})
	m.watch(q)
	if err != nil {
		return errors.Join(err, m.halt(ctx, &ended{Power: cloud.PowerOff, Detail: "it could not be recorded"}))
	}
	fresh = false
	m.wait(ctx, func() bool { return !m.running || m.status == statusRunning })
	if s := m.state(); s.Power != cloud.PowerOn {
		return cloud.Errorf(cloud.Unavailable, "machine %s did not start: it is %s (%s)", m.id, s.Power, s.Detail)
	}
	return ctx.Err()
}

// prepare writes all that QEMU finds in the machine's folder.
func (m *machine) prepare(spec wire.MachineSpec) error {
	if err := os.MkdirAll(m.dir, 0o700); err != nil {
		return err
	}
	if err := writeSeed(m.dir, spec.Seed); err != nil {
		return err
	}
	spec.Seed = wire.Seed{}
	rec := &record{
		Spec: spec, User: m.d.user(m), HostBoot: m.d.boot,
		Ended: &ended{Power: cloud.PowerOff, Detail: "it could not be started"},
	}
	if err := rec.save(m.dir); err != nil {
		return err
	}
	m.update(func() { m.rec = rec })
	return nil
}

func (m *machine) disks(spec wire.MachineSpec) ([]disk, error) {
	disks := make([]disk, 0, len(spec.Disks))
	for _, id := range spec.Disks {
		path, err := m.d.cfg.Disks.Path(id)
		if err != nil {
			return nil, fmt.Errorf("machine %s: %w", m.id, err)
		}
		disks = append(disks, disk{path: path, direct: canDirect(path)})
	}
	return disks, nil
}

func (m *machine) attachTaps(ctx context.Context, spec wire.MachineSpec) ([]tap, error) {
	taps := make([]tap, 0, len(spec.NICs))
	for _, n := range spec.NICs {
		device, err := m.d.cfg.Taps.Attach(ctx, n.Network, n.MAC)
		if err != nil {
			err = fmt.Errorf("machine %s: attach network card %s: %w", m.id, n.MAC, err)
			return nil, errors.Join(err, m.detachTaps(context.WithoutCancel(ctx)))
		}
		taps = append(taps, tap{device: device, mac: n.MAC})
	}
	return taps, nil
}

// launch runs QEMU, paused, and returns the connection to it.
func (m *machine) launch(ctx context.Context, args []string) (*qmp, error) {
	lock, err := takeLock(m.dir)
	if err != nil {
		return nil, fmt.Errorf("machine %s: %w", m.id, err)
	}
	if lock == nil {
		return nil, cloud.Errorf(cloud.Conflict, "machine %s: an earlier QEMU process of it has not ended yet; try again", m.id)
	}
	defer lock.Close()
	log, err := os.OpenFile(filepath.Join(m.dir, logFile), os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("machine %s: %w", m.id, err)
	}
	defer log.Close()
	cmd := exec.Command(m.d.cfg.Program, args...)
	cmd.Dir = m.dir
	cmd.Env = []string{"LC_ALL=C", "PATH=" + os.Getenv("PATH")}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{lock}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, cloud.Wrap(cloud.Unavailable, err, "machine %s did not start: %s cannot be run", m.id, m.d.cfg.Program)
	}
	lock.Close()
	exited := make(chan struct{})
	go func() { // its owner is the process, which may outlive us
		_ = cmd.Wait()
		close(exited)
	}()
	q, err := m.greet(ctx, exited)
	if err != nil {
		_ = cmd.Process.Kill()
		<-exited
		return nil, cloud.Wrap(cloud.Unavailable, err, "machine %s did not start: %s", m.id, lastWords(m.dir))
	}
	return q, nil
}

// greet waits until QEMU answers.
func (m *machine) greet(ctx context.Context, exited <-chan struct{}) (*qmp, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(retryAfter / 4)
	defer tick.Stop()
	for {
		q, err := dialQMP(ctx, m.dir, m.onEvent)
		if err == nil {
			return q, nil
		}
		select {
		case <-tick.C:
		case <-exited:
			return nil, errors.New("QEMU ended")
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), err)
		}
	}
}
