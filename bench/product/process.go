package product

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"syscall"
	"time"

	"atoll/bench/report"
)

// Process is one of the product's processes.
type Process struct {
	cmd   *exec.Cmd
	log   string
	ended chan struct{}
}

func startProcess(binary, log string, args ...string) (*Process, error) {
	f, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := &Process{cmd: exec.Command(binary, args...), log: log, ended: make(chan struct{})}
	r.cmd.Stdout, r.cmd.Stderr = f, f
	// It is this program that ends it, also after Ctrl-C in the terminal.
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		r.cmd.Wait() //nolint:errcheck // who waits for it to be ready sees its log
		close(r.ended)
	}()
	return r, nil
}

// stopWithin is how long a process may take to end when it is asked to.
const stopWithin = 20 * time.Second

// Stop ends the process.
func (r *Process) Stop() {
	r.cmd.Process.Signal(syscall.SIGTERM) //nolint:errcheck // it may have ended
	select {
	case <-r.ended:
	case <-time.After(stopWithin):
		r.cmd.Process.Kill() //nolint:errcheck // it may have ended
		<-r.ended
	}
}

// until waits until try succeeds, and fails at once if the process ends.
func (r *Process) until(ctx context.Context, what string, try func() error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-r.ended:
			cancel(errors.New("the process has ended"))
		case <-ctx.Done():
		}
	}()
	err := report.Until(ctx, what, time.Minute, try)
	if err != nil {
		text, _ := os.ReadFile(r.log) // what there is helps
		err = fmt.Errorf("%w\n%s", err, text[max(0, len(text)-2000):])
	}
	return err
}

var rss = regexp.MustCompile(`VmRSS:\s*(\d+) kB`)

// Resident returns the process's resident memory in bytes.
func (r *Process) Resident() (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	m := rss.FindSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("process %d has no resident memory", r.cmd.Process.Pid)
	}
	kib, err := strconv.ParseInt(string(m[1]), 10, 64)
	return kib << 10, err
}

// ticks is in how many parts of a second the kernel tells processor times
// (USER_HZ).
const ticks = 100

// CPU returns the processor time of the process, and of those of its children that
// have ended.
func (r *Process) CPU() (own, children time.Duration, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", r.cmd.Process.Pid))
	if err != nil {
		return 0, 0, err
	}
	var times [4]int64
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:]) // from the third one on: proc(5)
	for i := range times {
		if times[i], err = strconv.ParseInt(string(fields[11+i]), 10, 64); err != nil {
			return 0, 0, err
		}
	}
	return time.Duration(times[0]+times[1]) * time.Second / ticks, time.Duration(times[2]+times[3]) * time.Second / ticks, nil
}

// PID is the process's number.
func (r *Process) PID() int { return r.cmd.Process.Pid }
