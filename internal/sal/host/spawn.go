package host

import (
	"fmt"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// spawner starts processes inside cgroups. With v2 the kernel has a call for
// that. With v1 a child is born where the forking thread is: the thread enters
// the command's cgroups, forks and goes home, so that no helper program has to
// run in between and nothing ever runs outside.
type spawner struct {
	homes []int // "tasks" files of the agent's own v1 cgroups, in the order of group.tasks
}

func (s *spawner) close() { closeAll(s.homes) }

// start starts a process in the group.
func (s *spawner) start(g *group, path string, argv []string, attr *syscall.ProcAttr) (pid int, err error) {
	if g.tree.unified {
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, g.dir
	}
	if len(g.tasks) == 0 {
		return syscall.ForkExec(path, argv, attr)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		pid, err = s.startFromThread(g, path, argv, attr)
	}()
	<-done
	return pid, err
}

// startFromThread must be the last call of its goroutine: a thread that does
// not get home stays locked, and so ends with the goroutine instead of doing
// the agent's work from within a command's cgroup.
func (s *spawner) startFromThread(g *group, path string, argv []string, attr *syscall.ProcAttr) (pid int, err error) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		// The main thread stands for the whole process in its cgroup. While it
		// is locked here, another goroutine gets another thread.
		defer runtime.UnlockOSThread()
		done := make(chan struct{})
		go func() {
			defer close(done)
			pid, err = s.startFromThread(g, path, argv, attr)
		}()
		<-done
		return pid, err
	}
	entered := 0
	for _, tasks := range g.tasks {
		if _, err = unix.Write(tasks, []byte("0")); err != nil {
			err = fmt.Errorf("enter cgroup %s: %w", g.name, err)
			break
		}
		entered++
	}
	if err == nil {
		pid, err = syscall.ForkExec(path, argv, attr)
	}
	home := true
	for _, tasks := range s.homes[:entered] {
		if _, err := unix.Write(tasks, []byte("0")); err != nil {
			home = false
		}
	}
	if home {
		runtime.UnlockOSThread()
	}
	return pid, err
}
