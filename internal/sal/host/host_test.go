package host

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"atoll/internal/cloud"
	"atoll/internal/sal"
	"atoll/internal/sal/saltest"
)

var trees atomic.Int64

// newTest makes a driver in folders and cgroups of its own.
func newTest(tb testing.TB, m mounts) *Processes {
	tb.Helper()
	if os.Geteuid() != 0 {
		tb.Fatal("these tests run commands in cgroups and namespaces: run them as root")
	}
	p, err := newProcesses(testConfig(tb), m)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := p.Close(); err != nil {
			tb.Error(err)
		}
		for _, dir := range p.tree.dirs {
			if _, err := os.Stat(dir); err == nil {
				tb.Errorf("%s is still there", dir)
			}
		}
	})
	return p
}

func testConfig(tb testing.TB) Config {
	// Not below /tmp, which projects' commands do not see anyway.
	data, err := os.MkdirTemp("/var/lib", "atoll-test-")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(data) })
	return Config{
		Parent: fmt.Sprintf("atoll-test-%d/%d", os.Getpid(), trees.Add(1)),
		Work:   data + "/work", Homes: data + "/homes", Hide: []string{data},
	}
}

// left lists the cgroups that hold processes, the processes and the folders.
func left(p *Processes) []string {
	found := []string{}
	for _, dir := range append([]string{p.cfg.Work}, p.tree.dirs...) {
		_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err != nil || !e.IsDir() {
				return err
			}
			pids, _ := processesIn(path)
			idle := strings.HasPrefix(filepath.Base(path), privatePrefix+p.groups.prefix) && untouched(path)
			if len(pids) > 0 || strings.HasPrefix(path, p.cfg.Work) && !idle {
				found = append(found, fmt.Sprint(path, pids))
			}
			return nil
		})
	}
	slices.Sort(found)
	return found
}

// hostMounts returns the ways in which this host can be used: as it is, and
// with the cgroups of v1 alone if it has them.
func hostMounts(tb testing.TB) map[string]mounts {
	m, err := readMounts()
	if err != nil {
		tb.Fatal(err)
	}
	all := map[string]mounts{"host": m}
	if m.unified != "" && m.pids != "" && m.memory != "" {
		m.unified = ""
		all["v1"] = m
	}
	return all
}

func TestProcesses(t *testing.T) {
	for name, m := range hostMounts(t) {
		t.Run(name, func(t *testing.T) {
			saltest.Processes(t, func(t *testing.T) saltest.ProcessesEnv {
				p := newTest(t, m)
				if lacks := p.Lacks(); lacks != nil {
					t.Fatalf("this host lacks the cgroup controllers %v", lacks)
				}
				secret := filepath.Dir(p.cfg.Work) + "/agent.key"
				if err := os.WriteFile(secret, []byte("LEAK"), 0o666); err != nil {
					t.Fatal(err)
				}
				return saltest.ProcessesEnv{
					Processes: p, Real: true, User: "10001", Other: "uid:10002", Secret: secret,
					Left: func() []string { return left(p) },
				}
			})
		})
	}
}

func TestRemnants(t *testing.T) {
	for name, m := range hostMounts(t) {
		t.Run(name, func(t *testing.T) {
			earlier := newTest(t, m)
			ready := make(chan struct{})
			ended := make(chan sal.Exit, 1)
			go func() {
				exit, err := earlier.Run(context.Background(), sal.Command{
					Name: "job-7", RunAs: cloud.RunAsRoot, Output: closer(ready),
					Argv: []string{"sh", "-c", "trap '' TERM; setsid sleep 600 & echo ready; wait"},
				})
				if err != nil {
					t.Error(err)
				}
				ended <- exit
			}()
			<-ready
			cfg := earlier.cfg
			later, err := newProcesses(cfg, m)
			if err != nil {
				t.Fatal(err)
			}
			defer later.Close()
			if err := os.Mkdir(cfg.Work+"/keep", 0o700); err != nil {
				t.Fatal(err)
			}
			names, err := later.Remnants(t.Context())
			if err != nil || !slices.Equal(names, []string{"job-7"}) {
				t.Errorf("Remnants() = %q, %v; want job-7", names, err)
			}
			if exit := <-ended; exit.Code != 137 {
				t.Errorf("the earlier command ended with %+v", exit)
			}
			if entries, _ := os.ReadDir(cfg.Work); len(entries) != 1 || entries[0].Name() != "keep" {
				t.Errorf("the work folder holds %v, want what is not ours", entries)
			}
		})
	}
}

// closer closes itself at the first write.
type closer chan struct{}

func (c closer) Write(b []byte) (int, error) {
	close(c)
	return len(b), nil
}

