package host

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"atoll/internal/cloud"
	"atoll/internal/sal"
)

// confinement is what a project's command is shut off by. Its methods act on the
// calling thread alone, and what the thread is, a process that it starts is: they are
// for threads of onThread.
type confinement struct {
	uid   int
	home  string
	dir   string   // to run in; "" for an empty folder in the private /tmp
	hide  []string // folders to cover
	show  []string // folders to show to read, also below those
	files map[string][]byte
}

// view puts the thread into namespaces of its own, with the file systems that the
// command sees.
func (c *confinement) view() error {
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS | unix.CLONE_NEWIPC); err != nil {
		return fmt.Errorf("make namespaces: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	writable := []string{"/tmp", "/var/tmp", "/dev/shm"}
	shown := []string{c.home}
	if c.dir != "" && !slices.Contains(c.show, c.dir) {
		shown = append(shown, c.dir)
	}
	var trees []int // taken before they are hidden
	defer func() {
		for _, fd := range trees {
			unix.Close(fd)
		}
	}()
	visible := slices.Concat(shown, c.show)
	for _, dir := range visible {
		fd, err := unix.OpenTree(unix.AT_FDCWD, dir, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
		if err != nil {
			return fmt.Errorf("take %s: %w", dir, err)
		}
		trees = append(trees, fd)
	}
	for _, dir := range c.hide {
		if err := cover(dir, "mode=0711,size=64k"); err != nil {
			return err
		}
	}
	for _, dir := range writable {
		if err := cover(dir, "mode=1777"); err != nil {
			return err
		}
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "hidepid=2"); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	for i, dir := range visible {
		if err := os.MkdirAll(dir, 0o711); err != nil {
			return err
		}
		if err := unix.MoveMount(trees[i], "", unix.AT_FDCWD, dir, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
			return fmt.Errorf("show %s: %w", dir, err)
		}
	}
	if err := protect(append(writable, shown...)); err != nil {
		return err
	}
	if err := c.writeFiles(); err != nil {
		return err
	}
	if c.dir != "" {
		return nil
	}
	c.dir = "/tmp/work"
	return c.folder(c.dir)
}

// folder makes a folder of the user's own.
func (c *confinement) folder(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	return os.Chown(dir, c.uid, c.uid)
}

// writeFiles writes what only this command may read.
func (c *confinement) writeFiles() error {
	if len(c.files) == 0 {
		return nil
	}
	if err := c.folder(sal.FilesDir); err != nil {
		return err
	}
	for name, content := range c.files {
		path := filepath.Join(sal.FilesDir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return err
		}
		if err := os.Chown(path, c.uid, c.uid); err != nil {
			return err
		}
	}
	return nil
}

// cover mounts an empty file system over a folder, if there is one.
func cover(dir, options string) error {
	err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, options)
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("cover %s: %w", dir, err)
	}
	return nil
}

// protect makes every mount read-only except the writable ones.
func protect(writable []string) error {
	all := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID}
	if err := unix.MountSetattr(unix.AT_FDCWD, "/", unix.AT_RECURSIVE, all); err != nil {
		return fmt.Errorf("make mounts read-only (needs Linux 5.12): %w", err)
	}
	for _, dir := range writable {
		if _, err := os.Lstat(dir); err != nil {
			continue // a host without /dev/shm
		}
		if err := unix.MountSetattr(unix.AT_FDCWD, dir, 0, &unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY}); err != nil {
			return fmt.Errorf("make %s writable: %w", dir, err)
		}
	}
	return nil
}

// bar takes from the thread's children every way to more rights than their user has.
// The thread itself stays root: while it had the user's id, the user's processes could
// end the agent by a signal to it. Only the child takes the id, before it executes.
func (c *confinement) bar() error {
	for bit := uintptr(0); ; bit++ {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, bit, 0, 0, 0); err != nil {
			break // past the last capability
		}
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var caps [2]unix.CapUserData
	if err := unix.Capget(&header, &caps[0]); err != nil {
		return err
	}
	caps[0].Inheritable, caps[1].Inheritable = 0, 0
	if err := unix.Capset(&header, &caps[0]); err != nil {
		return err
	}
	// Not syscall.Setgroups, which changes all threads.
	if _, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// enter goes to the command's folder and finds its program, with the user's rights to
// files: what the user may not enter must not be entered.
func (c *confinement) enter(argv0, path string) (file string, err error) {
	for _, set := range []func(int) error{unix.Setfsgid, unix.Setfsuid} { // of this thread, and for files alone
		if err := set(c.uid); err != nil {
			return "", err
		}
	}
	defer func() {
		err = errors.Join(err, unix.Setfsuid(0), unix.Setfsgid(0))
	}()
	if err := unix.Chdir(c.dir); err != nil {
		return "", cloud.FieldErrorf("dir", "%s cannot be entered by user id %d", c.dir, c.uid)
	}
	return program(argv0, path, c.dir)
}
