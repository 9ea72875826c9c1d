package host

import (
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"atoll/internal/cloud"
)

// privatePrefix begins the names of private folders in Config.Work; the name of
// their cgroup follows.
const privatePrefix = "run-"

// privateFolder returns an empty folder of root's for the group's command. It
// belongs to the group: one that a command left untouched serves the next, for
// making and removing it costs a tenth of a process start.
func (g *group) privateFolder(work string) (string, error) {
	if g.private != "" {
		return g.private, nil
	}
	dir := filepath.Join(work, privatePrefix+g.name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", cloud.Wrap(cloud.Unavailable, err, "the command's private folder cannot be made")
	}
	g.private = dir
	return dir, nil
}

// cleanPrivate removes the private folder unless it is as it was made.
func (g *group) cleanPrivate() {
	if g.private != "" && !untouched(g.private) {
		_ = os.RemoveAll(g.private) // what resists is left to Remnants
		g.private = ""
	}
}

// untouched reports whether a folder is empty and still root's alone.
func untouched(dir string) bool {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || st.Mode != unix.S_IFDIR|0o700 || st.Uid != 0 || st.Gid != 0 {
		return false
	}
	var buf [1024]byte
	n, err := unix.Getdents(fd, buf[:])
	if err != nil {
		return false
	}
	_, entries, _ := unix.ParseDirent(buf[:n], -1, nil) // without . and ..
	return entries == 0
}

// cleanWork removes the private folders of an earlier agent's commands.
func (p *Processes) cleanWork() error {
	entries, err := os.ReadDir(p.cfg.Work)
	if err != nil {
		return cloud.Wrap(cloud.Unavailable, err, "the folder %s cannot be read", p.cfg.Work)
	}
	for _, e := range entries {
		group, private := strings.CutPrefix(e.Name(), privatePrefix)
		if !private || p.groups.owns(group) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(p.cfg.Work, e.Name())); err != nil {
			return cloud.Wrap(cloud.Unavailable, err, "the folder %s cannot be removed", e.Name())
		}
	}
	return nil
}