func TestDirOfProject(t *testing.T) {
	p := newTest(t, hostMounts(t)["host"])
	dir := p.cfg.Work + "/job"
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/script", []byte("#!/bin/sh\npwd; touch made && echo ok\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	out := &strings.Builder{}
	cmd := sal.Command{Name: "a", RunAs: "10001", Dir: dir, Argv: []string{"./script"}, Output: out}
	if exit, err := p.Run(t.Context(), cmd); err != nil || exit.Code != 0 || out.String() != dir+"\nok\n" {
		t.Errorf("Run() = %+v, %v, output %q", exit, err, out)
	}
	for _, dir := range []string{"/", "/tmp", p.cfg.Work, p.cfg.Homes} {
		cmd.Dir = dir
		if _, err := p.Run(t.Context(), cmd); !cloud.Is(err, cloud.Denied) {
			t.Errorf("Run in %s = %v, want kind denied", dir, err)
		}
	}
}

func TestHostUserRefused(t *testing.T) {
	cfg := testConfig(t)
	cfg.FirstUser, cfg.LastUser = 60000, 65535
	p, err := newProcesses(cfg, hostMounts(t)["host"])
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for user, want := range map[string]cloud.ErrorKind{"65534": cloud.Denied, "10001": cloud.Invalid, "060001": cloud.Invalid, "0": cloud.Invalid} {
		_, err := p.Run(t.Context(), sal.Command{Name: "a", RunAs: user, Argv: []string{"true"}})
		if !cloud.Is(err, want) {
			t.Errorf("run_as %s = %v, want kind %s", user, err, want)
		}
	}
}

func TestNameTaken(t *testing.T) {
	p := newTest(t, hostMounts(t)["host"])
	ready := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = p.Run(ctx, sal.Command{Name: "a", RunAs: "root", Argv: []string{"sh", "-c", "echo; exec sleep 600"}, Output: closer(ready)})
	}()
	<-ready
	if _, err := p.Run(t.Context(), sal.Command{Name: "a", RunAs: "root", Argv: []string{"true"}}); !cloud.Is(err, cloud.Conflict) {
		t.Errorf("second command a = %v, want kind conflict", err)
	}
	cancel()
	<-done
}

func TestWriterFails(t *testing.T) {
	p := newTest(t, hostMounts(t)["host"])
	exit, err := p.Run(t.Context(), sal.Command{
		Name: "a", RunAs: "root", Argv: []string{"head", "-c", "1000000", "/dev/zero"}, Output: failing{},
	})
	if err != nil || exit.Code != 0 || !strings.Contains(exit.Detail, "disk full") {
		t.Errorf("Run() = %+v, %v; want code 0 and the writer's error told", exit, err)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, fmt.Errorf("disk full") }

func TestFacts(t *testing.T) {
	h := &Host{Volumes: t.TempDir(), Programs: []string{"sh", "no-such-program"}, Accelerator: func() string { return "tcg" }}
	f, err := h.Facts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if f.Hostname == "" || f.OS == "" || f.Kernel == "" || f.CPUs < 1 || f.MemoryMiB < 1 || f.DiskMiB < 1 || f.BootID == "" || f.Accelerator != "tcg" {
		t.Errorf("Facts() = %+v, something is missing", f)
	}
	if !slices.Equal(f.Missing, []string{"no-such-program"}) {
		t.Errorf("Missing = %q", f.Missing)
	}
	// This host may have no default route; what it tells then is an address of its own.
	if a := f.PublicAddress; a != "" && !slices.Contains(f.Addresses, a) {
		t.Errorf("PublicAddress = %q, want one of %q", a, f.Addresses)
	}
	h.Public = "gw-1.example.com"
	if f, err = h.Facts(t.Context()); err != nil || f.PublicAddress != h.Public {
		t.Errorf("PublicAddress = %q, %v; want what was set", f.PublicAddress, err)
	}
	h.Volumes = "/no/such/folder"
	if _, err := h.Facts(t.Context()); !cloud.Is(err, cloud.Unavailable) {
		t.Errorf("Facts() = %v, want kind unavailable", err)
	}
}

func BenchmarkRun(b *testing.B) {
	p := newTest(b, hostMounts(b)["host"])
	for b.Loop() {
		if exit, err := p.Run(b.Context(), sal.Command{Name: "a", RunAs: "root", Argv: []string{"/bin/true"}, Output: os.Stderr}); err != nil || exit.Code != 0 {
			b.Fatal(exit, err)
		}
	}
}

func BenchmarkRunAsProject(b *testing.B) {
	p := newTest(b, hostMounts(b)["host"])
	for b.Loop() {
		if exit, err := p.Run(b.Context(), sal.Command{Name: "a", RunAs: "10001", Argv: []string{"/bin/true"}, Output: os.Stderr}); err != nil || exit.Code != 0 {
			b.Fatal(exit, err)
		}
	}
}

// BenchmarkForkExec is what BenchmarkRun is measured against.
func BenchmarkForkExec(b *testing.B) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer null.Close()
	attr := &syscall.ProcAttr{
		Files: []uintptr{null.Fd(), null.Fd(), null.Fd()}, Sys: &syscall.SysProcAttr{Setsid: true},
		Env: environment(nil, account{root: true, name: "root", home: "/root"}), // a locale costs the program time
	}
	for b.Loop() {
		pid, err := syscall.ForkExec("/bin/true", []string{"true"}, attr)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := syscall.Wait4(pid, nil, 0, nil); err != nil {
			b.Fatal(err)
		}
	}
}
