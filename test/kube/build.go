package kube

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
)

// version is that of the Kubernetes that components/go.mod names; the programs report it.
const version = "v1.36.3"

// program is one thing to build, by the go command in one of the module folders beside this file.
type program struct {
	name, module, pkg string
	cgo, tags, ld     string
}

// Components returns the folder with `kube`, which is each part of the control plane and the kubelet. It is built when its inputs are new:
// that takes minutes, and says so on log.
func Components(log io.Writer) (string, error) {
	ld := "-s -w"
	for _, p := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		ld += fmt.Sprintf(" -X %s.gitMajor=1 -X %s.gitMinor=36 -X %s.gitVersion=%s -X %s.gitTreeState=archive", p, p, p, version, p)
	}
	return build(log, "components", []program{{"kube", "components", ".", "0", "", ld}})
}

// Runtime returns the folder with what a real node needs beside the kubelet: containerd, runc and network plugins.
func Runtime(log io.Writer) (string, error) {
	containerd, plugins := "github.com/containerd/containerd/v2/cmd/", "github.com/containernetworking/plugins/plugins/"
	slim := "no_btrfs no_zfs no_devmapper no_aufs"
	return build(log, "runtime", []program{
		{"containerd", "runtime", containerd + "containerd", "0", slim, "-s -w"},
		{"containerd-shim-runc-v2", "runtime", containerd + "containerd-shim-runc-v2", "0", slim, "-s -w"},
		{"ctr", "runtime", containerd + "ctr", "0", slim, "-s -w"},
		{"runc", "runtime", "github.com/opencontainers/runc", "1", "seccomp netgo osusergo", "-s -w -extldflags -static"},
		{"bridge", "runtime", plugins + "main/bridge", "0", "", "-s -w"},
		{"loopback", "runtime", plugins + "main/loopback", "0", "", "-s -w"},
		{"host-local", "runtime", plugins + "ipam/host-local", "0", "", "-s -w"},
	})
}

// build returns the cached folder of the programs, which it makes if there is none for their inputs: module files, sources, flags and
// compiler. What the compiler keeps for itself, 3 GB, is thrown away.
func build(log io.Writer, module string, programs []program) (string, error) {
	dir := filepath.Join(here(), module)
	key, err := keyOf(dir, programs)
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	cache = filepath.Join(cache, "atoll", "kube")
	done := filepath.Join(cache, module+"-"+key)
	if _, err := os.Stat(done); err == nil {
		return done, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	lock, err := os.Create(filepath.Join(cache, "lock"))
	if err != nil {
		return "", err
	}
	defer func() { _ = lock.Close() }() // which releases it
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", err
	}
	if _, err := os.Stat(done); err == nil { // somebody else was quicker
		return done, nil
	}
	tmp, err := os.MkdirTemp(cache, "build-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	out := filepath.Join(tmp, "out")
	for _, p := range programs {
		fmt.Fprintf(log, "kube: building %s, once for these sources\n", p.name)
		cmd := exec.Command("go", append([]string{"build", "-o", filepath.Join(out, p.name)}, append(p.flags(), p.pkg)...)...)
		cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
		cmd.Env = append(os.Environ(), "CGO_ENABLED="+p.cgo, "GOCACHE="+filepath.Join(tmp, "cache"), "GOWORK=off")
		if err := cmd.Run(); err != nil {
			return "", fmt.Errorf("build %s: %w", p.name, err)
		}
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return "", err
	}
	return done, os.Rename(out, done)
}

func (p program) flags() []string {
	return []string{"-trimpath", "-buildvcs=false", "-tags", p.tags, "-ldflags", p.ld}
}

func keyOf(dir string, programs []program) (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, runtime.Version(), runtime.GOARCH, programs)
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return "", err
	}
	for _, f := range append(files, filepath.Join(dir, "go.mod"), filepath.Join(dir, "go.sum")) {
		body, err := os.ReadFile(f)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s %d\n%s", filepath.Base(f), len(body), body)
	}
	return hex.EncodeToString(h.Sum(nil)[:8]), nil
}

// here is this package's folder, in which `go test` runs tests, and make our command.
func here() string {
	dir, err := filepath.Abs(".")
	if err != nil {
		panic(err) // there is no folder any more
	}
	return dir
}
