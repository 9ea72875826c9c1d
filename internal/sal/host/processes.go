package host

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"atoll/internal/cloud"
	"atoll/internal/sal"
)

// Config says where commands run and what they may take.
type Config struct {
	// Parent is the path of the cgroup that holds all commands, below the root of
	// each hierarchy: "atoll/" and the name of the installation's data folder or
	// instance. Two agents of one host must not share it.
	Parent string
	// Work is a folder for the private folders of root's commands.
	Work string
	// Homes holds the home folder of each project's user, named by its number. No
	// quota bounds what a project writes there: on a node for projects, put Homes on
	// a file system of its own, so that a full one stops no machine.
	Homes string
	// Hide lists folders that projects' commands must not see: the agent's data
	// folder first of all. Homes and Work are hidden without being named.
	Hide []string
	// FirstUser and LastUser bound the user ids of projects; 0 takes the defaults.
	FirstUser, LastUser uint32
	// Limits hold for commands that bring none; 0 takes the defaults.
	Limits sal.Limits
}

// The defaults of Config, and the least that a command gets.
const (
	DefaultFirstUser = 10000
	DefaultLastUser  = 59999
	DefaultMemoryMiB = 1024
	DefaultProcesses = 512
	minMemoryMiB     = 4
	minProcesses     = 2
)

// How long a command has to end: after SIGTERM, and after its first process has
// ended and others that it started still run.
const (
	termGrace  = 5 * time.Second
	childGrace = 2 * time.Second
)

// Processes runs commands on the host; it is sal.Processes.
//
// RunAs is "root", or the user id of a project as a decimal number between
// FirstUser and LastUser ("10001", or "uid:10001"); its group has the same
// number. A user id that belongs to a user of the host is refused.
//
// A project's command has no capabilities and can gain none, sees every file
// system read-only except its home, its own /tmp, /var/tmp and /dev/shm, and
// Command.Dir; it sees no processes but its own user's. Command.Dir is a folder
// in its home, or one in Config.Work, which is handed to it and shown even
// though Work is hidden: that is where a script's file goes.
//
// A command ends when its first process has ended. What that leaves running has
// two seconds to end too (a tee that drains a pipe) and is then killed.
type Processes struct {
	cfg    Config
	mounts mounts
	tree   *tree
	groups *groups
	null   *os.File
	denied error // why nothing can run at all

	mu      sync.Mutex
	running map[string]bool
}

// New prepares the cgroups and folders, and marks every descriptor of this
// process from 3 up as not to be inherited by programs that it starts; it sets
// this process's umask to 022 and lets it dump no core, which commands inherit. The caller calls Close when no command
// runs any more. An agent that is not root gets a driver that refuses every
// command with cloud.Denied, so that it can still serve everything else.
func New(cfg Config) (*Processes, error) {
	m, err := readMounts()
	if err != nil {
		return nil, cloud.Wrap(cloud.Unavailable, err, "the host's mounts cannot be read")
	}
	return newProcesses(cfg, m)
}

func newProcesses(cfg Config, m mounts) (*Processes, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	p := &Processes{cfg: cfg, mounts: m, running: map[string]bool{}}
	if uid := os.Geteuid(); uid != 0 {
		p.denied = cloud.Errorf(cloud.Denied, "this agent runs as user id %d and cannot run commands; start it as root", uid)
		return p, nil
	}
	for _, dir := range []string{cfg.Work, cfg.Homes} {
		if err := os.MkdirAll(dir, 0o711); err != nil {
			return nil, cloud.Wrap(cloud.Unavailable, err, "the folder %s cannot be made", dir)
		}
	}
	pidfd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return nil, cloud.Wrap(cloud.Unavailable, err, "the host's kernel is too old for commands; Linux 5.12 is needed")
	}
	unix.Close(pidfd)
	// What this process itself inherited must not reach commands.
	if err := unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return nil, cloud.Wrap(cloud.Unavailable, err, "the agent's descriptors cannot be kept from commands")
	}
	unix.Umask(0o022)
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return nil, cloud.Wrap(cloud.Unavailable, err, "core dumps cannot be forbidden")
	}
	if p.null, err = os.OpenFile(os.DevNull, os.O_RDWR, 0); err != nil {
		return nil, err
	}
	if p.tree, err = makeTree(m, cfg.Parent); err != nil {
		return nil, cloud.Wrap(cloud.Unavailable, err, "the host's cgroups cannot be used")
	}
	p.groups = &groups{tree: p.tree, prefix: strconv.FormatInt(time.Now().UnixNano(), 36) + "-"}
	return p, nil
}

