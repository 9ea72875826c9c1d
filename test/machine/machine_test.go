package machine

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"atoll/images"
	"atoll/test/program"
)

func image(t *testing.T, name string) string {
	t.Helper()
	path, err := images.Build(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestMini is the main job on real input: a machine, reached by ssh through a
// port forward, that outlives its agent, and of which nothing is left.
func TestMini(t *testing.T) {
	program.Alone(t)
	disk := image(t, images.Mini)
	before := traces(t)
	p := newProduct(t)
	p.atoll("image", "create", "mini", "--file", disk, "--wait")
	userData := filepath.Join(p.dir, "user-data")
	if err := os.WriteFile(userData, []byte("#!/bin/sh\necho made by user-data > /data/made\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.atoll("machine", "create", "web-1", "--image", "mini", "--size", "tiny", "--ssh-key", p.key()+".pub", "--user-data", userData, "--wait")
	port := publicPort(t)
	p.atoll("port-forward", "create", "--machine", "web-1", "--public-port", port, "--port", "22", "--wait")
	start := time.Now()
	if out := p.ssh("root", port, "hostname; cat /data/made", 2*time.Minute); out != "web-1\nmade by user-data\n" {
		t.Errorf("the guest says %q", out)
	}
	t.Logf("ssh answered %s after the machine ran", time.Since(start).Round(100*time.Millisecond))

	t.Run("outlives a killed controller and agent", func(t *testing.T) {
		p.stop(syscall.SIGKILL)
		if out := p.ssh("root", port, "echo still here", time.Minute); out != "still here\n" {
			t.Errorf("the guest says %q", out)
		}
		p.start()
		p.until("the machine is adopted", time.Minute, func() error { return is(p.state("web-1"), "running") })
		p.atoll("machine", "reboot", "web-1", "--wait")
		if out := p.ssh("root", port, "cat /data/made", 2*time.Minute); out != "made by user-data\n" {
			t.Errorf("after a reboot the guest says %q", out)
		}
	})
	t.Run("a guest that powers off is seen", func(t *testing.T) {
		p.ssh("root", port, "poweroff", time.Minute)
		p.until("the machine is stopped", time.Minute, func() error { return is(p.state("web-1"), "stopped") })
		p.atoll("machine", "update", "web-1", "--size", "small", "--wait")
		p.atoll("machine", "start", "web-1", "--wait")
		if out := p.ssh("root", port, "cat /data/made; grep -c processor /proc/cpuinfo", 2*time.Minute); !strings.HasPrefix(out, "made by user-data\n") {
			t.Errorf("after a start the guest says %q", out)
		}
	})
	t.Run("a machine whose process dies is started again", func(t *testing.T) {
		killGuest(t, p)
		p.until("the machine runs again", 2*time.Minute, func() error {
			out, err := p.try("event", "list", "--filter", "action=machine.found-off", "-o", "json")
			if err != nil {
				return err
			}
			if !strings.Contains(out, "its process ended") {
				return is(out, "an event that the process ended")
			}
			return is(p.state("web-1"), "running")
		})
		p.ssh("root", port, "true", 2*time.Minute)
	})
	t.Run("nothing is left", func(t *testing.T) {
		p.atoll("machine", "delete", "web-1", "--wait")
		p.stop(syscall.SIGTERM)
		if after := traces(t); !slices.Equal(before, after) {
			t.Errorf("left on the host:\n%s", strings.Join(difference(before, after), "\n"))
		}
		for _, dir := range []string{"storage/volumes", "networks", "homes", "work"} {
			entries, err := os.ReadDir(filepath.Join(p.data(), "agent", dir))
			if err != nil || len(entries) > 0 {
				t.Errorf("%s holds %v, %v", dir, entries, err)
			}
		}
	})
}

type state string

func (s state) Error() string { return "it is " + string(s) }

func is(got, want string) error {
	if got != want {
		return state(got)
	}
	return nil
}

// killGuest kills the QEMU process of the product's machine.
func killGuest(t *testing.T, p *product) {
	t.Helper()
	procs, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	machines, err := os.ReadDir(filepath.Join(p.data(), "agent", "machines"))
	if err != nil {
		t.Fatal(err)
	}
	killed := 0
	for _, file := range procs {
		text, err := os.ReadFile(file)
		if err != nil || !strings.HasPrefix(string(text), "qemu-system") {
			continue
		}
		for _, m := range machines {
			if strings.Contains(string(text), "\x00"+m.Name()+"\x00") {
				var pid int
				for _, c := range strings.Split(file, "/")[2] {
					pid = 10*pid + int(c-'0')
				}
				if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
				killed++
			}
		}
	}
	if killed != 1 {
		t.Fatalf("%d processes were the machine's", killed)
	}
}

func difference(before, after []string) []string {
	var out []string
	for _, l := range after {
		if !slices.Contains(before, l) {
			out = append(out, "+ "+l)
		}
	}
	for _, l := range before {
		if !slices.Contains(after, l) {
			out = append(out, "- "+l)
		}
	}
	return out
}

// TestDebian boots a real distribution with cloud-init.
func TestDebian(t *testing.T) {
	program.Alone(t)
	disk := image(t, images.Debian12)
	p := newProduct(t)
	p.atoll("image", "create", "debian-12", "--file", disk, "--wait")
	p.atoll("size", "create", "server", "--vcpus", "2", "--memory", "1024", "--disk", "8")
	userData := filepath.Join(p.dir, "user-data")
	if err := os.WriteFile(userData, []byte("#cloud-config\nwrite_files:\n- path: /etc/made\n  content: by cloud-init\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.atoll("machine", "create", "deb-1", "--image", "debian-12", "--size", "server", "--ssh-key", p.key()+".pub", "--user-data", userData, "--wait")
	port := publicPort(t)
	p.atoll("port-forward", "create", "--machine", "deb-1", "--public-port", port, "--port", "22", "--wait")
	start := time.Now()
	if out := p.ssh("debian", port, "cloud-init status --wait >/dev/null; hostname; cat /etc/made", 6*time.Minute); out != "deb-1\nby cloud-init" {
		t.Errorf("the guest says %q", out)
	}
	t.Logf("cloud-init was done %s after the machine ran", time.Since(start).Round(time.Second))
	p.atoll("machine", "delete", "deb-1", "--wait")
}
