package host

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"atoll/internal/cloud"
	"atoll/internal/sal"
)

const (
	maxIdle    = 16       // cgroups kept for the next command
	maxUses    = 500      // commands of one cgroup
	maxCharged = 16 << 20 // bytes that the last command may have left charged (page cache)
	// jobAttribute is the extended attribute of a cgroup that names its command,
	// for the agent that finds it after a crash.
	jobAttribute = "trusted.atoll.command"
)

// group is one cgroup (a folder in each hierarchy) that holds one command at a
// time. Its limits are set once: making, limiting and removing cgroups costs as
// much as starting a process, so that groups are kept and used again.
type group struct {
	tree    *tree
	name    string
	limits  sal.Limits
	dir     int         // the tracker's folder
	forks   chan func() // v1: run by the thread that sits in the cgroups
	events  int         // v2: cgroup.events, or -1
	oom     int         // memory.events or memory.oom_control, or -1
	usage   int         // memory in use, or -1
	uses    int
	adopt   bool        // the cgroups may be there already: a service, which outlives the agent
	private string      // the folder that root's commands run in; "" while none is made
	spoilt  atomic.Bool // not for another command
}

// folder is the group's folder below one of the tree's.
func (g *group) folder(dir string) string { return filepath.Join(dir, g.name) }

// tracker is the folder that tells what runs.
func (g *group) tracker() string { return g.folder(g.tree.dirs[0]) }

func newGroup(t *tree, name string, limits sal.Limits) (*group, error) {
	return openGroup(&group{tree: t, name: name, limits: limits})
}

// openGroup makes a group's cgroups and opens their files.
func openGroup(g *group) (*group, error) {
	g.dir, g.events, g.oom, g.usage = -1, -1, -1, -1
	if err := g.make(); err != nil {
		g.close()
		removeSoon(g.remove)
		return nil, cloud.Wrap(cloud.Unavailable, err, "the host cannot make a cgroup for a command")
	}
	return g, nil
}

func (g *group) make() error {
	for _, dir := range g.tree.dirs {
		if err := os.Mkdir(g.folder(dir), 0o755); err != nil && !(g.adopt && errors.Is(err, os.ErrExist)) {
			return err
		}
	}
	var err error
	if g.dir, err = unix.Open(g.tracker(), unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
		return err
	}
	if g.tree.unified {
		if g.events, err = unix.Open(g.tracker()+"/cgroup.events", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
			return err
		}
	}
	if err := g.limit(); err != nil || len(g.tree.v1()) == 0 {
		return err
	}
	return g.seat()
}

