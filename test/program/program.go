// Package program builds the product for tests that run it as people do.
//
// It is for tests only and must never be imported by the product.
package program

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Build builds atoll, which goes with the test, and returns its path. Flags are
// go build's.
func Build(t testing.TB, flags ...string) string {
	t.Helper()
	module, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		t.Fatalf("find the module: %v", err)
	}
	if err := noteSources(strings.TrimSpace(string(module))); err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(t.TempDir(), "atoll")
	if out, err := exec.Command("go", append(append([]string{"build", "-o", bin}, flags...), "atoll/cmd/atoll")...).CombinedOutput(); err != nil {
		t.Fatalf("build atoll: %v\n%s", err, out)
	}
	return bin
}

// noteSources looks at all folders with sources: go test runs a test again when
// something that it looked at has changed, and knows nothing of what it built.
func noteSources(module string) error {
	for _, top := range []string{"api", "client", "cmd", "internal"} {
		err := filepath.WalkDir(filepath.Join(module, top), func(_ string, e fs.DirEntry, err error) error {
			if err == nil && e.Name() == "testdata" {
				return fs.SkipDir
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	_, err := os.Stat(filepath.Join(module, "go.sum"))
	return err
}

// Alone waits until no other test holds the host, and holds it until the test
// ends: tests that make things on the host, and those that list what is left there,
// run in processes of their own at the same time.
func Alone(t testing.TB) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(os.TempDir(), "atoll-test-host.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() }) // which gives the lock back
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
}