func (c *Config) complete() error {
	if c.Parent == "" || !filepath.IsLocal(c.Parent) || filepath.Clean(c.Parent) != c.Parent || c.Parent == "." {
		return cloud.FieldErrorf("parent", "%q is no path of a cgroup such as atoll/home", c.Parent)
	}
	hide := []string{}
	for _, dir := range append([]string{c.Homes, c.Work}, c.Hide...) {
		if !filepath.IsAbs(dir) || filepath.Clean(dir) == "/" {
			return cloud.FieldErrorf("hide", "%q is no absolute path below /", dir)
		}
		hide = append(hide, filepath.Clean(dir))
	}
	c.Hide = hide
	if c.FirstUser == 0 && c.LastUser == 0 {
		c.FirstUser, c.LastUser = DefaultFirstUser, DefaultLastUser
	}
	if c.FirstUser < 1000 || c.LastUser < c.FirstUser {
		return cloud.FieldErrorf("first_user", "the user ids %d to %d are no range above 999", c.FirstUser, c.LastUser)
	}
	if c.Limits.MemoryMiB == 0 {
		c.Limits.MemoryMiB = DefaultMemoryMiB
	}
	if c.Limits.Processes == 0 {
		c.Limits.Processes = DefaultProcesses
	}
	return nil
}

// Lacks names the cgroup controllers that the host does not offer (memory,
// pids). Without them root's commands run unbounded and projects' not at all.
func (p *Processes) Lacks() []string {
	if p.tree == nil {
		return nil
	}
	return p.tree.lacks()
}

// Close removes the idle cgroups. No command may run any more.
func (p *Processes) Close() error {
	if p.denied != nil {
		return nil
	}
	p.groups.close()
	p.tree.remove(p.cfg.Parent)
	return p.null.Close()
}

// Remnants ends what an earlier agent's commands left running in Parent, removes
// their cgroups and private folders, and returns the names of those that ran.
func (p *Processes) Remnants(ctx context.Context) ([]string, error) {
	names := []string{}
	if p.denied != nil {
		return names, nil
	}
	for i, dir := range p.tree.dirs {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return names, cloud.Wrap(cloud.Unavailable, err, "the cgroup %s cannot be read", dir)
		}
		for _, e := range entries {
			if !e.IsDir() || p.groups.owns(e.Name()) {
				continue
			}
			if err := ctx.Err(); err != nil {
				return names, err
			}
			folder := filepath.Join(dir, e.Name())
			if pids, _ := processesIn(folder); len(pids) > 0 {
				if i == 0 {
					names = append(names, commandOf(folder, e.Name()))
				}
				killFolder(folder, filepath.Join(p.tree.pids, e.Name()))
			}
			removeSoon(func() bool {
				err := unix.Rmdir(folder)
				return err == nil || err == unix.ENOENT
			})
		}
	}
	return names, p.cleanWork()
}

// commandOf tells the command that was marked on a cgroup, or else its name.
func commandOf(folder, name string) string {
	var buf [256]byte
	if n, err := unix.Getxattr(folder, jobAttribute, buf[:]); err == nil && n > 0 {
		return string(buf[:n])
	}
	return name
}

// removeSoon gives a cgroup up to two seconds to be removed: its last process or
// thread may still be on its way out.
func removeSoon(remove func() bool) {
	end := time.Now().Add(2 * time.Second)
	waitUntil(func() bool { return remove() || time.Now().After(end) })
}
