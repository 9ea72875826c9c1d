package network

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"atoll/internal/cloud"
)

// netnsDir is where `ip netns` keeps namespaces.
const netnsDir = "/run/netns"

// namespace is an open gateway namespace.
type namespace struct {
	fd   netns.NsHandle
	link *netlink.Handle // netlink inside of it
}

func (n *namespace) Close() {
	n.link.Close()
	n.fd.Close()
}

// inode identifies the namespace among all of the running kernel.
func (n *namespace) inode() (uint64, error) {
	var st unix.Stat_t
	err := unix.Fstat(int(n.fd), &st)
	return st.Ino, err
}

// do runs f on a thread inside the namespace. f must not start goroutines that
// depend on being there; processes that it starts are there.
func (n *namespace) do(f func() error) error {
	return onOwnThread(func() error {
		if err := netns.Set(n.fd); err != nil {
			return fmt.Errorf("enter namespace: %w", err)
		}
		return f()
	})
}

// onOwnThread runs f on a thread whose network namespace f may change. A thread
// that cannot be brought back is ended with its goroutine.
func onOwnThread(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		home, err := netns.Get()
		if err != nil {
			runtime.UnlockOSThread()
			done <- err
			return
		}
		defer home.Close()
		err = f()
		if netns.Set(home) == nil {
			runtime.UnlockOSThread()
		}
		done <- err
	}()
	return <-done
}

// ensureNamespace opens the gateway's namespace and makes it if it is missing.
// Being a mount, it outlives the agent.
func (d *Driver) ensureNamespace(n names) (*namespace, error) {
	path := filepath.Join(netnsDir, n.bridge)
	if !isNamespace(path) {
		// Empty files are left by an unmount, or by a crash before the mount.
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("namespace %s: %w", n.bridge, err)
		}
		err := onOwnThread(func() error {
			fd, err := netns.NewNamed(n.bridge)
			if err == nil {
				fd.Close()
			}
			return err
		})
		if err != nil {
			return nil, explain(fmt.Errorf("make namespace %s: %w", n.bridge, err))
		}
	}
	fd, err := netns.GetFromPath(path)
	if err != nil {
		return nil, fmt.Errorf("open namespace %s: %w", n.bridge, err)
	}
	link, err := netlink.NewHandleAt(fd, unix.NETLINK_ROUTE, unix.NETLINK_NETFILTER)
	if err != nil {
		fd.Close()
		return nil, fmt.Errorf("netlink in namespace %s: %w", n.bridge, err)
	}
	return &namespace{fd: fd, link: link}, nil
}

// removeNamespace unmounts the namespace; the kernel ends it when no process is in it.
func removeNamespace(n names) error {
	path := filepath.Join(netnsDir, n.bridge)
	for isNamespace(path) { // once per mount that lies on it
		if err := unix.Unmount(path, unix.MNT_DETACH); err != nil {
			return fmt.Errorf("unmount namespace %s: %w", n.bridge, err)
		}
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("namespace %s: %w", n.bridge, err)
	}
	return nil
}

func isNamespace(path string) bool {
	var st unix.Statfs_t
	return unix.Statfs(path, &st) == nil && st.Type == unix.NSFS_MAGIC
}

// ready refuses work that could only fail half way.
func ready() error {
	var data [2]unix.CapUserData
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return fmt.Errorf("read own capabilities: %w", err)
	}
	for _, capability := range []uint32{unix.CAP_NET_ADMIN, unix.CAP_SYS_ADMIN} {
		if data[0].Effective&(1<<capability) == 0 {
			return cloud.Errorf(cloud.Denied, "networks need CAP_NET_ADMIN and CAP_SYS_ADMIN: run the agent as root, or without the network and compute roles (--no-machines)")
		}
	}
	for name := range packages {
		if _, err := program(name); err != nil {
			return err
		}
	}
	return nil
}

// explain gives an error of the kernel its kind.
func explain(err error) error {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return cloud.Wrap(cloud.Denied, err, "the host's kernel refuses to make networks: a container must be privileged")
	}
	return err
}
