package sim

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"path"
	"strconv"
	"strings"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/sal"
)

// processes implements sal.Processes. It knows the commands of Commands, also
// as /bin/… and /usr/bin/…, and a project's control scripts; it executes nothing. All else exits with 127:
// shells, interpreters and files of scripts too.
type processes struct{ n *Node }

// Commands are what a simulated node knows. Of cat only the form that copies its
// input: a simulated node has no files.
var Commands = []string{"cat", "echo", "exit", "false", "sleep", "true", "uname"}

// exitTerminated is the code of a command that SIGTERM ended.
const exitTerminated = 128 + 15

// Run implements sal.Processes. Limits, environment, folder and user change
// nothing.
func (p processes) Run(ctx context.Context, cmd sal.Command) (sal.Exit, error) {
	switch {
	case cmd.Name == "":
		return sal.Exit{}, cloud.FieldErrorf("name", "of the command is required")
	case len(cmd.Argv) == 0 || cmd.Argv[0] == "":
		return sal.Exit{}, cloud.FieldErrorf("command", "is empty; give a program")
	case cmd.Limits.MemoryMiB < 0 || cmd.Limits.Processes < 0:
		return sal.Exit{}, cloud.FieldErrorf("limits", "must not be negative")
	case !validUser(cmd.RunAs):
		return sal.Exit{}, cloud.FieldErrorf("run_as", "%q is neither root nor the user id of a project", cmd.RunAs)
	}
	if cmd.Stdout == nil {
		cmd.Stdout = cmp.Or(cmd.Output, io.Discard)
	}
	n := p.n
	c, err := n.begin(ctx, ProcessRun, 0)
	if err != nil {
		return sal.Exit{}, err
	}
	if err := n.enter(cmd.Name); err != nil {
		return sal.Exit{}, err
	}
	exit := p.run(ctx, c, cmd)
	exit.Simulated = true
	err = c.commit(ctx, func() error {
		drop(&n.commands, cmd.Name)
		return nil
	})
	if exit.Killed && ctx.Err() != nil {
		err = nil // however it went on, its caller has ended it
	}
	return exit, err
}

// validUser accepts root and the numbers that projects have: no user of a host's own.
func validUser(runAs string) bool {
	id, err := strconv.ParseUint(strings.TrimPrefix(runAs, "uid:"), 10, 32)
	return runAs == cloud.RunAsRoot || err == nil && id >= 1000
}

func (n *Node) enter(name string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, ok := n.commands[name]; ok {
		return cloud.Errorf(cloud.Conflict, "a command named %s runs already on node %s", name, n.name)
	}
	put(&n.commands, name, struct{}{})
	return nil
}

// run plays the command.
func (p processes) run(ctx context.Context, c *call, cmd sal.Command) sal.Exit {
	delay := c.delay
	name := cmd.Argv[0]
	if dir := path.Dir(name); dir == "/bin" || dir == "/usr/bin" {
		name = path.Base(name)
	}
	args := cmd.Argv[1:]
	var text string
	var code int
	if s, ok := controlScript(name); ok {
		return p.control(ctx, c, cmd, s)
	}
	switch name {
	case "true":
	case "false":
		code = 1
	case "echo":
		text = echo(args)
	case "cat":
		text, code = cat(args, cmd.Stdin)
	case "uname":
		text, code = uname(p.n.name, args)
	case "exit":
		text, code = exitCode(args)
	case "sleep":
		var d time.Duration
		if d, text = sleepTime(args); text != "" {
			code = 1
		}
		delay = addTime(delay, d)
	default:
		text, code = cmd.Argv[0]+": not found (simulated node)\n", 127
	}
	if err := c.wait(ctx, delay); err != nil {
		return sal.Exit{Code: exitTerminated, Killed: true}
	}
	io.WriteString(cmd.Stdout, text) //nolint:errcheck // as with a real process, whose exit code does not know of its reader
	exit := sal.Exit{Code: code}
	if code == 127 {
		exit.Detail = "simulated nodes know only " + strings.Join(Commands, ", ")
	}
	return exit
}

func echo(args []string) string {
	if len(args) > 0 && args[0] == "-n" {
		return strings.Join(args[1:], " ")
	}
	return strings.Join(args, " ") + "\n"
}

func cat(args []string, stdin []byte) (string, int) {
	var b strings.Builder
	code := 0
	if len(args) == 0 {
		args = []string{"-"}
	}
	for _, a := range args {
		if a != "-" {
			fmt.Fprintf(&b, "cat: %s: No such file or directory\n", a)
			code = 1
			continue
		}
		b.Write(stdin)
		stdin = nil
	}
	return b.String(), code
}

func exitCode(args []string) (string, int) {
	if len(args) == 0 {
		return "", 0
	}
	code, err := strconv.Atoi(args[0])
	if err != nil {
		return "exit: " + args[0] + ": numeric argument required\n", 2
	}
	return "", code & 0xff
}

// sleepTime reads the arguments of sleep as GNU has them: numbers, with s, m, h
// or d, which add up. It returns the time or what is wrong.
func sleepTime(args []string) (time.Duration, string) {
	if len(args) == 0 {
		return 0, "sleep: missing operand\n"
	}
	var sum time.Duration
	for _, a := range args {
		digits, unit := a, time.Second
		if i := strings.IndexAny(a, "smhd"); i > 0 && i == len(a)-1 {
			digits = a[:i]
			unit = map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour}[a[i]]
		}
		n, err := strconv.ParseFloat(digits, 64)
		if err != nil && !math.IsInf(n, 1) || n < 0 || math.IsNaN(n) {
			return 0, "sleep: invalid time interval '" + a + "'\n"
		}
		d := time.Duration(math.MaxInt64)
		if f := n * float64(unit); f < math.MaxInt64 {
			d = time.Duration(f)
		}
		sum = addTime(sum, d)
	}
	return sum, ""
}

// addTime adds times that may be as good as infinite.
func addTime(a, b time.Duration) time.Duration {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// uname prints what uname does on the node or machine with the name.
func uname(host string, args []string) (string, int) {
	fields := []struct {
		flag byte
		text string
	}{
		{'s', "Linux"},
		{'n', host},
		{'r', kernel},
		{'v', "#1 Atoll simulation"},
		{'m', "x86_64"},
		{'o', "GNU/Linux"},
	}
	want := ""
	for _, a := range args {
		if len(a) < 2 || a[0] != '-' || strings.Trim(a[1:], "asnrvmo") != "" {
			return "uname: unknown argument '" + a + "'\n", 1
		}
		want += a[1:]
	}
	if want == "" {
		want = "s"
	}
	var parts []string
	for _, f := range fields {
		if strings.IndexByte(want, f.flag) >= 0 || strings.Contains(want, "a") {
			parts = append(parts, f.text)
		}
	}
	return strings.Join(parts, " ") + "\n", 0
}

// Remnants implements sal.Processes: after a crash of the agent alone, the
// commands that ran then.
func (p processes) Remnants(ctx context.Context) ([]string, error) {
	var names []string
	err := p.n.do(ctx, ProcessRemnant, func() error {
		names, p.n.remnants = p.n.remnants, nil
		return nil
	})
	return names, err
}
