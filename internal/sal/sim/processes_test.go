package sim

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/sal"
)

func TestCommands(t *testing.T) {
	n := newNode(t, Config{})
	for _, tt := range []struct {
		argv string
		code int
		out  string
	}{
		{"true", 0, ""},
		{"false", 1, ""},
		{"/usr/bin/false", 1, ""},
		{"echo a b", 0, "a b\n"},
		{"echo -n a", 0, "a"},
		{"/bin/echo", 0, "\n"},
		{"cat", 0, "input"},
		{"cat - -", 0, "input"},
		{"cat /etc/passwd", 1, "cat: /etc/passwd: No such file or directory\n"},
		{"exit", 0, ""},
		{"exit 7", 7, ""},
		{"exit 256", 0, ""},
		{"exit x", 2, "exit: x: numeric argument required\n"},
		{"uname", 0, "Linux\n"},
		{"uname -n", 0, "sim-1\n"},
		{"uname -sr", 0, "Linux 0.0.0-simulated\n"},
		{"uname -a", 0, "Linux sim-1 0.0.0-simulated #1 Atoll simulation x86_64 GNU/Linux\n"},
		{"uname -x", 1, "uname: unknown argument '-x'\n"},
		{"sleep 0", 0, ""},
		{"sleep", 1, "sleep: missing operand\n"},
		{"sleep -1", 1, "sleep: invalid time interval '-1'\n"},
		{"sleep NaN", 1, "sleep: invalid time interval 'NaN'\n"},
		{"sh -c true", 127, "sh: not found (simulated node)\n"},
		{"/bin/sh -c true", 127, "/bin/sh: not found (simulated node)\n"},
		{"/tmp/true", 127, "/tmp/true: not found (simulated node)\n"},
		{"./echo", 127, "./echo: not found (simulated node)\n"},
	} {
		t.Run(tt.argv, func(t *testing.T) {
			var out bytes.Buffer
			exit, err := n.SAL().Processes.Run(t.Context(), sal.Command{
				Name: "job", Argv: strings.Fields(tt.argv), Stdin: []byte("input"), Output: &out, RunAs: cloud.RunAsRoot,
			})
			must(t, err)
			if exit.Code != tt.code || out.String() != tt.out || !exit.Simulated || exit.Killed || (exit.Detail == "") == (tt.code == 127) {
				t.Errorf("exit = %+v, output %q; want code %d, output %q", exit, &out, tt.code, tt.out)
			}
		})
	}
	if n.commands != nil {
		t.Errorf("commands left: %v", n.commands)
	}
}

func TestCommandInput(t *testing.T) {
	n := newNode(t, Config{})
	good := sal.Command{Name: "job", Argv: []string{"true"}, RunAs: "uid:10001"}
	for field, change := range map[string]func(*sal.Command){
		"name":    func(c *sal.Command) { c.Name = "" },
		"command": func(c *sal.Command) { c.Argv = nil },
		"limits":  func(c *sal.Command) { c.Limits.MemoryMiB = -1 },
		"run_as":  func(c *sal.Command) { c.RunAs = "nobody" },
	} {
		cmd := good
		change(&cmd)
		_, err := n.SAL().Processes.Run(t.Context(), cmd)
		wantField(t, err, cloud.Invalid, field)
	}
	_, err := n.SAL().Processes.Run(t.Context(), good)
	must(t, err)
}

func TestSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, Config{})
		run := func(ctx context.Context, argv ...string) (sal.Exit, error) {
			return n.SAL().Processes.Run(ctx, sal.Command{Name: "nap", Argv: argv, RunAs: cloud.RunAsRoot})
		}
		began := time.Now()
		exit, err := run(t.Context(), "sleep", "1.5", "2m", "1h")
		if d := time.Since(began); err != nil || exit.Code != 0 || d != time.Hour+2*time.Minute+1500*time.Millisecond {
			t.Errorf("after %s: %+v, %v", d, exit, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		go func() {
			if _, err := run(t.Context(), "true"); !cloud.Is(err, cloud.Conflict) {
				t.Errorf("a second command of one name: %v, want a conflict", err)
			}
		}()
		exit, err = run(ctx, "sleep", "infinity")
		if err != nil || !exit.Killed || exit.Code != 143 || !exit.Simulated {
			t.Errorf("exit = %+v, %v, want killed", exit, err)
		}
		if exit, err = run(t.Context(), "true"); err != nil || exit.Code != 0 {
			t.Errorf("the name is not free again: %+v, %v", exit, err)
		}
	})
}
