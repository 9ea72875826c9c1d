package saltest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"atoll/internal/cloud"
	"atoll/internal/sal"
)

func (p *processes) signals() {
	if exit, _ := p.sh("", "kill -KILL $$"); exit.Code != 137 || exit.Killed {
		p.Errorf("a killed command: %+v, want code 137", exit)
	}
}

func (p *processes) noProgram() {
	script := p.TempDir() + "/script"
	if err := os.WriteFile(script, []byte("#!/no/such/interpreter\n"), 0o755); err != nil {
		p.Fatal(err)
	}
	plain := p.TempDir() + "/plain"
	if err := os.WriteFile(plain, []byte("no program\n"), 0o644); err != nil {
		p.Fatal(err)
	}
	for _, user := range []string{"", p.env.User} {
		for _, program := range []string{"no-such-program", "/no/such/program", script, plain, "/etc"} {
			_, err := p.env.Processes.Run(p.Context(), p.named(sal.Command{Argv: []string{program}, RunAs: user}))
			if !cloud.Is(err, cloud.Invalid) {
				p.Errorf("Run(%s as %q) = %v, want kind invalid", program, user, err)
			}
		}
	}
}

func (p *processes) outputOrder() {
	var want strings.Builder
	for range 200 {
		want.WriteString("out\nerr\n")
	}
	_, out := p.sh("", "i=0; while [ $i -lt 200 ]; do echo out; echo err >&2; i=$((i+1)); done")
	if out != want.String() {
		p.Errorf("stdout and stderr are out of order: %.200q", out)
	}
}

// told is a writer that keeps what comes in a list that it shares, and makes a file for it.
type told struct {
	name, dir string
	list      *[]string
}

func (w told) Write(b []byte) (int, error) {
	*w.list = append(*w.list, w.name+" "+string(b))
	return len(b), os.WriteFile(fmt.Sprintf("%s/%d", w.dir, len(*w.list)), nil, 0o600)
}

// outputsOrder: what is written to two outputs comes at once, and one after the other.
func (p *processes) outputsOrder() {
	var list []string
	dir := p.TempDir()
	exit, err := p.env.Processes.Run(p.Context(), p.named(sal.Command{
		Argv: []string{"sh", "-c", `await() { until [ -e "$DIR/$1" ]; do sleep 0.01; done; }
			echo one; await 1; echo two >&2; await 2; echo three; await 3; printf four >&2; await 4; echo five`},
		Env:    []string{"DIR=" + dir, "PATH=" + sal.SearchPath},
		Stdout: told{"out", dir, &list}, Output: told{"err", dir, &list},
	}))
	if want := []string{"out one\n", "err two\n", "out three\n", "err four", "out five\n"}; err != nil || exit.Code != 0 || !slices.Equal(list, want) {
		p.Errorf("%+v, %v: %q, want %q", exit, err, list, want)
	}
}

// gate is a writer that blocks until it is opened.
type gate struct {
	wrote, open chan struct{}
	n           int
}

func (g *gate) Write(b []byte) (int, error) {
	if g.n == 0 {
		close(g.wrote)
	}
	g.n += len(b)
	<-g.open
	return len(b), nil
}

func (p *processes) backPressure() {
	const size = 4 << 20
	g := &gate{wrote: make(chan struct{}), open: make(chan struct{})}
	marker := p.TempDir() + "/marker"
	ended := make(chan error, 1)
	go func() {
		_, err := p.env.Processes.Run(p.Context(), p.named(sal.Command{
			Argv: []string{"sh", "-c", `head -c 4194304 /dev/zero; : > "$1"`, "sh", marker}, Output: g,
		}))
		ended <- err
	}()
	<-g.wrote
	if _, err := os.Stat(marker); err == nil {
		p.Error("the command went on although nobody took its output")
	}
	close(g.open)
	if err := <-ended; err != nil {
		p.Fatal(err)
	}
	if g.n != size {
		p.Errorf("got %d bytes, want %d", g.n, size)
	}
}

func (p *processes) environment() {
	for _, user := range []string{"", p.env.User} {
		_, out := p.run(sal.Command{Argv: []string{"env"}, Env: []string{"ATOLL_ARG_X=1", "LANG=C"}, RunAs: user})
		vars := map[string]string{}
		for line := range strings.Lines(out) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			vars[key] = value
		}
		if vars["ATOLL_ARG_X"] != "1" || vars["LANG"] != "C" || vars["PATH"] == "" || vars["HOME"] == "" {
			p.Errorf("as %q the environment misses something: %q", user, out)
		}
		if len(vars) != 7 {
			p.Errorf("as %q the environment is not clean: %q", user, out)
		}
		// ls has its own descriptor of the folder as 3.
		if _, out = p.sh(user, "ls -1 /proc/self/fd; umask"); out != "0\n1\n2\n3\n0022\n" {
			p.Errorf("as %q descriptors and umask are %q", user, out)
		}
	}
}

