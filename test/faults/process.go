package faults

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"
)

// process is one process of the product, which is killed and started again. One
// that ends although nobody asked for it is started again, as systemd does.
type process struct {
	name  string
	story *story
	bin   string
	args  []string
	log   string // file
	// excused says that an end by itself is nothing wrong at the moment.
	excused func() bool

	waits  sync.WaitGroup
	mu     sync.Mutex
	over   bool          // it is not started any more
	cmd    *exec.Cmd     // nil while it is down
	ended  chan struct{} // of cmd
	clock  time.Duration // by which its clock is wrong
	deaths []span
	frozen bool
}

// span is a time, such as that in which a process was ending.
type span struct{ from, to time.Time }

// start starts the process, unless it runs.
func (p *process) start() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != nil || p.over {
		return
	}
	if err := p.launch(); err != nil {
		p.story.bad("start %s: %v", p.name, err)
	}
}

// launch is called with mu held.
func (p *process) launch() error {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() //nolint:errcheck // the process has its own
	cmd := exec.Command(p.bin, p.args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), "ATOLL_FAULT_CLOCK="+p.clock.String())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	p.cmd, p.ended = cmd, ended
	began := time.Now()
	p.waits.Go(func() { p.wait(cmd, began, ended) })
	return nil
}

// restartPause is how long a process that ended by itself stays down.
const restartPause = 100 * time.Millisecond

func (p *process) wait(cmd *exec.Cmd, began time.Time, ended chan struct{}) {
	err := cmd.Wait()
	p.mu.Lock()
	mine := p.cmd == cmd
	if mine {
		p.cmd = nil
		p.deaths = append(p.deaths, span{began, time.Now()}) // nobody knows when it began to end
	} else {
		p.deaths[len(p.deaths)-1].to = time.Now()
	}
	close(ended)
	p.mu.Unlock()
	if !mine {
		return // it was asked to end
	}
	if p.excused() {
		p.story.note("%s ended by itself: %v", p.name, err)
	} else {
		p.story.bad("%s ended by itself: %v", p.name, err)
	}
	time.Sleep(restartPause)
	p.start()
}

// kill ends the process with SIGKILL.
func (p *process) kill() {
	if cmd, ended := p.take(); cmd != nil {
		p.story.note("kill -9 %s", p.name)
		cmd.Process.Kill() //nolint:errcheck // it may be ending by itself
		<-ended
	}
}

// take makes the process one that is asked to end.
func (p *process) take() (*exec.Cmd, chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	cmd := p.cmd
	p.cmd, p.frozen = nil, false
	if cmd != nil {
		p.deaths = append(p.deaths, span{from: time.Now()})
	}
	return cmd, p.ended
}

// stopPatience is how long a process may take to end when asked.
const stopPatience = 15 * time.Second

// stop asks the process to end, which it must do well.
func (p *process) stop() {
	cmd, ended := p.take()
	if cmd == nil {
		return
	}
	cmd.Process.Signal(syscall.SIGTERM) //nolint:errcheck // it may be ending by itself
	select {
	case <-ended:
	case <-time.After(stopPatience):
		p.story.bad("%s does not end within %s of SIGTERM", p.name, stopPatience)
		cmd.Process.Signal(syscall.SIGQUIT) //nolint:errcheck // its log tells where it hangs
		<-ended
	}
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		p.story.bad("%s ended with %s", p.name, cmd.ProcessState)
	}
}

// close ends the process for good, however it stands.
func (p *process) close() {
	p.mu.Lock()
	p.over = true
	if p.cmd != nil {
		p.deaths = append(p.deaths, span{from: time.Now()})
		p.cmd.Process.Kill() //nolint:errcheck // it may be ending by itself
		p.cmd = nil
	}
	p.mu.Unlock()
	p.waits.Wait()
}

// freeze stops the process as it stands; thaw has it go on.
func (p *process) freeze() { p.signal(syscall.SIGSTOP, true, "freeze") }
func (p *process) thaw()   { p.signal(syscall.SIGCONT, false, "thaw") }

func (p *process) signal(sig syscall.Signal, frozen bool, what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil || p.frozen == frozen {
		return
	}
	p.story.note("%s %s", what, p.name)
	p.cmd.Process.Signal(sig) //nolint:errcheck // it may be ending by itself
	p.frozen = frozen
}

// diedIn reports whether the process was ended in the time.
func (p *process) diedIn(t span) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.deaths, func(d span) bool { return !d.from.After(t.to) && !d.to.Before(t.from) })
}

// crashed returns a line of the log that a program with a defect writes.
func (p *process) crashed() string {
	text, _ := os.ReadFile(p.log) // a process that never started has none
	for line := range bytes.Lines(text) {
		for _, sign := range []string{"panic: ", "fatal error: ", "DATA RACE", "level=ERROR msg=\"unsound", "http: panic serving"} {
			if bytes.Contains(line, []byte(sign)) {
				return string(bytes.TrimSpace(line))
			}
		}
	}
	return ""
}

// setClock sets by how much the clock of the next start is wrong.
func (p *process) setClock(by time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clock = by
	if by != 0 {
		p.story.note("the clock of %s will be wrong by %s", p.name, by)
	}
}
