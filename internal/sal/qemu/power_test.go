package qemu

import (
	"context"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"atoll/internal/cloud"
	"atoll/internal/sal/saltest"
	"atoll/internal/wire"
)

// boot starts a machine and waits until its guest is there.
func (e *env) boot(t *testing.T) (wire.MachineSpec, io.ReadWriteCloser) {
	t.Helper()
	spec := saltest.Spec(e.volume(t))
	if err := e.Start(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	console, err := e.Console(t.Context(), spec.ID)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { console.Close() })
	saltest.WaitText(t, console, "ready")
	return spec, console
}

func send(t *testing.T, console io.Writer, text string) {
	t.Helper()
	if _, err := io.WriteString(console, text); err != nil {
		t.Fatal(err)
	}
}

func (e *env) pid(t *testing.T, id cloud.MachineID) int {
	t.Helper()
	m, err := e.find(id)
	if err != nil {
		t.Fatal(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.pid == 0 {
		t.Fatal("the driver does not know the process")
	}
	return m.pid
}

func killHard(t *testing.T, pid int) {
	t.Helper()
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// without runs do while no agent runs.
func (e *env) without(t *testing.T, do func()) {
	t.Helper()
	e.Close()
	do()
	e.open(t)
}

func TestGuestPowersOff(t *testing.T) {
	e := newEnv(t)
	spec, console := e.boot(t)
	send(t, console, "q")
	s := saltest.WaitPower(t, e, spec.ID, cloud.PowerOff)
	if s.Detail != "the guest powered off" {
		t.Errorf("detail = %q", s.Detail)
	}
	if _, err := io.ReadAll(console); err != nil { // it ends
		t.Error(err)
	}
	if err := e.Start(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	saltest.WaitPower(t, e, spec.ID, cloud.PowerOn)
}

func TestCrash(t *testing.T) {
	e := newEnv(t)
	spec, _ := e.boot(t)
	killHard(t, e.pid(t, spec.ID))
	saltest.WaitPower(t, e, spec.ID, cloud.PowerCrashed)
	e.restart(t) // and a next agent knows it too
	saltest.WaitPower(t, e, spec.ID, cloud.PowerCrashed)
	if err := e.Start(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	saltest.WaitPower(t, e, spec.ID, cloud.PowerOn)
}

// What happens while no agent looks on is told by the next one.
func TestEndsWithoutAgent(t *testing.T) {
	e := newEnv(t)
	off, _ := e.boot(t)
	crashed, _ := e.boot(t)
	pid := e.pid(t, crashed.ID)
	e.without(t, func() {
		dir := filepath.Join(e.dir, string(off.ID))
		conn, err := dialIn(t.Context(), dir, consoleSocket)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		send(t, conn, "q")
		waitStatus(t, dir, statusShutdown)
		killHard(t, pid)
	})
	saltest.WaitPower(t, e, off.ID, cloud.PowerOff)
	saltest.WaitPower(t, e, crashed.ID, cloud.PowerCrashed)
}

// waitStatus waits for a run state as another client of QEMU.
func waitStatus(t *testing.T, dir, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	events := make(chan string, 100)
	q, err := dialQMP(ctx, dir, func(name string) { events <- name })
	if err != nil {
		t.Fatal(err)
	}
	defer q.close()
	for {
		status, err := q.status(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if status == want {
			return
		}
		select {
		case <-events:
		case <-ctx.Done():
			t.Fatalf("QEMU is %s, want %s", status, want)
		}
	}
}

func TestHostReboots(t *testing.T) {
	e := newEnv(t)
	lost, _ := e.boot(t)
	stopped, _ := e.boot(t)
	if err := e.Stop(t.Context(), wire.MachineStop{MachineRef: stopped.MachineRef}); err != nil {
		t.Fatal(err)
	}
	pid, before := e.pid(t, lost.ID), e.Driver.boot
	e.without(t, func() {
		killHard(t, pid)
		e.cfg.BootID = "the next boot"
	})
	if s := saltest.WaitPower(t, e, lost.ID, cloud.PowerOff); s.HostBoot != before {
		t.Errorf("host boot of the lost machine = %q, want %q", s.HostBoot, before)
	}
	if s := saltest.WaitPower(t, e, stopped.ID, cloud.PowerOff); s.HostBoot != e.cfg.BootID {
		t.Errorf("host boot of the machine that was off = %q, want %q: it did not go down", s.HostBoot, e.cfg.BootID)
	}
}

func TestReboot(t *testing.T) {
	e := newEnv(t)
	spec, console := e.boot(t)
	pid := e.pid(t, spec.ID)
	reboot := func() time.Duration {
		begin := time.Now()
		if err := e.Reboot(t.Context(), spec.MachineRef); err != nil {
			t.Fatal(err)
		}
		saltest.WaitText(t, console, "ready")
		return time.Since(begin)
	}
	if took := reboot(); took >= e.cfg.Grace {
		t.Errorf("a guest that obeys took %v", took)
	}
	send(t, console, "d") // and one that does not
	send(t, console, "x")
	saltest.WaitText(t, console, "x")
	e.Driver.cfg.Grace = 200 * time.Millisecond
	reboot()
	send(t, console, "r") // the guest may do so by itself
	saltest.WaitText(t, console, "ready")
	saltest.WaitPower(t, e, spec.ID, cloud.PowerOn)
	if now := e.pid(t, spec.ID); now != pid {
		t.Errorf("process %d became %d", pid, now)
	}
}

func TestStopOfDeafGuest(t *testing.T) {
	e := newEnv(t)
	spec, console := e.boot(t)
	send(t, console, "dx")
	saltest.WaitText(t, console, "x")
	if err := e.Stop(t.Context(), wire.MachineStop{MachineRef: spec.MachineRef, GraceMS: 100}); err != nil {
		t.Fatal(err)
	}
	if s := saltest.WaitPower(t, e, spec.ID, cloud.PowerOff); s.Detail != "it was switched off" {
		t.Errorf("detail = %q", s.Detail)
	}
}

// An agent killed in the middle of a start or stop leaves a process whose record
// has ended: the next agent ends it.
func TestUnfinishedStop(t *testing.T) {
	e := newEnv(t)
	spec, _ := e.boot(t)
	dir := filepath.Join(e.dir, string(spec.ID))
	e.without(t, func() {
		rec, err := loadRecord(dir)
		if err != nil {
			t.Fatal(err)
		}
		rec.Ended = &ended{Power: cloud.PowerOff, Detail: "it was switched off"}
		if err := rec.save(dir); err != nil {
			t.Fatal(err)
		}
	})
	saltest.WaitPower(t, e, spec.ID, cloud.PowerOff)
}

// A QEMU that does not answer is ended all the same.
func TestStopOfFrozenProcess(t *testing.T) {
	e := newEnv(t)
	spec, _ := e.boot(t)
	if err := unix.Kill(e.pid(t, spec.ID), unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := e.Stop(t.Context(), wire.MachineStop{MachineRef: spec.MachineRef}); err != nil {
		t.Fatal(err)
	}
	saltest.WaitPower(t, e, spec.ID, cloud.PowerOff)
}

// A running QEMU has no rights that it does not need.
func TestConfined(t *testing.T) {
	e := newEnv(t)
	spec, _ := e.boot(t)
	proc := "/proc/" + strconv.Itoa(e.pid(t, spec.ID))
	status := readFile(t, proc+"/status")
	for _, want := range []string{"\nUid:\t18", "\nCapEff:\t0000000000000000\n", "\nSeccomp:\t2\n"} {
		if !strings.Contains(status, want) {
			t.Errorf("no %q in the process's status:\n%s", want, status)
		}
	}
	if session, err := unix.Getsid(e.pid(t, spec.ID)); session != e.pid(t, spec.ID) || err != nil {
		t.Errorf("session = %d, %v, want one of its own", session, err)
	}
}
