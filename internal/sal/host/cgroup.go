package host

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// mounts tells where the host's cgroup hierarchies are mounted. A host has the
// unified one (v2), those of v1, or both (hybrid: each controller is in one).
type mounts struct {
	unified string
	memory  string // v1
	pids    string // v1
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
		point := where[4]
		switch what[0] {
		case "cgroup2":
			if m.unified == "" {
				m.unified = point
			}
		case "cgroup":
			options := strings.Split(what[2], ",")
			if slices.Contains(options, "memory") {
				m.memory = point
			}
			if slices.Contains(options, "pids") {
				m.pids = point
			}
		}
	}
	return m
}

// tree is our part of the cgroup hierarchies: one folder in each that is used.
type tree struct {
	// dirs are our folders; the first is the tracker, which tells what runs.
	dirs    []string
	unified bool   // the tracker is of v2: children are born in it, cgroup.events tells its end
	memory  string // the folder whose children have a memory limit; "" if none
	pids    string // the folder whose children have a process limit; "" if none
	memory2 bool   // memory is of v2
}

// makeTree makes the folder parent in the hierarchies.
func makeTree(m mounts, parent string) (*tree, error) {
	t := &tree{}
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

// v1 returns our folders in the hierarchies of v1.
func (t *tree) v1() []string {
	if t.unified {
		return t.dirs[1:]
	}
	return t.dirs
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

// counter finds "name N" in the content of a cgroup file.
func counter(content []byte, name string) string {
	for line := range bytes.Lines(content) {
		if f := bytes.Fields(line); len(f) == 2 && string(f[0]) == name {
			return string(f[1])
		}
	}
	return ""
}
