package host

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"

	"atoll/internal/cloud"
)

// startAs starts a project's command from a thread of ours that shuts itself off
// before. So nothing of the command ever runs outside, and no helper program has to
// run in between: one that is as large as ours takes ten times as long as a shell.
func (p *Processes) startAs(g *group, s *start, attr *syscall.ProcAttr) (pid int, err error) {
	pidfd := attr.Sys.PidFD
	attr.Sys.PidFD = nil // it would be a descriptor of the thread's
	done := make(chan struct{})
	onThread(func() {
		defer close(done)
		pid, err = p.fork(g, s, attr)
	})
	<-done
	var known *cloud.Error
	switch {
	case errors.As(err, &known):
		return 0, err
	case err != nil:
		return 0, cloud.Wrap(cloud.Unavailable, err, "this node cannot shut off a project's command")
	}
	// Its number is its own as long as its status was not taken.
	if *pidfd, err = unix.PidfdOpen(pid, 0); err != nil {
		_ = unix.Kill(pid, unix.SIGKILL)
		_, _ = unix.Wait4(pid, nil, 0, nil)
		return 0, cloud.Wrap(cloud.Unavailable, err, "the node cannot start a project's command now")
	}
	return pid, nil
}

// fork shuts the calling thread off and starts the command.
func (p *Processes) fork(g *group, s *start, attr *syscall.ProcAttr) (pid int, err error) {
	c := &confinement{uid: s.who.id, home: s.who.home, dir: s.dir, hide: p.cfg.Hide, show: s.cmd.Show, files: s.cmd.Files}
	if err := g.enter(); err != nil {
		return 0, err
	}
	if err := c.view(); err != nil {
		return 0, err
	}
	if err := c.bar(); err != nil {
		return 0, err
	}
	file, err := c.enter(s.cmd.Argv[0], lookupEnv(s.env, "PATH"))
	if err != nil {
		return 0, err
	}
	// From here on the thread has descriptors of its own, of which the command gets
	// none but attr's, whatever opened the others.
	if err := unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_UNSHARE|unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return 0, err
	}
	attr.Dir, attr.Env = "", s.env
	attr.Sys.Credential = &syscall.Credential{Uid: uint32(s.who.id), Gid: uint32(s.who.id)}
	g.place(attr)
	err = retryBusy(func() error {
		pid, err = syscall.ForkExec(file, s.cmd.Argv, attr)
		return err
	})
	if err != nil {
		return 0, startError(file, err)
	}
	return pid, nil
}
