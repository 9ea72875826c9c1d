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
	g.place(attr)
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

// place has a process that is started begin in the group's v2 cgroup.
func (g *group) place(attr *syscall.ProcAttr) {
	if g.tree.unified {
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, g.dir
	}
}

// enter moves the calling thread into the group's v1 cgroups.
func (g *group) enter() error {
	for _, dir := range g.tree.v1() {
		if err := os.WriteFile(g.folder(dir)+"/tasks", []byte("0"), 0); err != nil {
			return fmt.Errorf("enter cgroup %s: %w", g.folder(dir), err)
		}
	}
	return nil
}

// seat has a thread take its place in the group's v1 cgroups, and fork there until
// the group is closed.
func (g *group) seat() error {
	g.forks = make(chan func())
	ready := make(chan error)
	onThread(func() {
		err := g.enter()
		ready <- err
		if err != nil {
			return
		}
		for fork := range g.forks {
			fork()
		}
	})
	return <-ready
}

// onThread calls f in a goroutine whose thread is nobody else's and ends with it:
// what f makes of its thread, the agent's other work never meets.
func onThread(f func()) {
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() != unix.Getpid() {
			f()
			return // while the thread is locked: it ends with the goroutine
		}
		// The main thread stands for the whole process, and never ends. While it is
		// locked here, another goroutine gets another thread.
		defer runtime.UnlockOSThread()
		other := make(chan struct{})
		onThread(func() {
			close(other)
			f()
		})
		<-other
	}()
}
