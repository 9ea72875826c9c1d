// Package cli_test runs the command line as people do, against a real controller
// on SQLite with a real agent and simulated nodes, by the scripts in testdata. It
// must never reach past the command line, into a store or the API.
package cli_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"atoll/internal/pki"
	"atoll/test/program"
)

func TestScripts(t *testing.T) {
	bin := program.Build(t)
	data := filepath.Join(t.TempDir(), "data")
	up := serve(t, bin, data)
	octopod := octopodDatabase(t)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/refuse" {
			http.Error(w, "not today", http.StatusTeapot)
			return
		}
		fmt.Fprint(w, "thanks for ", r.Header.Get("webhook-id"))
	}))
	t.Cleanup(receiver.Close)
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", filepath.Dir(bin)+string(os.PathListSeparator)+e.Getenv("PATH"))
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("DATA", data)
			e.Setenv("ATOLL_URL", up.url)
			e.Setenv("ATOLL_TOKEN", up.token)
			e.Setenv("OCTOPOD_DB", octopod)
			e.Setenv("RECEIVER", receiver.URL)
			return os.WriteFile(filepath.Join(e.WorkDir, "disk.img"), bootable(), 0o600)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"code": code, "waitfor": waitFor, "enrol": enrol},
	})
}

// bootable is the smallest file that counts as a raw disk image: a boot sector.
func bootable() []byte {
	b := make([]byte, 1<<20)
	b[510], b[511] = 0x55, 0xaa
	return b
}

var ready = regexp.MustCompile(`msg="controller ready" people=(\S+)`)

// server is a running `atoll up`.
type server struct {
	t          *testing.T
	cmd        *exec.Cmd
	url, token string
	failures   chan string // what it logged as errors, when it has ended
	killed     bool
}

// kill ends it as a crash does.
func (s *server) kill() {
	s.t.Helper()
	s.killed = true
	if err := s.cmd.Process.Kill(); err != nil {
		s.t.Errorf("kill atoll up: %v", err)
	}
	<-s.failures
	_ = s.cmd.Wait() // it was killed
}

// end ends it, unless it was killed.
func (s *server) end() {
	if s.killed {
		return
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Errorf("end atoll up: %v", err)
	}
	kill := time.AfterFunc(30*time.Second, func() { s.cmd.Process.Kill() })
	defer kill.Stop()
	failures := <-s.failures
	if err := s.cmd.Wait(); err != nil {
		s.t.Errorf("atoll up: %v", err)
	}
	if failures != "" {
		s.t.Errorf("atoll up logged:\n%.4000s", failures)
	}
}

// serve starts `atoll up` in the folder and ends it with the test.
func serve(t *testing.T, bin, data string) *server {
	t.Helper()
	cmd := exec.Command(bin, "up", "--data", data, "--listen", "127.0.0.1:0", "--agent-listen", "127.0.0.1:0", "--sim", "3", "--no-machines", "--image-url-allow", "127.0.0.1/32")
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	urls := make(chan string, 1)
	s := &server{t: t, cmd: cmd, failures: make(chan string, 1)}
	go func() {
		defer close(urls)
		var last []string
		lines := bufio.NewScanner(log)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			if m := ready.FindStringSubmatch(lines.Text()); m != nil {
				urls <- m[1]
			}
			if strings.Contains(lines.Text(), "level=ERROR") {
				last = append(last, lines.Text())
			}
		}
		io.Copy(io.Discard, log) // of a line that was too long
		s.failures <- strings.Join(last, "\n")
	}()
	t.Cleanup(s.end)
	select {
	case s.url = <-urls:
	case <-time.After(time.Minute):
	}
	if s.url == "" {
		t.Fatal("atoll up did not get ready")
	}
	text, err := os.ReadFile(filepath.Join(data, "admin.token"))
	if err != nil {
		t.Fatal(err)
	}
	s.token = strings.TrimSpace(string(text))
	return s
}

// code runs a program and wants an exit code: code 3 atoll machine show nope
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N program args...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := exitCode(ts.Exec(args[1], args[2:]...)); got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func exitCode(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	return -1
}

// waitFor runs a program until its output matches: waitfor PATTERN program args...
func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: waitfor PATTERN program args...")
	}
	pattern, err := regexp.Compile("(?ms)" + args[0])
	ts.Check(err)
	for end := time.Now().Add(time.Minute); ; {
		err := ts.Exec(args[1], args[2:]...)
		if out := ts.ReadFile("stdout"); pattern.MatchString(out) {
			return
		} else if time.Now().After(end) {
			ts.Fatalf("%v never printed %q: %v; at the end it was\n%s", args[1:], args[0], err, out)
		}
	}
}

// enrol enrols a second factor as a person with an authenticator app does, with the
// password in a file, and writes the recovery codes to another: enrol PASSWORD RECOVERY
func enrol(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: enrol PASSWORD RECOVERY")
	}
	cmd := exec.Command(filepath.Join(strings.Split(ts.Getenv("PATH"), string(os.PathListSeparator))[0], "atoll"), "user", "totp", "enrol", "--stdin")
	for _, name := range []string{"ATOLL_CONFIG", "ATOLL_URL", "HOME"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	in, err := cmd.StdinPipe()
	ts.Check(err)
	says, err := cmd.StderrPipe()
	ts.Check(err)
	var out strings.Builder
	cmd.Stdout = &out
	ts.Check(cmd.Start())
	_, err = io.WriteString(in, ts.ReadFile(args[0]))
	ts.Check(err)
	all, lines := "", bufio.NewScanner(says)
	for lines.Scan() {
		all += lines.Text() + "\n"
		u, err := url.Parse(lines.Text())
		if err != nil || u.Scheme != "otpauth" {
			continue
		}
		code, err := pki.TOTP(u.Query().Get("secret"), time.Now())
		ts.Check(err)
		_, err = io.WriteString(in, code+"\n")
		ts.Check(err)
	}
	if err := cmd.Wait(); err != nil {
		ts.Fatalf("enrol: %v\n%s", err, all)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(out.String()), 0o600))
}

// A pipe that its reader closes must not leave a program behind.
func TestPipeEnds(t *testing.T) {
	bin := program.Build(t)
	cmd := exec.Command("sh", "-c", fmt.Sprintf("%s completion bash | head -n 1", bin))
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "bash completion") {
		t.Errorf("completion into head: %v\n%s", err, out)
	}
}
