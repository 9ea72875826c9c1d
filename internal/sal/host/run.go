package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"atoll/internal/cloud"
	"atoll/internal/sal"
)

// Run runs the command; see sal.Processes. A writer that blocks also holds Run
// back, even when ctx has ended and the command is killed.
func (p *Processes) Run(ctx context.Context, cmd sal.Command) (sal.Exit, error) {
	if p.denied != nil {
		return sal.Exit{}, p.denied
	}
	if err := check(cmd); err != nil {
		return sal.Exit{}, err
	}
	who, err := p.account(cmd.RunAs)
	if err != nil {
		return sal.Exit{}, err
	}
	if ctx.Err() != nil {
		return sal.Exit{}, cloud.Wrap(cloud.Timeout, context.Cause(ctx), "command %s ended before it started", cmd.Name)
	}
	if !p.claim(cmd.Name) {
		return sal.Exit{}, cloud.Errorf(cloud.Conflict, "a command named %s runs already", cmd.Name)
	}
	defer p.release(cmd.Name)
	dir, err := p.folder(cmd, who)
	if err != nil {
		return sal.Exit{}, err
	}
	g, err := p.groups.take(p.limits(cmd.Limits))
	if err != nil {
		return sal.Exit{}, err
	}
	defer p.groups.give(g)
	if dir == "" && who.root {
		if dir, err = g.privateFolder(p.cfg.Work); err != nil {
			return sal.Exit{}, err
		}
		defer g.cleanPrivate()
	}
	g.mark(cmd.Name)
	r := &run{group: g, ended: make(chan struct{})}
	return r.run(ctx, p, &start{cmd: cmd, who: who, dir: dir, env: environment(cmd.Env, who)})
}

func (p *Processes) claim(name string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running[name] {
		return false
	}
	p.running[name] = true
	return true
}

func (p *Processes) release(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.running, name)
}

// start is what is needed to start a command.
type start struct {
	cmd sal.Command
	who account
	dir string
	env []string
}

// run is one running command.
type run struct {
	group *group
	ended chan struct{} // closed when the group is empty

	mu     sync.Mutex
	pid    int
	pidfd  int
	reaped bool // pid is no longer ours

	killed bool // ctx ended before the first process did
	left   bool // something had to be killed after the first process had ended
}

func (r *run) run(ctx context.Context, p *Processes, s *start) (exit sal.Exit, err error) {
	stdin, err := input(p.null, s.cmd.Stdin)
	if err != nil {
		return exit, err
	}
	out, answer, err := outputs(p.null, s.cmd, s.who)
	if err != nil {
		closeInput(p.null, stdin)
		return exit, err
	}
	stdout := out
	if s.cmd.Stdout != nil {
		stdout = answer
	}
	attr := &syscall.ProcAttr{
		Dir: s.dir, Env: s.env,
		Files: []uintptr{stdin.Fd(), uintptr(stdout.write), uintptr(out.write)},
		Sys:   &syscall.SysProcAttr{Setsid: true, PidFD: &r.pidfd},
	}
	if s.who.root {
		r.pid, err = p.startPlain(r.group, s, attr)
	} else {
		r.pid, err = p.startAs(r.group, s, attr)
	}
	closeInput(p.null, stdin)
	out.started()
	answer.started()
	defer out.close()
	defer answer.close()
	if err != nil {
		return exit, err
	}
	stop := r.endWith(ctx)
	status := r.follow(out, answer)
	stop()
	oom := r.group.oomKills()
	exit = sal.Exit{Code: exitCode(status), Killed: r.killed, OOM: oom}
	switch {
	case oom:
		exit.Detail = fmt.Sprintf("the memory limit of %d MiB was reached", r.group.limits.MemoryMiB)
	case out.err != nil || answer.err != nil:
		exit.Detail = "output was lost: " + cmp.Or(out.err, answer.err).Error()
	case r.left && !exit.Killed:
		exit.Detail = "processes that it left running were ended"
	}
	return exit, nil
}

