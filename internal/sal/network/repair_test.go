package network

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"atoll/internal/cloud"
	"atoll/internal/sal/saltest"
	"atoll/internal/wire"
)

// Whatever is taken away, Ensure brings it back, also for an agent that was
// restarted, and a machine that runs goes on.
func TestRepairs(t *testing.T) {
	d := newDriver(t, Config{Data: t.TempDir(), Resolv: resolvFile})
	spec := labNetwork(t, d, nil)
	n := namesOf(spec.Number)
	g := plug(t, d, spec, 0)
	g.echo(t, "tcp", "0.0.0.0:22")
	for _, tt := range []struct {
		name string
		harm func() error
	}{
		{"nothing", func() error { return nil }},
		{"dnsmasq killed", func() error { return killDnsmasq(d, n) }},
		{"namespace removed", func() error { return netns.DeleteNamed(n.bridge) }},
		{"bridge removed", func() error { return removeLinks(n.bridge) }},
		{"uplink removed", func() error { return removeLinks(n.uplink) }},
		{"rules flushed", func() error { return runNft(t.Context(), "flush ruleset\n") }},
		{"dnsmasq's files removed", func() error { return os.RemoveAll(d.runDir(n)) }},
		{"everything but taps", func() error {
			return firstError(killDnsmasq(d, n), os.RemoveAll(d.cfg.Run), removeLinks(n.bridge, n.uplink, n.lan),
				netns.DeleteNamed(n.bridge), runNft(t.Context(), "flush ruleset\n"))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.harm(); err != nil {
				t.Fatal(err)
			}
			if err := d.Ensure(t.Context(), spec); err != nil {
				t.Fatalf("Ensure() = %v", err)
			}
			if _, err := g.dhcp(t); err != nil {
				t.Error(err)
			}
			reaches(t, nil, "tcp", fmt.Sprintf("127.0.0.1:%d", spec.Forwards[0].PublicPort), "")
		})
	}
}

// After a reboot only the data folder is left: Restore makes all of it again,
// and Attach alone makes what it needs.
func TestReboot(t *testing.T) {
	data := t.TempDir()
	d := newDriver(t, Config{Data: data})
	spec := labNetwork(t, d, nil)
	n := namesOf(spec.Number)
	reboot := func(t *testing.T) *Driver {
		if err := firstError(d.remove(n), runNft(t.Context(), "flush ruleset\n")); err != nil {
			t.Fatal(err)
		}
		return newDriver(t, Config{Data: data})
	}
	again := reboot(t)
	if err := again.Restore(t.Context()); err != nil {
		t.Fatalf("Restore() = %v", err)
	}
	if _, err := plug(t, again, spec, 0).dhcp(t); err != nil {
		t.Error(err)
	}
	again = reboot(t)
	if _, err := plug(t, again, spec, 0).dhcp(t); err != nil {
		t.Errorf("Attach alone: %v", err)
	}
}

// A pid that was given to another process is not taken for dnsmasq's.
func TestForeignPID(t *testing.T) {
	d := newDriver(t, Config{})
	spec := labNetwork(t, d, nil)
	dir := d.runDir(namesOf(spec.Number))
	if err := killDnsmasq(d, namesOf(spec.Number)); err != nil {
		t.Fatal(err)
	}
	body, err := os.ReadFile(filepath.Join(dir, daemonFile))
	if err != nil {
		t.Fatal(err)
	}
	me := strings.Replace(string(body), `"pid":`, fmt.Sprintf(`"pid":%d,"was":`, os.Getpid()), 1)
	if err := os.WriteFile(filepath.Join(dir, daemonFile), []byte(me), 0o600); err != nil {
		t.Fatal(err)
	}
	if p, err := recordedDnsmasq(dir); p != nil || err != nil {
		t.Errorf("recordedDnsmasq() = %v, %v, want none", p, err)
	}
	if err := d.Ensure(t.Context(), spec); err != nil {
		t.Errorf("Ensure() = %v", err)
	}
}

func TestDeleteLeavesNothing(t *testing.T) {
	d := newDriver(t, Config{Data: t.TempDir()})
	before := inventory(t, d)
	spec := labNetwork(t, d, twoLeases)
	plug(t, d, spec, 0)
	if _, err := d.Attach(t.Context(), spec.ID, "06:00:00:00:00:0a"); err != nil {
		t.Fatal(err)
	}
	during := inventory(t, d)
	if err := d.Delete(t.Context(), wire.NetworkRef{ID: spec.ID, Number: spec.Number}); err != nil {
		t.Fatalf("Delete() = %v", err)
	}
	if diff := cmp.Diff(before, inventory(t, d)); diff != "" {
		t.Errorf("Delete() left a difference (-before +after):\n%s", diff)
	}
	for what, list := range during {
		if slices.Equal(list, before[what]) {
			t.Errorf("the inventory does not see %s: %v", what, list)
		}
	}
}

