package host

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// mounts tells where the host's cgroup hierarchies are mounted. A host has the
// unified one (v2), those of v1, or both (hybrid: each controller is in one).
type mounts struct {
	unified    string
	memory     string // v1
	pids       string // v1
	memoryRoot string // the part of the v1 hierarchy that the mount shows
	pidsRoot   string
}

// readMounts reads /proc/self/mountinfo.
func readMounts() (mounts, error) {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return mounts{}, err
	}
	return parseMounts(string(b)), nil
}

func parseMounts(mountinfo string) (m mounts) {
	for line := range strings.Lines(mountinfo) {
		before, after, _ := strings.Cut(line, " - ")
		where, what := strings.Fields(before), strings.Fields(after)
		if len(where) < 5 || len(what) < 3 {
			continue
		}
		root, point := where[3], where[4]
		switch what[0] {
		case "cgroup2":
			if m.unified == "" {
				m.unified = point
			}
		case "cgroup":
			options := strings.Split(what[2], ",")
			if slices.Contains(options, "memory") {
				m.memory, m.memoryRoot = point, root
			}
			if slices.Contains(options, "pids") {
				m.pids, m.pidsRoot = point, root
			}
		}
	}
	return m
}

// tree is our part of the cgroup hierarchies: one folder in each that is used.
type tree struct {
	mounts mounts
	// dirs are our folders; the first is the tracker, which tells what runs.
	dirs    []string
	unified bool   // the tracker is of v2: children are born in it, cgroup.events tells its end
	memory  string // the folder whose children have a memory limit; "" if none
	pids    string // the folder whose children have a process limit; "" if none
	memory2 bool   // memory is of v2
}

// makeTree makes the folder parent in the hierarchies.
func makeTree(m mounts, parent string) (*tree, error) {
	t := &tree{mounts: m}
	if m.unified != "" {
		dir := filepath.Join(m.unified, parent)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
		t.dirs, t.unified = append(t.dirs, dir), true
		if enable(m.unified, parent, "memory") {
			t.memory, t.memory2 = dir, true
		}
		if enable(m.unified, parent, "pids") {
			t.pids = dir
		}
	}
	for _, v1 := range []struct {
		mount string
		dir   *string
	}{{m.pids, &t.pids}, {m.memory, &t.memory}} {
		if v1.mount == "" || *v1.dir != "" {
			continue
		}
		*v1.dir = filepath.Join(v1.mount, parent)
		if err := os.MkdirAll(*v1.dir, 0o755); err != nil {
			return nil, err
		}
		if !slices.Contains(t.dirs, *v1.dir) {
			t.dirs = append(t.dirs, *v1.dir)
		}
	}
	if len(t.dirs) == 0 {
		return nil, errors.New("no cgroup hierarchy with memory or pids is mounted")
	}
	return t, nil
}

// enable has the children of parent get a v2 controller.
func enable(mount, parent, controller string) bool {
	dir := mount
	for _, part := range append(strings.Split(parent, "/"), "") {
		if os.WriteFile(dir+"/cgroup.subtree_control", []byte("+"+controller), 0) != nil {
			return false
		}
		dir = filepath.Join(dir, part)
	}
	return true
}

// lacks names the controllers that the tree has not.
func (t *tree) lacks() (names []string) {
	if t.memory == "" {
		names = append(names, "memory")
	}
	if t.pids == "" {
		names = append(names, "pids")
	}
	return names
}

// homes opens the "tasks" files of the v1 cgroups that this process is in, in
// the order of group.tasks.
func (t *tree) homes() ([]int, error) {
	b, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	in := map[string]string{}
	for line := range strings.Lines(string(b)) {
		if f := strings.SplitN(strings.TrimSpace(line), ":", 3); len(f) == 3 {
			for controller := range strings.SplitSeq(f[1], ",") {
				in[controller] = f[2]
			}
		}
	}
	var fds []int
	for _, dir := range t.dirs {
		mount, root, path := t.mounts.pids, t.mounts.pidsRoot, in["pids"]
		switch {
		case t.unified && dir == t.dirs[0]:
			continue
		case dir == t.memory:
			mount, root, path = t.mounts.memory, t.mounts.memoryRoot, in["memory"]
		}
		fd, err := unix.Open(filepath.Join(mount, strings.TrimPrefix(path, strings.TrimSuffix(root, "/")), "tasks"),
			unix.O_WRONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			closeAll(fds)
			return nil, fmt.Errorf("open the agent's own cgroup %s: %w", path, err)
		}
		fds = append(fds, fd)
	}
	return fds, nil
}

// remove deletes our folders, deepest first, as far as they are empty.
func (t *tree) remove(parent string) {
	for _, dir := range t.dirs {
		for range strings.Count(parent, "/") + 1 {
			if os.Remove(dir) != nil {
				break
			}
			dir = filepath.Dir(dir)
		}
	}
}

func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}

// counter finds "name N" in the content of a cgroup file.
func counter(content []byte, name string) string {
	for line := range bytes.Lines(content) {
		if f := bytes.Fields(line); len(f) == 2 && string(f[0]) == name {
			return string(f[1])
		}
	}
	return ""
}