// startPlain starts root's command.
func (p *Processes) startPlain(g *group, s *start, attr *syscall.ProcAttr) (pid int, err error) {
	file, err := program(s.cmd.Argv[0], lookupEnv(s.env, "PATH"), s.dir)
	if err != nil {
		return 0, err
	}
	err = retryBusy(func() error {
		pid, err = g.start(file, s.cmd.Argv, attr)
		return err
	})
	if err != nil {
		return 0, startError(file, err)
	}
	return pid, nil
}

// retryBusy runs f again while the file to execute is still open for writing:
// a process that is just being started elsewhere may have inherited that.
func retryBusy(f func() error) (err error) {
	for pause := time.Millisecond; pause < 500*time.Millisecond; pause *= 2 {
		if err = f(); !errors.Is(err, unix.ETXTBSY) {
			return err
		}
		time.Sleep(pause)
	}
	return err
}

// endWith ends the command when ctx ends. The caller calls stop after follow.
func (r *run) endWith(ctx context.Context) (stop func()) {
	done := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		defer close(done)
		r.terminate()
		grace := time.NewTimer(termGrace)
		defer grace.Stop()
		select {
		case <-r.ended:
		case <-grace.C:
			r.group.kill()
		}
	})
	return func() {
		if !cancel() {
			<-done
		}
	}
}

// terminate sends SIGTERM to the process group of the first process, unless it
// was reaped: its number may then be somebody else's.
func (r *run) terminate() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.reaped {
		r.killed = true
		_ = unix.Kill(-r.pid, unix.SIGTERM)
	}
}

// follow copies the output until the group is empty, and returns how the first
// process ended. Others that still run have childGrace to end too.
func (r *run) follow(out, answer *output) (status unix.WaitStatus) {
	defer close(r.ended)
	for !poll(r.pidfd, out, answer, -1) {
	}
	status = r.reap()
	end := time.Now().Add(childGrace)
	for pause := time.Millisecond; !r.group.empty(); pause = min(2*pause, 50*time.Millisecond) {
		if time.Now().After(end) {
			r.left = true
			r.group.kill()
		}
		poll(-1, out, answer, int(pause.Milliseconds()))
	}
	answer.drain()
	out.drain()
	return status
}

// poll waits for the end of the process or for output, which it copies once. Of
// outputs that are apart, nothing tells which was written first: what went wrong is
// mostly said after what was done.
func poll(pidfd int, out, answer *output, milliseconds int) (ended bool) {
	fds := [3]unix.PollFd{
		{Fd: int32(pidfd), Events: unix.POLLIN}, {Fd: int32(out.read), Events: unix.POLLIN}, {Fd: int32(answer.read), Events: unix.POLLIN},
	}
	if _, err := unix.Poll(fds[:], milliseconds); err != nil {
		return false // interrupted: the caller comes again
	}
	if fds[2].Revents != 0 {
		answer.copy()
	}
	if fds[1].Revents != 0 {
		out.copy()
	}
	return fds[0].Revents != 0
}

// reap takes the first process's status; from then on its number is not ours.
func (r *run) reap() (status unix.WaitStatus) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		if _, err := unix.Wait4(r.pid, &status, 0, nil); err != unix.EINTR {
			break
		}
	}
	r.reaped = true
	unix.Close(r.pidfd)
	return status
}

func exitCode(status unix.WaitStatus) int {
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}

// input makes the command's standard input: a file in memory, so that nobody
// has to feed a pipe.
func input(null *os.File, data []byte) (*os.File, error) {
	if len(data) == 0 {
		return null, nil
	}
	fd, err := unix.MemfdCreate("stdin", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, cloud.Wrap(cloud.Unavailable, err, "the node cannot hold the command's input")
	}
	f := os.NewFile(uintptr(fd), "stdin")
	if _, err = f.Write(data); err == nil {
		_, err = f.Seek(0, 0)
	}
	if err != nil {
		f.Close()
		return nil, cloud.Wrap(cloud.Unavailable, err, "the node cannot hold the command's input")
	}
	return f, nil
}

func closeInput(null, f *os.File) {
	if f != null {
		f.Close()
	}
}
