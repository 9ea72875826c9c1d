package host

import (
	"fmt"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// start starts a process inside the group. With v2 the kernel has a call for
// that. With v1 a child is born where the forking thread is: each group has a
// thread that stays in its cgroups, so that no helper program has to run in
// between, nothing ever runs outside, and a start moves nobody.
func (g *group) start(path string, argv []string, attr *syscall.ProcAttr) (pid int, err error) {
	if g.tree.unified {
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, g.dir
	}
	if g.forks == nil {
		return syscall.ForkExec(path, argv, attr)
	}
	done := make(chan struct{})
	g.forks <- func() {
		defer close(done)
		pid, err = syscall.ForkExec(path, argv, attr)
	}
	<-done
	return pid, err
}

// seat has a thread take its place in the group's v1 cgroups.
func (g *group) seat() error {
	g.forks = make(chan func())
	ready := make(chan error)
	go g.sit(ready)
	return <-ready
}

// sit forks until the group is closed. It must be the last call of its goroutine:
// the thread stays locked, and so ends with the goroutine instead of doing the
// agent's work from within a command's cgroup.
func (g *group) sit(ready chan<- error) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		// The main thread stands for the whole process in its cgroup. While it is
		// locked here, another goroutine gets another thread.
		defer runtime.UnlockOSThread()
		other := make(chan error)
		go g.sit(other)
		ready <- <-other
		return
	}
	for _, dir := range g.tree.v1() {
		if err := os.WriteFile(g.folder(dir)+"/tasks", []byte("0"), 0); err != nil {
			ready <- fmt.Errorf("enter cgroup %s: %w", g.folder(dir), err)
			return
		}
	}
	ready <- nil
	for fork := range g.forks {
		fork()
	}
}
