package network

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// process identifies a process: pids are given again, together with the start
// time they are not, nor after a reboot.
type process struct {
	PID   int    `json:"pid"`
	Start string `json:"start"` // in clock ticks since boot
	Boot  string `json:"boot"`
}

// stopGrace is how long dnsmasq has to end by itself.
const stopGrace = 3 * time.Second

func findProcess(pid int) (*process, error) {
	start, err := startTime(pid)
	if err != nil {
		return nil, err
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return nil, err
	}
	return &process{PID: pid, Start: start, Boot: strings.TrimSpace(string(boot))}, nil
}

// startTime returns field 22 of /proc/PID/stat; an ended process has none, also
// while nobody has waited for it.
func startTime(pid int) (string, error) {
	body, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	text := string(body) // pid (comm) state ppid …; comm may hold anything
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 20 || strings.ContainsAny(fields[0], "ZX") {
		return "", os.ErrProcessDone
	}
	return fields[19], nil
}

func (p *process) alive() bool {
	now, err := findProcess(p.PID)
	return err == nil && *now == *p
}

// namespace returns the inode of the process's network namespace, 0 if it has ended.
func (p *process) namespace() uint64 {
	var st unix.Stat_t
	if unix.Stat(fmt.Sprintf("/proc/%d/ns/net", p.PID), &st) != nil {
		return 0
	}
	return st.Ino
}

// handle opens the process so that a signal cannot hit another one of its pid.
func (p *process) handle() (fd int, err error) {
	fd, err = unix.PidfdOpen(p.PID, 0)
	if err != nil {
		return -1, err
	}
	if !p.alive() {
		unix.Close(fd)
		return -1, unix.ESRCH
	}
	return fd, nil
}

func (p *process) signal(sig unix.Signal) error {
	fd, err := p.handle()
	if err != nil {
		return fmt.Errorf("signal process %d: %w", p.PID, err)
	}
	defer unix.Close(fd)
	return unix.PidfdSendSignal(fd, sig, nil, 0)
}

// stop ends the process and returns when it has ended; one that has is no error.
func (p *process) stop() error {
	fd, err := p.handle()
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("stop process %d: %w", p.PID, err)
	}
	defer unix.Close(fd)
	for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGKILL} {
		if err := unix.PidfdSendSignal(fd, sig, nil, 0); errors.Is(err, unix.ESRCH) {
			return nil
		} else if err != nil {
			return fmt.Errorf("stop process %d: %w", p.PID, err)
		}
		if ended(fd, stopGrace) {
			return nil
		}
	}
	return fmt.Errorf("process %d does not end", p.PID)
}

// ended waits for the end of the process behind a pidfd.
func ended(pidfd int, grace time.Duration) bool {
	deadline := time.Now().Add(grace)
	for {
		left := time.Until(deadline)
		if left <= 0 {
			return false
		}
		fds := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, int(left.Milliseconds())+1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return false
		}
		if n > 0 {
			return true
		}
	}
}

// stopStrays stops every dnsmasq in the namespace: it is ours alone.
func stopStrays(gw *namespace) error {
	inode, err := gw.inode()
	if err != nil {
		return err
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return err
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		if err != nil || strings.TrimSpace(string(comm)) != "dnsmasq" {
			continue
		}
		p, err := findProcess(pid)
		if err != nil || p.namespace() != inode {
			continue
		}
		if err := p.stop(); err != nil {
			return err
		}
	}
	return nil
}
