package host

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"atoll/internal/cloud"
	"atoll/internal/sal"
)

// What a start makes of its thread must not stay with the agent: its threads have one
// view, all rights and one folder, also while commands start beside each other.
func TestAgentStaysItself(t *testing.T) {
	for name, m := range hostMounts(t) {
		t.Run(name, func(t *testing.T) {
			p := newTest(t, m)
			before := threads(t)
			var wg sync.WaitGroup
			for i := range 4 {
				wg.Go(func() {
					for j := range 20 {
						out := &strings.Builder{}
						exit, err := p.Run(t.Context(), sal.Command{
							Name: fmt.Sprintf("job-%d-%d", i, j), RunAs: "10001", Argv: []string{"sh", "-c", "pwd; id -u"}, Output: out,
						})
						if err != nil || exit.Code != 0 || out.String() != "/tmp/work\n10001\n" {
							t.Errorf("Run() = %+v, %v, output %q", exit, err, out)
						}
					}
				})
			}
			wg.Wait()
			others := map[string]bool{}
			end := time.Now().Add(10 * time.Second)
			waitUntil(func() bool { // the last threads of commands may be on their way out
				others = threads(t)
				maps.DeleteFunc(others, func(kind string, _ bool) bool { return before[kind] })
				return len(others) == 0 || time.Now().After(end)
			})
			if len(others) > 0 {
				t.Errorf("threads of the agent are others now: %v; before: %v", others, before)
			}
		})
	}
}

// threads tells the kinds of threads that this process has: namespaces, folder, ids
// and capabilities.
func threads(t *testing.T) map[string]bool {
	t.Helper()
	tasks, err := filepath.Glob("/proc/self/task/*")
	if err != nil || len(tasks) == 0 {
		t.Fatal(tasks, err)
	}
	found := map[string]bool{}
	for _, task := range tasks {
		status, err := os.ReadFile(task + "/status")
		if err != nil {
			continue // it has ended
		}
		var kind strings.Builder
		for _, link := range []string{"ns/mnt", "ns/ipc", "cwd", "root"} {
			to, err := os.Readlink(task + "/" + link)
			if err != nil {
				to = "ended"
			}
			kind.WriteString(to + " ")
		}
		for line := range strings.Lines(string(status)) {
			for _, key := range []string{"Uid", "Gid", "Groups", "Cap", "NoNewPrivs", "Umask", "State:\tX"} {
				if strings.HasPrefix(line, key) {
					kind.WriteString(strings.Join(strings.Fields(line), " ") + " ")
				}
			}
		}
		if !strings.Contains(kind.String(), "ended") {
			found[kind.String()] = true
		}
	}
	return found
}

// A descriptor that some library left open for programs that are started must not
// reach a project's command.
func TestForeignDescriptor(t *testing.T) {
	p := newTest(t, hostMounts(t)["host"])
	fd, err := unix.Open("/etc/shadow", unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	out := &strings.Builder{}
	exit, err := p.Run(t.Context(), sal.Command{Name: "a", RunAs: "10001", Argv: []string{"sh", "-c", "ls /proc/self/fd"}, Output: out})
	if err != nil || exit.Code != 0 || out.String() != "0\n1\n2\n3\n" {
		t.Errorf("Run() = %+v, %v, descriptors %q", exit, err, out)
	}
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags != 0 {
		t.Errorf("the agent's own descriptor was changed: %d, %v", flags, err)
	}
}

// Who is refused by the user's own rights is refused before anything is executed.
func TestFolderOfOthers(t *testing.T) {
	p := newTest(t, hostMounts(t)["host"])
	if _, err := p.Run(t.Context(), sal.Command{Name: "a", RunAs: "10001", Argv: []string{"true"}}); err != nil {
		t.Fatal(err) // and has made the home folder
	}
	dir := filepath.Join(p.cfg.Homes, "10001", "closed")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := p.Run(t.Context(), sal.Command{Name: "b", RunAs: "10001", Dir: dir, Argv: []string{"true"}})
	if !cloud.Is(err, cloud.Invalid) || !strings.Contains(err.Error(), "cannot be entered by user id 10001") {
		t.Errorf("Run() in a folder of root = %v, want that it cannot be entered", err)
	}
}