// A Delete without a record (the data folder was lost) removes what is there.
func TestDeleteWithoutRecord(t *testing.T) {
	lost := newDriver(t, Config{Data: t.TempDir()})
	d := newDriver(t, Config{Data: lost.cfg.Data})
	before := inventory(t, lost)
	spec := saltest.NewNetwork()
	if err := lost.Ensure(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	if err := d.Delete(t.Context(), wire.NetworkRef{ID: other(spec).ID, Number: spec.Number}); err != nil {
		t.Errorf("Delete(another id) = %v", err)
	}
	if !d.owns(spec) {
		t.Error("Delete() of another id removed the network")
	}
	if err := d.Delete(t.Context(), wire.NetworkRef{ID: spec.ID, Number: spec.Number}); err != nil {
		t.Errorf("Delete() = %v", err)
	}
	if err := lost.Delete(t.Context(), wire.NetworkRef{ID: spec.ID, Number: spec.Number}); err != nil {
		t.Errorf("Delete() again = %v", err)
	}
	if diff := cmp.Diff(before, inventory(t, lost)); diff != "" {
		t.Errorf("Delete() left a difference (-before +after):\n%s", diff)
	}
}

// An agent that is no root is told so, before anything has changed. The test
// runs itself as nobody.
func TestUnprivileged(t *testing.T) {
	if os.Getenv(nobodyEnv) != "" {
		d := newDriver(t, Config{})
		spec := saltest.NewNetwork()
		ref := wire.NetworkRef{ID: spec.ID, Number: spec.Number}
		_, attachErr := d.Attach(t.Context(), spec.ID, spec.Leases[0].MAC)
		for name, err := range map[string]error{
			"Ensure": d.Ensure(t.Context(), spec), "Delete": d.Delete(t.Context(), ref), "Attach": attachErr,
			"Detach": d.Detach(t.Context(), spec.ID, spec.Leases[0].MAC),
		} {
			if !cloud.Is(err, cloud.Denied) {
				t.Errorf("%s() = %v, want kind %s", name, err, cloud.Denied)
			}
		}
		if refs, err := d.List(t.Context()); err != nil || len(refs) != 0 {
			t.Errorf("List() = %v, %v", refs, err)
		}
		return
	}
	binary, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	const copied = "/run/network.test" // where nobody may execute it
	if err := os.WriteFile(copied, binary, 0o755); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(copied)
	cmd := exec.Command(copied, "-test.run=^TestUnprivileged$")
	cmd.Env = append(os.Environ(), nobodyEnv+"=1", "TMPDIR=/dev/shm")
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
}

func TestMissingPrograms(t *testing.T) {
	if got := Missing(); len(got) != 0 {
		t.Errorf("Missing() = %v on a machine that runs these tests", got)
	}
	packages["no-such-program"] = "no-such-package"
	defer delete(packages, "no-such-program")
	if got := Missing(); !slices.Equal(got, []string{"no-such-program"}) {
		t.Errorf("Missing() = %v", got)
	}
	err := newDriver(t, Config{}).Ensure(t.Context(), saltest.NewNetwork())
	if !cloud.Is(err, cloud.Unavailable) || !strings.Contains(cloud.UserMessage(err), "no-such-package") {
		t.Errorf("Ensure() = %v, want the missing package", err)
	}
}

func other(spec wire.NetworkSpec) wire.NetworkSpec {
	spec.ID = cloud.NewID[cloud.CloudspaceID]()
	return spec
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func killDnsmasq(d *Driver, n names) error {
	p, err := recordedDnsmasq(d.runDir(n))
	if err != nil || p == nil {
		return err
	}
	return p.stop()
}

func ruleset(t *testing.T) string {
	t.Helper()
	nft, err := program("nft")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(nft, "list", "ruleset").CombinedOutput()
	if err != nil {
		t.Fatalf("nft: %v: %s", err, out)
	}
	return string(out)
}

// inventory lists all that a network could leave on the host.
func inventory(t *testing.T, d *Driver) map[string][]string {
	t.Helper()
	seen := map[string][]string{"rules": strings.Split(ruleset(t), "\n")}
	links, err := netlink.LinkList()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		seen["links"] = append(seen["links"], l.Attrs().Name)
	}
	for _, dir := range []string{"/run", d.cfg.Data} {
		err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			seen["files"] = append(seen["files"], path)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	seen["mounts"] = strings.Split(string(mounts), "\n")
	stats, err := filepath.Glob("/proc/[0-9]*/comm")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range stats {
		var pid int
		fmt.Sscanf(file, "/proc/%d/comm", &pid)
		if _, err := startTime(pid); err == nil {
			seen["processes"] = append(seen["processes"], fmt.Sprint(pid))
		}
	}
	seen["forwarding"] = []string{readForwarding("eth0"), readForwarding("all")}
	return seen
}
