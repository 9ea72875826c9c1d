package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"atoll/internal/cloud"
	"atoll/internal/sal"
)

// folder is where the service's record and log are.
func (v *service) folder() string { return filepath.Join(v.owner.dir, v.id) }

// save writes the record, so that it is whole whenever the host goes down.
func (v *service) save() error {
	b, err := json.Marshal(v.rec)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(v.folder(), 0o700); err != nil {
		return cloud.Wrap(cloud.Unavailable, err, "the folder of service %s cannot be made", v.id)
	}
	path := filepath.Join(v.folder(), recordFile)
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err == nil {
		_, err = f.Write(b)
		err = errors.Join(err, f.Sync(), f.Close())
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return cloud.Wrap(cloud.Unavailable, err, "the record of service %s cannot be written", v.id)
	}
	return nil
}

// start starts the process. The record is on the disk before it runs, and again
// with its number: an agent that dies in between finds it by its cgroup.
func (v *service) start() error {
	s, spec := v.owner, v.rec.Spec
	who, err := s.p.account(spec.RunAs)
	if err != nil {
		return err
	}
	v.cancelRestart()
	v.rec.PID = 0
	if err := v.save(); err != nil {
		return err
	}
	cmd := sal.Command{Name: v.id, Argv: spec.Argv, Dir: spec.Dir, Show: spec.Show}
	dir, err := s.p.folder(cmd, who)
	if err != nil {
		return err
	}
	g, err := openGroup(&group{tree: s.tree, name: v.id, limits: s.p.limits(spec.Limits), adopt: true})
	if err != nil {
		return cloud.Wrap(cloud.Unavailable, err, "the host cannot make a cgroup for service %s", v.id)
	}
	r := &run{group: g}
	err = v.spawn(r, &start{cmd: cmd, who: who, dir: dir, env: environment(spec.Env, who)})
	if err != nil {
		g.kill()
		g.close()
		return errors.Join(err, v.clear())
	}
	v.rec.PID, v.rec.StartedAt = r.pid, cloud.Now()
	v.watch(r)
	return v.save()
}

// spawn starts the process of a service and waits until its program is executed.
func (v *service) spawn(r *run, st *start) error {
	out, err := os.OpenFile(filepath.Join(v.folder(), logFile), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return cloud.Wrap(cloud.Unavailable, err, "the log of service %s cannot be opened", v.id)
	}
	defer out.Close()
	p := v.owner.p
	attr := &syscall.ProcAttr{
		Files: []uintptr{p.null.Fd(), out.Fd(), out.Fd()}, Sys: &syscall.SysProcAttr{Setsid: true, PidFD: &r.pidfd},
	}
	r.pid, err = p.startAs(r.group, st, attr)
	return err
}

// adopt finds the process that an earlier agent started, and reports whether it
// still runs.
func (v *service) adopt() bool {
	g := &group{tree: v.owner.tree, name: v.id, limits: v.rec.Spec.Limits, adopt: true}
	pidfd, err := unix.PidfdOpen(v.rec.PID, 0)
	if err != nil {
		return false
	}
	// In this order: a number that was used again belongs to somebody else.
	if pids, err := processesIn(g.tracker()); err != nil || !slices.Contains(pids, v.rec.PID) {
		unix.Close(pidfd)
		return false
	}
	if _, err = v.owner.p.account(v.rec.Spec.RunAs); err == nil {
		g.limits = v.owner.p.limits(g.limits)
		g, err = openGroup(g)
	}
	if err != nil {
		unix.Close(pidfd)
		return false
	}
	v.watch(&run{group: g, pid: v.rec.PID, pidfd: pidfd, reaped: true})
	return true
}

// watch waits for the end of the process in a goroutine that costs no thread.
func (v *service) watch(r *run) {
	s := v.owner
	v.group, v.exited = r.group, make(chan struct{})
	exited := v.exited
	s.wg.Go(func() {
		ended, how := waitFor(s.ctx, r)
		if !ended && s.ctx.Err() != nil {
			v.mu.Lock()
			defer v.mu.Unlock()
			r.group.close()
			return // the agent ends; the process goes on
		}
		oom := r.group.oomKills()
		r.group.kill() // what it started and left
		if oom {
			how = fmt.Sprintf("it needed more memory than the %d MiB that it may have", r.group.limits.MemoryMiB)
		}
		close(exited)
		v.hasEnded(r.group, how)
	})
}

