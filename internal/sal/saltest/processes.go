package saltest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"atoll/internal/cloud"
	"atoll/internal/sal"
)

// ProcessesEnv is what the suite of sal.Processes needs.
type ProcessesEnv struct {
	Processes sal.Processes
	// Real says that commands are executed. A simulated driver knows echo, cat,
	// true, false, sleep, exit and uname, and exits 127 for everything else.
	Real bool
	// User and Other are the user ids of two projects (Real only).
	User, Other string
	// Secret is a file that only the agent may read (Real only).
	Secret string
	// Left lists what the driver has on the host: cgroups, processes, folders.
	// It is called when nothing runs (Real only).
	Left func() []string
}

// Processes is the conformance suite of sal.Processes. newEnv makes a fresh
// driver for each part of it.
func Processes(t *testing.T, newEnv func(t *testing.T) ProcessesEnv) {
	parts := []struct {
		name string
		real bool
		f    func(p *processes)
	}{
		{"exit codes", false, (*processes).exitCodes},
		{"standard input", false, (*processes).standardInput},
		{"standard output apart", false, (*processes).stdoutApart},
		{"canceled", false, (*processes).canceled},
		{"bad commands", false, (*processes).badCommands},
		{"no remnants", false, (*processes).noRemnants},
		{"signals", true, (*processes).signals},
		{"no such program", true, (*processes).noProgram},
		{"output order", true, (*processes).outputOrder},
		{"order of two outputs", true, (*processes).outputsOrder},
		{"back-pressure", true, (*processes).backPressure},
		{"environment", true, (*processes).environment},
		{"private folder", true, (*processes).privateFolder},
		{"asked to end", true, (*processes).askedToEnd},
		{"does not obey", true, (*processes).doesNotObey},
		{"escape", true, (*processes).escape},
		{"left behind", true, (*processes).leftBehind},
		{"fork bomb", true, (*processes).forkBomb},
		{"memory hog", true, (*processes).memoryHog},
		{"project is shut off", true, (*processes).projectIsShutOff},
		{"project's home", true, (*processes).projectHome},
		{"project's children", true, (*processes).projectChildren},
		{"project's own files", true, (*processes).projectFiles},
		{"project and others", true, (*processes).projectAndOthers},
		{"project leaves its cgroup", true, (*processes).projectLeavesCgroup},
		{"project uncovers", true, (*processes).projectUncovers},
		{"project shares", true, (*processes).projectShares},
	}
	for _, part := range parts {
		t.Run(part.name, func(t *testing.T) {
			env := newEnv(t)
			if part.real && !env.Real {
				return
			}
			p := &processes{T: t, env: env}
			var before []string
			if env.Left != nil {
				before = env.Left()
			}
			part.f(p)
			if env.Left != nil {
				if after := env.Left(); !slices.Equal(before, after) {
					t.Errorf("left behind: %q, before: %q", after, before)
				}
			}
		})
	}
}

type processes struct {
	*testing.T
	env ProcessesEnv
	n   int
}

// buffer is a writer that tests may read while the command writes.
type buffer struct {
	mu    sync.Mutex
	b     bytes.Buffer
	wrote chan struct{} // closed by the first write
	once  sync.Once
}

func newBuffer() *buffer { return &buffer{wrote: make(chan struct{})} }

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.once.Do(func() { close(b.wrote) })
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// run runs a command as root to its end.
func (p *processes) run(cmd sal.Command) (sal.Exit, string) {
	p.Helper()
	out := newBuffer()
	if cmd.Output == nil {
		cmd.Output = out
	}
	exit, err := p.env.Processes.Run(p.Context(), p.named(cmd))
	if err != nil {
		p.Fatalf("Run(%q) = %v", cmd.Argv, err)
	}
	if exit.Simulated == p.env.Real {
		p.Errorf("Run(%q) says Simulated = %v", cmd.Argv, exit.Simulated)
	}
	return exit, out.String()
}

// sh runs a shell script as the user.
func (p *processes) sh(user, script string) (sal.Exit, string) {
	p.Helper()
	return p.run(sal.Command{Argv: []string{"sh", "-c", script}, RunAs: user})
}

// named completes a command.
func (p *processes) named(cmd sal.Command) sal.Command {
	p.n++
	cmd.Name = fmt.Sprintf("job-%d", p.n)
	if cmd.RunAs == "" {
		cmd.RunAs = cloud.RunAsRoot
	}
	return cmd
}