func (p *processes) privateFolder() {
	exit, out := p.sh("", "pwd; ls -A; touch x; mkdir -p a/b; touch a/b/c")
	dir := strings.TrimSpace(out)
	if exit.Code != 0 || !strings.HasPrefix(dir, "/") || strings.Contains(dir, "\n") {
		p.Fatalf("the private folder is not empty: %q", out)
	}
	if _, err := os.Lstat(dir); !os.IsNotExist(err) {
		p.Errorf("the private folder %s is still there: %v", dir, err)
	}
	given := p.TempDir()
	if _, out := p.run(sal.Command{Argv: []string{"sh", "-c", "pwd; touch x"}, Dir: given}); out != given+"\n" {
		p.Errorf("runs in %q, want %s", out, given)
	}
	if _, err := os.Stat(given + "/x"); err != nil {
		p.Errorf("the given folder was touched: %v", err)
	}
}

func (p *processes) askedToEnd() {
	for _, user := range []string{"", p.env.User} {
		exit, out := p.cancelAtOutput(sal.Command{RunAs: user, Argv: []string{
			"sh", "-c", "trap 'echo bye; exit 7' TERM; echo ready; sleep 600 & wait",
		}})
		if exit.Code != 7 || !exit.Killed || out != "ready\nbye\n" {
			p.Errorf("as %q: %+v, output %q; want code 7, Killed, a last word", user, exit, out)
		}
	}
}

func (p *processes) doesNotObey() {
	exit, _ := p.cancelAtOutput(sal.Command{Argv: []string{"sh", "-c", "trap '' TERM; echo ready; while :; do sleep 600; done"}})
	if exit.Code != 137 || !exit.Killed {
		p.Errorf("%+v, want code 137 and Killed", exit)
	}
}

// runaway leaves its session and its parents, and tells its process number.
const runaway = `setsid sh -c '(trap "" TERM HUP; sh -c "echo \$PPID"; exec sleep 600) &' `

func (p *processes) escape() {
	exit, out := p.cancelAtOutput(sal.Command{Argv: []string{"sh", "-c", runaway + "; sleep 600"}})
	if !exit.Killed {
		p.Errorf("%+v, want Killed", exit)
	}
	p.gone(out)
}

func (p *processes) leftBehind() {
	exit, out := p.sh("", runaway+"& wait; exit 4")
	if exit.Code != 4 || exit.Killed || exit.Detail == "" {
		p.Errorf("%+v, want code 4 and a detail", exit)
	}
	p.gone(out)
	// What ends soon is not cut off.
	if exit, out := p.sh("", "(head -c 300000 /dev/zero; sleep 0.2; echo end) &"); exit.Detail != "" || len(out) != 300004 {
		p.Errorf("%+v with %d bytes of output, want no detail and 300004", exit, len(out))
	}
}

func (p *processes) forkBomb() {
	exit, out := p.run(sal.Command{
		Argv:   []string{"sh", "-c", "f() { f | f & }; f; while :; do sleep 0.01 & done"},
		Limits: sal.Limits{Processes: 32},
	})
	if exit.Code == 0 || !strings.Contains(strings.ToLower(out), "fork") {
		p.Errorf("%+v, output %.200q; want that it cannot fork", exit, out)
	}
}

func (p *processes) memoryHog() {
	for _, user := range []string{"", p.env.User} {
		exit, _ := p.run(sal.Command{
			Argv: []string{"sh", "-c", "head -c 400M /dev/zero | tail -n 1"}, RunAs: user, Limits: sal.Limits{MemoryMiB: 64},
		})
		if exit.Code != 137 || !exit.OOM || exit.Killed || !strings.Contains(exit.Detail, "64 MiB") {
			p.Errorf("as %q: %+v, want code 137, OOM and the limit told", user, exit)
		}
	}
	if exit, _ := p.run(sal.Command{Argv: []string{"false"}, Limits: sal.Limits{MemoryMiB: 64}}); exit.OOM {
		p.Error("the next command is told OOM too")
	}
}