// waitFor waits until the first process has ended, or ctx has, and tells how.
func waitFor(ctx context.Context, r *run) (ended bool, how string) {
	if err := unix.SetNonblock(r.pidfd, true); err != nil {
		return false, ""
	}
	f := os.NewFile(uintptr(r.pidfd), "pidfd") // nonblocking: the runtime polls it
	defer f.Close()
	stop := context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Now()) })
	defer stop()
	raw, err := f.SyscallConn()
	if err != nil {
		return false, ""
	}
	err = raw.Read(func(fd uintptr) bool {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, 0)
		return err == nil && n > 0
	})
	if err != nil {
		return false, ""
	}
	if r.reaped {
		return true, "it ended; with which exit code only the agent that started it knew"
	}
	var status unix.WaitStatus
	for {
		if _, err := unix.Wait4(r.pid, &status, 0, nil); err != unix.EINTR {
			break
		}
	}
	if status.Signaled() {
		return true, "signal " + unix.SignalName(status.Signal()) + " ended it"
	}
	return true, fmt.Sprintf("it ended with exit code %d", status.ExitStatus())
}

// hasEnded notes the end of the process that ran in g, and what follows.
func (v *service) hasEnded(g *group, how string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.group != g {
		return // end was quicker
	}
	v.release()
	again := v.rec.Wanted && (v.rec.Spec.Restart == sal.RestartAlways ||
		v.rec.Spec.Restart == sal.RestartOnFailure && how != "it ended with exit code 0")
	v.failedOnce(how)
	if again {
		v.later()
	}
	if err := v.save(); err != nil {
		v.owner.log.Error("record the end of a service", "service", v.id, "err", err)
	}
}

// release lets go of a process that has ended.
func (v *service) release() {
	g := v.group
	v.group, v.exited, v.rec.PID = nil, nil, 0
	g.close()
	if err := v.clear(); err != nil {
		v.owner.log.Warn("remove the cgroup of a service", "service", v.id, "err", err)
	}
}

func (v *service) failedOnce(how string) {
	v.rec.Ended = how
	if cloud.Now().Sub(v.rec.StartedAt) >= settled {
		v.rec.Failures = 0
	}
	v.rec.Failures++
}

// failed notes that a start failed, and tries again later.
func (v *service) failed(how string) {
	v.failedOnce(how)
	v.later()
}

// later starts the service after a pause that grows with the failures in a row.
func (v *service) later() {
	pause := min(firstPause<<min(v.rec.Failures-1, 10), longestWait)
	v.cancelRestart()
	if v.owner.ctx.Err() != nil {
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(pause, func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		if v.restart != timer || v.owner.ctx.Err() != nil {
			return
		}
		v.restart = nil
		if err := v.start(); err != nil {
			v.failed(cloud.UserMessage(err))
		}
	})
	v.restart = timer
}

func (v *service) cancelRestart() {
	if v.restart != nil {
		v.restart.Stop()
		v.restart = nil
	}
}

// end ends the process, if it runs, and waits until nothing of it is left. When
// ctx ends first, it is killed at once.
func (v *service) end(ctx context.Context) error {
	v.cancelRestart()
	if v.group == nil {
		return v.clear()
	}
	g, exited := v.group, v.exited
	goesOn := cloud.Errorf(cloud.Unavailable, "the agent ends; service %s goes on", v.id)
	if v.owner.ctx.Err() != nil {
		return goesOn
	}
	pids, err := processesIn(g.tracker())
	if err == nil {
		signalProcesses(g.tracker(), pids, unix.SIGTERM)
	}
	grace := time.NewTimer(sal.ServiceGrace)
	defer grace.Stop()
	select {
	case <-exited:
	case <-grace.C:
		g.kill()
	case <-ctx.Done():
		g.kill()
	case <-v.owner.ctx.Done():
		return goesOn
	}
	select {
	case <-exited:
	case <-v.owner.ctx.Done():
		return goesOn
	}
	v.release()
	v.rec.Ended = "it was stopped"
	return v.save()
}

// clear removes the service's cgroups and what runs in them.
func (v *service) clear() error {
	t := v.owner.tree
	for _, dir := range t.dirs {
		folder := filepath.Join(dir, v.id)
		if _, err := os.Stat(folder); err != nil {
			continue
		}
		killFolder(folder, filepath.Join(t.pids, v.id))
		removeSoon(func() bool {
			err := unix.Rmdir(folder)
			return err == nil || errors.Is(err, unix.ENOENT)
		})
		if _, err := os.Stat(folder); err == nil {
			return cloud.Errorf(cloud.Unavailable, "the cgroup of service %s cannot be removed", v.id)
		}
	}
	return nil
}
