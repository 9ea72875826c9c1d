package host

import (
	"fmt"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// spawners is how many processes are started at the same time.
const spawners = 4

// spawner starts processes from threads of its own. Such a thread has an umask
// of its own, and enters the v1 cgroups of a command before it forks, so that
// the child is born there; no helper program has to run between.
type spawner struct {
	tree     *tree
	requests chan *birth
	done     sync.WaitGroup
}

// birth is one process to start.
type birth struct {
	group *group
	path  string
	argv  []string
	attr  *syscall.ProcAttr
	pid   int
	err   error
	born  chan struct{}
}

func newSpawner(t *tree) (*spawner, error) {
	s := &spawner{tree: t, requests: make(chan *birth)}
	ready := make(chan error)
	for range spawners {
		s.done.Go(func() { s.thread(ready) })
	}
	var failed error
	for range spawners {
		if err := <-ready; err != nil {
			failed = err
		}
	}
	if failed != nil {
		s.close()
		return nil, failed
	}
	return s, nil
}

func (s *spawner) close() {
	close(s.requests)
	s.done.Wait()
}

// start starts a process in the group.
func (s *spawner) start(g *group, path string, argv []string, attr *syscall.ProcAttr) (pid int, err error) {
	b := &birth{group: g, path: path, argv: argv, attr: attr, born: make(chan struct{})}
	s.requests <- b
	<-b.born
	return b.pid, b.err
}

// thread serves requests. It never unlocks its thread, which therefore ends
// with it: nobody else gets a thread with a strange umask or cgroup.
func (s *spawner) thread(ready chan<- error) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		// The main thread stands for the whole process in its cgroup. While it
		// is locked here, the next goroutine gets another one.
		s.done.Go(func() { s.thread(ready) })
		runtime.UnlockOSThread()
		return
	}
	homes, err := s.tree.homes()
	if err == nil {
		err = unix.Unshare(unix.CLONE_FS)
	}
	if ready != nil {
		ready <- err
	}
	if err != nil {
		return
	}
	defer closeAll(homes)
	unix.Umask(0o022)
	for b := range s.requests {
		home := b.run(homes)
		close(b.born)
		if !home { // the thread is lost in a cgroup: replace it
			s.done.Go(func() { s.thread(nil) })
			return
		}
	}
}

// run starts the process and reports whether the thread is back in its own cgroups.
func (b *birth) run(homes []int) (home bool) {
	home = true
	for i, tasks := range b.group.tasks {
		if _, err := unix.Write(tasks, []byte("0")); err != nil {
			b.err = fmt.Errorf("enter cgroup %s: %w", b.group.name, err)
			break
		}
		defer func() {
			if _, err := unix.Write(homes[i], []byte("0")); err != nil {
				home = false
			}
		}()
	}
	if b.err != nil {
		return home
	}
	if b.group.dir >= 0 {
		b.attr.Sys.UseCgroupFD, b.attr.Sys.CgroupFD = true, b.group.dir
	}
	b.pid, b.err = syscall.ForkExec(b.path, b.argv, b.attr)
	return home
}
