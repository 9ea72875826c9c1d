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

	"atoll/test/program"
)

func TestScripts(t *testing.T) {
	bin := program.Build(t)
	data := filepath.Join(t.TempDir(), "data")
	url, token := serve(t, bin, data)
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
			e.Setenv("ATOLL_URL", url)
			e.Setenv("ATOLL_TOKEN", token)
			e.Setenv("OCTOPOD_DB", octopod)
			e.Setenv("RECEIVER", receiver.URL)
			return os.WriteFile(filepath.Join(e.WorkDir, "disk.img"), bootable(), 0o600)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"code": code, "waitfor": waitFor},
	})
}

// bootable is the smallest file that counts as a raw disk image: a boot sector.
func bootable() []byte {
	b := make([]byte, 1<<20)
	b[510], b[511] = 0x55, 0xaa
	return b
}

var ready = regexp.MustCompile(`msg="controller ready" people=(\S+)`)

// serve starts `atoll up` in the folder and ends it with the test.
func serve(t *testing.T, bin, data string) (url, token string) {
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
	tail := make(chan string, 1)
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
		tail <- strings.Join(last, "\n")
	}()
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Errorf("end atoll up: %v", err)
		}
		kill := time.AfterFunc(30*time.Second, func() { cmd.Process.Kill() })
		defer kill.Stop()
		failures := <-tail
		if err := cmd.Wait(); err != nil {
			t.Errorf("atoll up: %v", err)
		}
		if failures != "" {
			t.Errorf("atoll up logged:\n%.4000s", failures)
		}
	})
	select {
	case url = <-urls:
	case <-time.After(time.Minute):
	}
	if url == "" {
		t.Fatal("atoll up did not get ready")
	}
	text, err := os.ReadFile(filepath.Join(data, "admin.token"))
	if err != nil {
		t.Fatal(err)
	}
	return url, strings.TrimSpace(string(text))
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

// A pipe that its reader closes must not leave a program behind.
func TestPipeEnds(t *testing.T) {
	bin := program.Build(t)
	cmd := exec.Command("sh", "-c", fmt.Sprintf("%s completion bash | head -n 1", bin))
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "bash completion") {
		t.Errorf("completion into head: %v\n%s", err, out)
	}
}
