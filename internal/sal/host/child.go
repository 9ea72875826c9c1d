package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"atoll/internal/cloud"
	"atoll/internal/sal"
)

// childHandled tells that main has called MaybeChild: without that, starting
// our own program again would run it as a whole.
var childHandled atomic.Bool

// MaybeChild must be the first call of main, and of TestMain where projects'
// commands run. In the step between the agent and a project's command it never
// returns; otherwise it does nothing.
func MaybeChild() {
	if len(os.Args) != 1 || os.Args[0] != childName {
		childHandled.Store(true)
		return
	}
	runtime.LockOSThread()
	err := child()
	var e *cloud.Error
	if !errors.As(err, &e) {
		e = cloud.Wrap(cloud.Unavailable, err, "this node cannot shut off a project's command")
	}
	report := childError{Kind: e.Kind, Field: e.Field, Message: e.Message}
	if e.Cause != nil {
		report.Cause = e.Cause.Error()
	}
	b, _ := json.Marshal(report)
	_, _ = unix.Write(childReportFD, b)
	os.Exit(127)
}

// child shuts this process off and becomes the command; it only returns errors.
func child() error {
	unix.CloseOnExec(childReportFD)
	f := os.NewFile(childSpecFD, "spec")
	b, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	f.Close()
	var spec childSpec
	if err := json.Unmarshal(b, &spec); err != nil {
		return err
	}
	if err := spec.view(); err != nil {
		return err
	}
	if err := spec.drop(); err != nil {
		return err
	}
	// After drop: what the user may not enter must not be entered.
	if err := os.Chdir(spec.Dir); err != nil {
		return cloud.FieldErrorf("dir", "%s cannot be entered by user id %d", spec.Dir, spec.UID)
	}
	file, err := program(spec.Argv[0], lookupEnv(spec.Env, "PATH"), spec.Dir)
	if err != nil {
		return err
	}
	err = retryBusy(func() error { return syscall.Exec(file, spec.Argv, spec.Env) })
	return startError(file, err)
}

// view makes the file systems that the command sees.
func (s *childSpec) view() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	writable := []string{"/tmp", "/var/tmp", "/dev/shm"}
	shown := []string{s.Home}
	if s.Dir != "" && !slices.Contains(s.Show, s.Dir) {
		shown = append(shown, s.Dir)
	}
	var trees []int // taken before they are hidden
	visible := slices.Concat(shown, s.Show)
	for _, dir := range visible {
		fd, err := unix.OpenTree(unix.AT_FDCWD, dir, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
		if err != nil {
			return fmt.Errorf("take %s: %w", dir, err)
		}
		trees = append(trees, fd)
	}
	for _, dir := range s.Hide {
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
		unix.Close(trees[i])
	}
	if err := protect(append(writable, shown...)); err != nil {
		return err
	}
	if err := s.writeFiles(); err != nil {
		return err
	}
	if s.Dir != "" {
		return nil
	}
	s.Dir = "/tmp/work"
	return s.folder(s.Dir)
}

// folder makes a folder of the user's own.
func (s *childSpec) folder(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	return os.Chown(dir, s.UID, s.UID)
}

// writeFiles writes what only this command may read.
func (s *childSpec) writeFiles() error {
	if len(s.Files) == 0 {
		return nil
	}
	if err := s.folder(sal.FilesDir); err != nil {
		return err
	}
	for name, content := range s.Files {
		path := filepath.Join(sal.FilesDir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return err
		}
		if err := os.Chown(path, s.UID, s.UID); err != nil {
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

// drop gives up root for good.
func (s *childSpec) drop() error {
	unix.Umask(0o022)
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return err
	}
	for c := uintptr(0); ; c++ {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil {
			break // past the last capability
		}
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	if err := syscall.Setgroups(nil); err != nil {
		return err
	}
	if err := syscall.Setresgid(s.UID, s.UID, s.UID); err != nil {
		return err
	}
	if err := syscall.Setresuid(s.UID, s.UID, s.UID); err != nil {
		return err
	}
	none := [2]unix.CapUserData{}
	if err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &none[0]); err != nil {
		return err
	}
	return unix.CloseRange(childReportFD, ^uint(0), unix.CLOSE_RANGE_CLOEXEC)
}