// limit writes the limits and opens the files that tell what became of them.
func (g *group) limit() error {
	if g.tree.pids != "" {
		n := g.limits.Processes
		if slices.Contains(g.tree.v1(), g.tree.pids) {
			n++ // the thread that sits there
		}
		if err := write(g.folder(g.tree.pids)+"/pids.max", n); err != nil {
			return err
		}
	}
	if g.tree.memory == "" {
		return nil
	}
	dir, bytes := g.folder(g.tree.memory), g.limits.MemoryMiB<<20
	events, usage := "/memory.oom_control", "/memory.usage_in_bytes"
	if g.tree.memory2 {
		events, usage = "/memory.events", "/memory.current"
		if err := write(dir+"/memory.max", bytes); err != nil {
			return err
		}
		// Without these files the kernel has no swap accounting, or no group kill.
		_ = write(dir+"/memory.swap.max", 0)
		_ = write(dir+"/memory.oom.group", 1)
	} else {
		if err := write(dir+"/memory.limit_in_bytes", bytes); err != nil {
			return err
		}
		_ = write(dir+"/memory.memsw.limit_in_bytes", bytes)
	}
	var err error
	if g.oom, err = unix.Open(dir+events, unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		return err
	}
	g.usage, err = unix.Open(dir+usage, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	return err
}

func write(file string, n int64) error {
	return os.WriteFile(file, strconv.AppendInt(nil, n, 10), 0)
}

// mark names the command that will run here.
func (g *group) mark(command string) {
	// A kernel without the attribute only costs Remnants the command's name.
	_ = unix.Fsetxattr(g.dir, jobAttribute, []byte(command), 0)
}

// empty reports whether nothing runs in the group.
func (g *group) empty() bool {
	if g.events >= 0 {
		var buf [256]byte
		n, err := unix.Pread(g.events, buf[:], 0)
		return errors.Is(err, unix.ENODEV) || err == nil && counter(buf[:n], "populated") == "0"
	}
	pids, err := processesIn(g.tracker())
	return err == nil && len(pids) == 0
}

// oomKills reports whether the memory limit killed here.
func (g *group) oomKills() bool {
	var buf [512]byte
	if g.oom < 0 {
		return false
	}
	n, err := unix.Pread(g.oom, buf[:], 0)
	kills := counter(buf[:max(n, 0)], "oom_kill")
	if err != nil || kills == "" || kills == "0" {
		return false
	}
	g.spoilt.Store(true) // the count would be the next command's too
	return true
}

// charged returns how much memory is still charged to the group.
func (g *group) charged() int64 {
	var buf [64]byte
	if g.usage < 0 {
		return 0
	}
	n, _ := unix.Pread(g.usage, buf[:], 0)
	bytes, _ := strconv.ParseInt(strings.TrimSpace(string(buf[:max(n, 0)])), 10, 64)
	return bytes
}

// kill ends everything in the group and returns when it is empty.
func (g *group) kill() {
	g.spoilt.Store(true)
	killFolder(g.tracker(), g.folder(g.tree.pids))
	waitUntil(g.empty)
}

// waitUntil looks ever less often: there is no event for the end of a v1 cgroup.
func waitUntil(done func() bool) {
	for pause := time.Millisecond; !done(); pause = min(2*pause, 50*time.Millisecond) {
		time.Sleep(pause)
	}
}

// killFolder ends what runs in a cgroup: at once where the kernel can, else
// process by process while the pids controller forbids it to make new ones.
func killFolder(tracker, pidsDir string) {
	if os.WriteFile(tracker+"/cgroup.kill", []byte("1"), 0) == nil {
		return
	}
	_ = write(filepath.Join("/", pidsDir, "pids.max"), 0)
	waitUntil(func() bool {
		pids, err := processesIn(tracker)
		if err != nil || len(pids) == 0 {
			return true
		}
		signalProcesses(tracker, pids, unix.SIGKILL)
		return false
	})
}

// signalProcesses sends a signal to those of pids that are still in the cgroup: a
// process number that was used again in between belongs to somebody else.
func signalProcesses(tracker string, pids []int, signal unix.Signal) {
	fds := map[int]int{}
	for _, pid := range pids {
		if fd, err := unix.PidfdOpen(pid, 0); err == nil {
			fds[pid] = fd
			defer unix.Close(fd)
		}
	}
	still, _ := processesIn(tracker)
	for _, pid := range still {
		if fd, ok := fds[pid]; ok {
			_ = unix.PidfdSendSignal(fd, signal, nil, 0)
		}
	}
}

// processesIn lists the processes of a cgroup but this one, whose threads sit in
// those of v1.
func processesIn(folder string) (pids []int, err error) {
	b, err := os.ReadFile(folder + "/cgroup.procs")
	if errors.Is(err, unix.ENODEV) || errors.Is(err, os.ErrNotExist) {
		return nil, nil // removed meanwhile
	}
	for field := range strings.FieldsSeq(string(b)) {
		if pid, err := strconv.Atoi(field); err == nil && pid > 0 && pid != os.Getpid() {
			pids = append(pids, pid)
		}
	}
	return pids, err
}

func (g *group) close() {
	for _, fd := range []int{g.dir, g.events, g.oom, g.usage} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
	if g.forks != nil {
		close(g.forks)
	}
}

// remove deletes the group's folders and reports whether all are gone.
func (g *group) remove() bool {
	gone := true
	if g.private != "" {
		_ = os.RemoveAll(g.private)
	}
	for _, dir := range g.tree.dirs {
		if err := unix.Rmdir(g.folder(dir)); err != nil && !errors.Is(err, unix.ENOENT) {
			gone = false
		}
	}
	return gone
}

// groups keeps idle groups.
type groups struct {
	tree   *tree
	prefix string // of the groups' names: differs from those of earlier agents

	mu    sync.Mutex
	made  int
	idle  []*group
	trash []*group // closed, and not yet removed because the kernel was not done with them
}

// take returns an empty group with the limits.
func (s *groups) take(limits sal.Limits) (*group, error) {
	s.mu.Lock()
	for i := len(s.idle) - 1; i >= 0; i-- {
		if g := s.idle[i]; g.limits == limits {
			s.idle = append(s.idle[:i], s.idle[i+1:]...)
			s.mu.Unlock()
			return g, nil
		}
	}
	s.made++
	name := fmt.Sprintf("%s%d", s.prefix, s.made)
	s.mu.Unlock()
	return newGroup(s.tree, name, limits)
}

// owns reports whether a cgroup of that name is ours rather than an earlier agent's.
func (s *groups) owns(name string) bool { return strings.HasPrefix(name, s.prefix) }

// give takes an empty group back; one that is spoilt is removed.
func (s *groups) give(g *group) {
	g.uses++
	spoilt := g.spoilt.Load() || g.uses >= maxUses || g.charged() > maxCharged
	s.mu.Lock()
	defer s.mu.Unlock()
	if !spoilt {
		s.idle = append(s.idle, g)
		if len(s.idle) <= maxIdle {
			return
		}
		g, s.idle = s.idle[0], s.idle[1:]
	}
	g.close()
	s.trash = append(s.trash, g)
	s.empty()
}

// empty tries to remove what could not be removed before. s.mu is held.
func (s *groups) empty() (done bool) {
	left := s.trash[:0]
	for _, g := range s.trash {
		if !g.remove() {
			left = append(left, g)
		}
	}
	s.trash = left
	return len(left) == 0
}

// close removes all idle groups; it gives a busy kernel up to two seconds.
func (s *groups) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.idle {
		g.close()
	}
	s.trash, s.idle = append(s.trash, s.idle...), nil
	removeSoon(s.empty)
}
