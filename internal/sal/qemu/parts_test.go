package qemu

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"atoll/internal/cloud"
	"atoll/internal/sal/saltest"
	"atoll/internal/wire"
)

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The probe comes to a verdict soon, whatever /dev/kvm does.
func TestProbe(t *testing.T) {
	d, err := New(Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	begin := time.Now()
	first, err := d.Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took > 3*probeLimit {
		t.Errorf("the probe took %v", took)
	}
	t.Log(readFile(t, filepath.Join(d.dir, acceleratorFile)))
	next, err := New(Config{Dir: d.dir})
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	begin = time.Now()
	if again, err := next.Probe(t.Context()); again != first || err != nil {
		t.Errorf("Probe() = %q, %v, want %q again", again, err, first)
	}
	if took := time.Since(begin); took > 100*time.Millisecond {
		t.Errorf("the known answer took %v", took)
	}
}

func TestProbeWithoutQEMU(t *testing.T) {
	for program, want := range map[string]string{"no-such-qemu": "apt install", "/bin/false": "no accelerator"} {
		d, err := New(Config{Dir: t.TempDir(), Program: program})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		_, err = d.Probe(t.Context())
		if !cloud.Is(err, cloud.Unavailable) || !strings.Contains(cloud.UserMessage(err), want) {
			t.Errorf("Probe() with %s = %v, want unavailable: %s", program, err, want)
		}
	}
}

func TestSeed(t *testing.T) {
	dir := t.TempDir()
	seed := wire.Seed{MetaData: "instance-id: a\n", UserData: strings.Repeat("#", cloud.MaxUserData)}
	if err := writeSeed(dir, seed); err != nil {
		t.Fatal(err)
	}
	got := readSeed(t, dir)
	if len(got) != 2 || got["meta-data"] != seed.MetaData || got["user-data"] != seed.UserData {
		t.Errorf("the seed has other files than meta-data and user-data as given: %d files", len(got))
	}
}

// A flood neither grows the backlog's file nor is held back by a reader that
// does not read; a next driver has the backlog.
func TestConsoleBacklog(t *testing.T) {
	dir := t.TempDir()
	guest, conn := net.Pipe()
	c := newConsole(dir)
	c.attach(conn)
	lazy := c.open()
	line := strings.Repeat("x", 1023) + "\n"
	for range 1000 {
		if _, err := io.WriteString(guest, line); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := io.WriteString(guest, "the end"); err != nil {
		t.Fatal(err)
	}
	guest.Close()
	c.wg.Wait()
	b, err := io.ReadAll(lazy)
	if err != nil || len(b) != consoleBacklog || !strings.HasSuffix(string(b), "\nthe end") {
		t.Errorf("a late reader got %d bytes, %v, want the last %d", len(b), err, consoleBacklog)
	}
	c.detach()
	if n := len(readFile(t, filepath.Join(dir, consoleLog))); n < consoleBacklog || n > 2*consoleBacklog {
		t.Errorf("the backlog's file has %d bytes", n)
	}
	next, err := io.ReadAll(newConsole(dir).open())
	if err != nil || string(next) != string(b) {
		t.Errorf("the next driver has a backlog of %d bytes, %v, want the same %d", len(next), err, len(b))
	}
	if _, err := lazy.Write([]byte("x")); !cloud.Is(err, cloud.Conflict) {
		t.Errorf("Write() to a machine that is off = %v, want conflict", err)
	}
}

func TestEpochs(t *testing.T) {
	dir := t.TempDir()
	a, b := cloud.NewID[cloud.MachineID](), cloud.NewID[cloud.MachineID]()
	for _, epoch := range []int64{3, 12} {
		if err := addEpoch(dir, a, epoch); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.OpenFile(filepath.Join(dir, epochsFile), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.WriteString(f, "\n"+string(b)+" 1") // cut off
	if err := errors.Join(err, f.Close(), addEpoch(dir, b, 17)); err != nil {
		t.Fatal(err)
	}
	if got, err := loadEpochs(dir); len(got) != 2 || got[a] != 12 || got[b] != 17 || err != nil {
		t.Errorf("loadEpochs() = %v, %v", got, err)
	}
}

// taps makes tap devices in the namespace of the test.
type taps struct{ refuse error }

const tapName = "atolltap0"

func (n *taps) Attach(context.Context, cloud.CloudspaceID, string) (string, error) {
	if n.refuse != nil {
		return "", n.refuse
	}
	if _, err := netlink.LinkByName(tapName); err == nil {
		return tapName, nil
	}
	return tapName, netlink.LinkAdd(&netlink.Tuntap{
		LinkAttrs: netlink.LinkAttrs{Name: tapName}, Mode: netlink.TUNTAP_MODE_TAP,
	})
}

func (n *taps) Detach(context.Context, cloud.CloudspaceID, string) error {
	link, err := netlink.LinkByName(tapName)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil
	}
	if err != nil {
		return err
	}
	return netlink.LinkDel(link)
}

func hasTap() bool {
	_, err := netlink.LinkByName(tapName)
	return err == nil
}

func TestTaps(t *testing.T) {
	e, n := newEnv(t), &taps{}
	spec := saltest.Spec(e.volume(t))
	spec.NICs = []wire.NIC{{Network: cloud.NewID[cloud.CloudspaceID](), MAC: "52:54:00:12:34:56"}}
	if err := e.Start(t.Context(), spec); !cloud.Is(err, cloud.Invalid) {
		t.Errorf("Start() on a node without networks = %v, want invalid", err)
	}
	e.cfg.Taps = n
	e.restart(t)

	n.refuse = cloud.Errorf(cloud.NotFound, "no such network")
	if err := e.Start(t.Context(), spec); !cloud.Is(err, cloud.NotFound) {
		t.Errorf("Start() = %v, want not found", err)
	}
	wantNothingLeft(t, e.cfg.Dir)

	n.refuse = nil
	if err := e.Start(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	e.restart(t)
	if !hasTap() {
		t.Error("the running machine has no tap")
	}
	killHard(t, e.pid(t, spec.ID))
	saltest.WaitPower(t, e, spec.ID, cloud.PowerCrashed)
	if hasTap() {
		t.Error("the tap of a machine that ended is left")
	}
	if err := e.Start(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	if err := e.Delete(t.Context(), spec.MachineRef); err != nil {
		t.Fatal(err)
	}
	if hasTap() {
		t.Error("the tap of a deleted machine is left")
	}
}

// A start that QEMU refuses says what QEMU said and leaves nothing.
func TestStartFails(t *testing.T) {
	e := newEnv(t)
	one := saltest.Spec(e.volume(t))
	if err := e.Start(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	two := saltest.Spec(one.Disks[0]) // the volume of a running machine
	err := e.Start(t.Context(), two)
	if !cloud.Is(err, cloud.Unavailable) || !strings.Contains(cloud.UserMessage(err), "lock") {
		t.Errorf("Start() = %v, want unavailable with QEMU's words on the lock", err)
	}
	states, err := e.List(t.Context())
	if err != nil || slices.ContainsFunc(states, func(s wire.MachineState) bool { return s.ID == two.ID }) {
		t.Errorf("List() = %v, %v, want only the first machine", states, err)
	}
	if err := e.vols.Volumes().Delete(t.Context(), one.Disks[0]); !cloud.Is(err, cloud.Conflict) {
		t.Errorf("delete of a volume in use = %v, want conflict", err)
	}
	if err := e.vols.Volumes().Ensure(t.Context(), wire.VolumeArgs{ID: one.Disks[0], SizeGiB: 2}); !cloud.Is(err, cloud.Conflict) {
		t.Errorf("growth of a volume in use = %v, want conflict", err)
	}
}
