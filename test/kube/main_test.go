package kube

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// shared is the cluster of all tests that need no other; each has a namespace of its own in it.
var shared struct {
	*Cluster
	bundle string // our program
	home   string
}

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	home, err := os.MkdirTemp("", "atoll-kube-home-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(home) }()
	shared.home = home
	if shared.bundle, err = ourProgram(home); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if shared.Cluster, err = Start(os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer shared.Stop()
	if err := shared.FakeNodes(3); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// ourProgram returns atoll-kube: the one that ATOLL_KUBE names, or it is built.
func ourProgram(dir string) (string, error) {
	if file := os.Getenv("ATOLL_KUBE"); file != "" {
		return filepath.Abs(file)
	}
	file := filepath.Join(dir, "atoll-kube")
	cmd := exec.Command("go", "build", "-o", file, ".")
	cmd.Dir, cmd.Stderr = filepath.Join(here(), "..", "..", "cmd", "atoll-kube"), os.Stderr
	return file, cmd.Run()
}
