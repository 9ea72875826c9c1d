package product

import (
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

// PID is the process's number.
func (r *Process) PID() int { return r.cmd.Process.Pid }