func (p *processes) projectIsShutOff() {
	exit, out := p.sh(p.env.User, `id -u; id -g; id -G
grep -E '^(Cap|NoNewPrivs)' /proc/self/status
cat "`+p.env.Secret+`" 2>&1 && echo LEAK
ls "`+p.env.Secret[:strings.LastIndex(p.env.Secret, "/")]+`" 2>/dev/null
touch /etc/atoll-test 2>/dev/null && echo LEAK
for f in /var/tmp /tmp /dev/shm; do touch $f/mine || echo LOST; ls $f; done
[ -e /proc/1 ] && echo LEAK
ulimit -c
exit 0`)
	uid := strings.TrimPrefix(p.env.User, "uid:")
	if exit.Code != 0 || !strings.HasPrefix(out, uid+"\n"+uid+"\n"+uid+"\n") {
		p.Errorf("%+v, wrong user: %q", exit, out)
	}
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "Cap") && !strings.HasSuffix(line, "\t0000000000000000\n") {
			p.Errorf("has capabilities: %s", line)
		}
	}
	if !strings.Contains(out, "NoNewPrivs:\t1\n") || strings.Contains(out, "LEAK") || strings.Contains(out, "LOST") {
		p.Errorf("not shut off: %s", out)
	}
	if !strings.HasSuffix(out, "mine\nmine\nwork\nmine\n0\n") {
		p.Errorf("sees more than its own temporary files: %s", out)
	}
	for _, f := range []string{"/var/tmp/mine", "/tmp/mine", "/dev/shm/mine"} {
		if _, err := os.Lstat(f); err == nil {
			p.Errorf("%s is on the host", f)
		}
	}
}

func (p *processes) projectHome() {
	p.sh(p.env.User, "echo precious > ~/file; chmod -R 777 ~")
	if _, out := p.sh(p.env.User, "cat ~/file; rm ~/file"); out != "precious\n" {
		p.Errorf("the home folder does not last: %q", out)
	}
	p.sh(p.env.User, "echo precious > ~/file; chmod -R 777 ~")
	_, out := p.sh(p.env.User, "echo ~")
	if _, out = p.sh(p.env.Other, "ls "+strings.TrimSpace(out)+"; cat "+strings.TrimSpace(out)+"/file"); strings.Contains(out, "precious") {
		p.Errorf("another project reads it: %q", out)
	}
	p.sh(p.env.User, "rm ~/file")
}

func (p *processes) projectFiles() {
	shown := filepath.Dir(p.env.Secret) + "/shown" // where projects see nothing
	if err := os.Mkdir(shown, 0o755); err != nil {
		p.Fatal(err)
	}
	if err := os.WriteFile(shown+"/tool", []byte("#!/bin/sh\necho tool\n"), 0o755); err != nil {
		p.Fatal(err)
	}
	cmd := sal.Command{
		RunAs: p.env.User, Show: []string{shown}, Files: map[string][]byte{"key": []byte("hush\n")},
		Argv: []string{"sh", "-c", `"$0/tool"; cat "$1/key"; stat -c '%a %u' "$1/key" "$1"; touch "$0/x" 2>/dev/null && echo LEAK; ls "$0/.." 2>/dev/null; exit 0`, shown, sal.FilesDir},
	}
	uid := strings.TrimPrefix(p.env.User, "uid:")
	want := "tool\nhush\n600 " + uid + "\n700 " + uid + "\n"
	if exit, out := p.run(cmd); exit.Code != 0 || !strings.HasPrefix(out, want) || strings.Contains(out, "LEAK") || strings.Contains(out, "agent.key") {
		p.Errorf("%+v: %q, want %q", exit, out, want)
	}
	if _, err := os.Lstat(sal.FilesDir + "/key"); err == nil {
		p.Error("the file is on the host")
	}
	if _, out := p.sh(p.env.User, "cat "+sal.FilesDir+"/key "+shown+"/tool 2>/dev/null"); out != "" {
		p.Errorf("the next command sees %q", out)
	}
	for _, bad := range []sal.Command{
		{Argv: []string{"true"}, Files: map[string][]byte{"key": nil}},
		{Argv: []string{"true"}, RunAs: p.env.User, Files: map[string][]byte{"../key": nil}},
		{Argv: []string{"true"}, RunAs: p.env.User, Show: []string{"/no/such/folder"}},
	} {
		if _, err := p.env.Processes.Run(p.Context(), p.named(bad)); !cloud.Is(err, cloud.Invalid) {
			p.Errorf("Run with files %v, show %v = %v, want kind invalid", bad.Files, bad.Show, err)
		}
	}
	if err := os.RemoveAll(shown); err != nil {
		p.Fatal(err)
	}
}

func (p *processes) projectChildren() {
	_, out := p.cancelAtOutput(sal.Command{RunAs: p.env.User, Argv: []string{"sh", "-c", runaway + "; sleep 600"}})
	p.gone(out)
}