// cancelAtOutput runs a command and cancels it when it has written something.
func (p *processes) cancelAtOutput(cmd sal.Command) (sal.Exit, string) {
	p.Helper()
	ctx, cancel := context.WithCancel(p.Context())
	defer cancel()
	out := newBuffer()
	cmd.Output = out
	go func() {
		select {
		case <-out.wrote:
			cancel()
		case <-ctx.Done():
		}
	}()
	exit, err := p.env.Processes.Run(ctx, p.named(cmd))
	if err != nil {
		p.Fatalf("Run(%q) = %v", cmd.Argv, err)
	}
	return exit, out.String()
}

func (p *processes) exitCodes() {
	three := []string{"exit", "3"}
	if p.env.Real {
		three = []string{"sh", "-c", "exit 3"}
	}
	for _, tt := range []struct {
		argv []string
		code int
		out  string
	}{
		{[]string{"true"}, 0, ""},
		{[]string{"false"}, 1, ""},
		{three, 3, ""},
		{[]string{"echo", "a", "b"}, 0, "a b\n"},
	} {
		if exit, out := p.run(sal.Command{Argv: tt.argv}); exit.Code != tt.code || out != tt.out || exit.Killed || exit.OOM {
			p.Errorf("Run(%q) = %+v, output %q; want code %d, output %q", tt.argv, exit, out, tt.code, tt.out)
		}
	}
	if _, out := p.run(sal.Command{Argv: []string{"uname"}}); out == "" {
		p.Error("uname says nothing")
	}
}

func (p *processes) standardInput() {
	long := strings.Repeat("0123456789abcde\n", 20_000) // more than a pipe holds
	for _, in := range []string{"", "{\"a\": 1}", long} {
		if _, out := p.run(sal.Command{Argv: []string{"cat"}, Stdin: []byte(in)}); out != in {
			p.Errorf("cat of %d bytes wrote %d", len(in), len(out))
		}
	}
}

func (p *processes) stdoutApart() {
	stdout := newBuffer()
	cmd := sal.Command{Argv: []string{"echo", "answer"}, Stdout: stdout}
	if p.env.Real {
		cmd.Argv = []string{"sh", "-c", "echo log >&2; echo answer"}
	}
	exit, out := p.run(cmd)
	want := ""
	if p.env.Real {
		want = "log\n"
	}
	if exit.Code != 0 || stdout.String() != "answer\n" || out != want {
		p.Errorf("%+v: stdout %q, output %q", exit, stdout.String(), out)
	}
}

func (p *processes) canceled() {
	ctx, cancel := context.WithCancel(p.Context())
	ended := make(chan sal.Exit, 1)
	go func() {
		exit, err := p.env.Processes.Run(ctx, p.named(sal.Command{Argv: []string{"sleep", "600"}}))
		if err != nil && !cloud.Is(err, cloud.Timeout) { // canceled before it started
			p.Errorf("Run = %v", err)
		}
		exit.Killed = exit.Killed || err != nil
		ended <- exit
	}()
	cancel()
	if exit := <-ended; !exit.Killed {
		p.Errorf("Run = %+v, want Killed", exit)
	}
}

func (p *processes) badCommands() {
	for _, cmd := range []sal.Command{
		{Argv: nil},
		{Argv: []string{"true"}, RunAs: "nobody-knows"},
		{Argv: []string{"true"}, RunAs: "-1"},
		{Argv: []string{"true"}, RunAs: "uid:"},
	} {
		if _, err := p.env.Processes.Run(p.Context(), p.named(cmd)); !cloud.Is(err, cloud.Invalid) {
			p.Errorf("Run(%q as %q) = %v, want kind invalid", cmd.Argv, cmd.RunAs, err)
		}
	}
}

func (p *processes) noRemnants() {
	p.run(sal.Command{Argv: []string{"true"}})
	if names, err := p.env.Processes.Remnants(p.Context()); err != nil || len(names) != 0 {
		p.Errorf("Remnants() = %q, %v; want none", names, err)
	}
}

// gone fails if one of the processes whose numbers a command wrote still runs.
func (p *processes) gone(out string) {
	p.Helper()
	if strings.TrimSpace(out) == "" {
		p.Fatal("the command told no process number")
	}
	for field := range strings.FieldsSeq(out) {
		if _, err := strconv.Atoi(field); err != nil {
			p.Fatalf("%q is no process number", field)
		}
		// One that ended may wait for init to take its status.
		if b, err := os.ReadFile("/proc/" + field + "/status"); err == nil && !strings.Contains(string(b), "State:\tZ") {
			p.Errorf("process %s still runs", field)
		}
	}
}
