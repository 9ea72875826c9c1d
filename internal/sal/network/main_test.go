package network

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

const (
	hostEnv   = "ATOLL_TEST_NETWORK_HOST"   // marks the process that runs the tests
	nobodyEnv = "ATOLL_TEST_NETWORK_NOBODY" // marks one without privileges
)

// TestMain runs the tests in a host of their own: new network, mount and
// process namespaces. Nothing there can collide with what the machine runs, and
// all of it ends with the process.
func TestMain(m *testing.M) {
	if os.Getenv(hostEnv) == "" {
		os.Exit(inOwnHost())
	}
	if os.Getenv(nobodyEnv) != "" {
		os.Exit(m.Run())
	}
	if err := setUpHost(); err != nil {
		fmt.Fprintln(os.Stderr, "set up the test's host:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func inOwnHost() int {
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "the tests of real networks need root: run them with sudo (make test does)")
		return 1
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), hostEnv+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID,
		Pdeathsig:  unix.SIGKILL,
	}
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "start the test's host:", err)
		return 1
	}
	return 0
}

func setUpHost() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return err
	}
	if err := unix.Mount("sysfs", "/sys", "sysfs", 0, ""); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", "/run", "tmpfs", 0, "mode=755"); err != nil {
		return err
	}
	return setUpOutside()
}
