package saltest

import (
	"slices"
	"sync"
	"testing"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/sal"
	"atoll/internal/wire"
)

// MachinesEnv is a fresh driver of machines.
type MachinesEnv struct {
	Machines sal.Machines
	// Volume makes a volume. If guests are real, it boots one that prints "ready"
	// on its serial console, echoes what it reads there, and obeys the power button.
	Volume func(t *testing.T) cloud.DiskID
	// Real says that guests are executed.
	Real bool
	// Restart returns a new driver on what the first one has, as a restarted
	// agent would; nil if the driver keeps its machines in memory.
	Restart func(t *testing.T) sal.Machines
}

// waitLimit bounds how long a state is waited for; nothing here depends on it.
const waitLimit = 30 * time.Second

// Machines tests a driver of machines.
func Machines(t *testing.T, newEnv func(t *testing.T) MachinesEnv) {
	for name, test := range map[string]func(*testing.T, MachinesEnv){
		"probe":                 machinesProbe,
		"start, stop, delete":   machinesLife,
		"bad arguments":         machinesBadArgs,
		"epochs":                machinesEpochs,
		"epoch after a delete":  machinesTombstone,
		"reboot":                machinesReboot,
		"at the same time":      machinesConcurrent,
		"delete while stopping": machinesDeleteWins,
		"console":               machinesConsole,
		"agent restarts":        machinesRestart,
		"usage":                 machinesUsage,
	} {
		t.Run(name, func(t *testing.T) { test(t, newEnv(t)) })
	}
}

// Spec returns a specification for a small machine that boots from the volume.
func Spec(disk cloud.DiskID) wire.MachineSpec {
	return wire.MachineSpec{
		MachineRef: wire.MachineRef{ID: cloud.NewID[cloud.MachineID](), Epoch: 1},
		Name:       "test", VCPUs: 1, MemoryMiB: 64, Disks: []cloud.DiskID{disk},
		Seed: wire.Seed{MetaData: "instance-id: test\n", UserData: "#cloud-config\n"},
	}
}

func hardStop(spec wire.MachineSpec) wire.MachineStop {
	return wire.MachineStop{MachineRef: spec.MachineRef}
}

// waitReady waits until a real guest listens, so that it obeys at once.
func waitReady(t *testing.T, env MachinesEnv, id cloud.MachineID) {
	t.Helper()
	if !env.Real {
		return
	}
	console, err := env.Machines.Console(t.Context(), id)
	must(t, err)
	WaitText(t, console, "ready")
	must(t, console.Close())
}

func machinesProbe(t *testing.T, env MachinesEnv) {
	got, err := env.Machines.Probe(t.Context())
	must(t, err)
	if want := []string{"kvm", "tcg"}; env.Real != slices.Contains(want, got) {
		t.Errorf("Probe() = %q with real guests: %v", got, env.Real)
	}
}

func machinesLife(t *testing.T, env MachinesEnv) {
	ctx, ms := t.Context(), env.Machines
	spec := Spec(env.Volume(t))
	must(t, ms.Start(ctx, spec))
	s := WaitPower(t, ms, spec.ID, cloud.PowerOn)
	if s.Epoch != spec.Epoch || s.HostBoot == "" {
		t.Errorf("state = %+v, want epoch %d and a host boot", s, spec.Epoch)
	}
	must(t, ms.Start(ctx, spec)) // stays as it is
	waitReady(t, env, spec.ID)

	must(t, ms.Stop(ctx, wire.MachineStop{MachineRef: spec.MachineRef, GraceMS: 5000}))
	WaitPower(t, ms, spec.ID, cloud.PowerOff)
	must(t, ms.Stop(ctx, hardStop(spec)))

	must(t, ms.Start(ctx, spec))
	WaitPower(t, ms, spec.ID, cloud.PowerOn)
	must(t, ms.Stop(ctx, hardStop(spec)))
	WaitPower(t, ms, spec.ID, cloud.PowerOff)

	must(t, ms.Delete(ctx, spec.MachineRef))
	must(t, ms.Delete(ctx, spec.MachineRef))
	if _, ok := find(t, ms, spec.ID); ok {
		t.Error("the deleted machine is listed")
	}
	must(t, ms.Stop(ctx, hardStop(spec))) // one that is not there is off
	wantKind(t, "reboot of none", ms.Reboot(ctx, spec.MachineRef), cloud.NotFound)
	_, err := ms.Console(ctx, spec.ID)
	wantKind(t, "console of none", err, cloud.NotFound)
	_, err = ms.Screen(ctx, spec.ID)
	wantKind(t, "screen of none", err, cloud.NotFound)
}

func machinesBadArgs(t *testing.T, env MachinesEnv) {
	disk := env.Volume(t)
	for name, change := range map[string]func(*wire.MachineSpec){
		"id":     func(s *wire.MachineSpec) { s.ID = "../../etc" },
		"name":   func(s *wire.MachineSpec) { s.Name = "a,uuid=b" },
		"vcpus":  func(s *wire.MachineSpec) { s.VCPUs = 0 },
		"memory": func(s *wire.MachineSpec) { s.MemoryMiB = 1 },
		"disks":  func(s *wire.MachineSpec) { s.Disks = nil },
		"mac": func(s *wire.MachineSpec) {
			s.NICs = []wire.NIC{{Network: cloud.NewID[cloud.CloudspaceID](), MAC: "52:54:00:00:00:01,script=/bin/sh"}}
		},
	} {
		spec := Spec(disk)
		change(&spec)
		wantKind(t, name, env.Machines.Start(t.Context(), spec), cloud.Invalid)
	}
	missing := Spec(cloud.NewID[cloud.DiskID]())
	wantKind(t, "no such volume", env.Machines.Start(t.Context(), missing), cloud.NotFound)
	if all, err := env.Machines.List(t.Context()); len(all) != 0 || err != nil {
		t.Errorf("List() = %v, %v after starts that were refused, want none", all, err)
	}
}

func machinesEpochs(t *testing.T, env MachinesEnv) {
	ctx, ms := t.Context(), env.Machines
	spec := Spec(env.Volume(t))
	spec.Epoch = 5
	must(t, ms.Start(ctx, spec))
	old := spec
	old.Epoch = 4
	wantKind(t, "stale start", ms.Start(ctx, old), cloud.Conflict)
	wantKind(t, "stale stop", ms.Stop(ctx, hardStop(old)), cloud.Conflict)
	wantKind(t, "stale reboot", ms.Reboot(ctx, old.MachineRef), cloud.Conflict)
	wantKind(t, "stale delete", ms.Delete(ctx, old.MachineRef), cloud.Conflict)
	WaitPower(t, ms, spec.ID, cloud.PowerOn)

	spec.Epoch = 6
	must(t, ms.Start(ctx, spec))
	if s := WaitPower(t, ms, spec.ID, cloud.PowerOn); s.Epoch != 6 {
		t.Errorf("epoch = %d after a start with a newer one, want 6", s.Epoch)
	}
	must(t, ms.Delete(ctx, spec.MachineRef))
}

func machinesTombstone(t *testing.T, env MachinesEnv) {
	ctx, ms := t.Context(), env.Machines
	spec := Spec(env.Volume(t))
	must(t, ms.Delete(ctx, wire.MachineRef{ID: spec.ID, Epoch: 3})) // it was never here
	wantKind(t, "late start", ms.Start(ctx, spec), cloud.Conflict)
	spec.Epoch = 4
	must(t, ms.Start(ctx, spec))
	must(t, ms.Delete(ctx, wire.MachineRef{ID: spec.ID, Epoch: 5}))
	wantKind(t, "late start", ms.Start(ctx, spec), cloud.Conflict)
	if env.Restart != nil {
		ms = env.Restart(t)
		wantKind(t, "late start after a restart of the agent", ms.Start(ctx, spec), cloud.Conflict)
	}
}

func machinesReboot(t *testing.T, env MachinesEnv) {
	ctx, ms := t.Context(), env.Machines
	spec := Spec(env.Volume(t))
	must(t, ms.Start(ctx, spec))
	waitReady(t, env, spec.ID)
	must(t, ms.Reboot(ctx, spec.MachineRef))
	WaitPower(t, ms, spec.ID, cloud.PowerOn)
	must(t, ms.Stop(ctx, hardStop(spec)))
	wantKind(t, "reboot of a machine that is off", ms.Reboot(ctx, spec.MachineRef), cloud.Conflict)
	must(t, ms.Delete(ctx, spec.MachineRef))
}

func machinesConcurrent(t *testing.T, env MachinesEnv) {
	ctx, ms := t.Context(), env.Machines
	spec := Spec(env.Volume(t))
	for name, do := range map[string]func() error{
		"start":  func() error { return ms.Start(ctx, spec) },
		"stop":   func() error { return ms.Stop(ctx, hardStop(spec)) },
		"delete": func() error { return ms.Delete(ctx, spec.MachineRef) },
	} {
		if name != "start" {
			must(t, ms.Start(ctx, spec))
		}
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if err := do(); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			})
		}
		wg.Wait()
		all, err := ms.List(ctx)
		if must(t, err); len(all) > 1 {
			t.Errorf("after %s: %v, want at most one machine", name, all)
		}
	}
	must(t, ms.Delete(ctx, spec.MachineRef))
}

// A delete does not wait for the grace of a stop, and neither fails.
func machinesDeleteWins(t *testing.T, env MachinesEnv) {
	ctx, ms := t.Context(), env.Machines
	spec := Spec(env.Volume(t))
	must(t, ms.Start(ctx, spec))
	stopped := make(chan error, 1)
	go func() {
		stopped <- ms.Stop(ctx, wire.MachineStop{MachineRef: spec.MachineRef, GraceMS: time.Hour.Milliseconds()})
	}()
	must(t, ms.Delete(ctx, spec.MachineRef))
	select {
	case err := <-stopped:
		must(t, err)
	case <-time.After(waitLimit):
		t.Fatal("Stop waits for a machine that was deleted")
	}
}

func machinesConsole(t *testing.T, env MachinesEnv) {
	ctx, ms := t.Context(), env.Machines
	spec := Spec(env.Volume(t))
	must(t, ms.Start(ctx, spec))
	one, err := ms.Console(ctx, spec.ID)
	must(t, err)
	two, err := ms.Console(ctx, spec.ID)
	must(t, err)
	if env.Real {
		WaitText(t, one, "ready")
		_, err := one.Write([]byte("xyz"))
		must(t, err)
		WaitText(t, one, "xyz")
		WaitText(t, two, "ready\r\nxyz")
	}
	must(t, one.Close())
	must(t, two.Close())
	screen, err := ms.Screen(ctx, spec.ID)
	must(t, err)
	if env.Real {
		WaitText(t, screen, "RFB 003")
	}
	must(t, screen.Close())
	must(t, ms.Delete(ctx, spec.MachineRef))
}

func machinesRestart(t *testing.T, env MachinesEnv) {
	if env.Restart == nil {
		return // such a driver is its own host: nothing of it is found again
	}
	ctx := t.Context()
	on, off := Spec(env.Volume(t)), Spec(env.Volume(t))
	for _, spec := range []wire.MachineSpec{on, off} {
		must(t, env.Machines.Start(ctx, spec))
	}
	must(t, env.Machines.Stop(ctx, hardStop(off)))
	before := WaitPower(t, env.Machines, on.ID, cloud.PowerOn)

	ms := env.Restart(t)
	if s := WaitPower(t, ms, on.ID, cloud.PowerOn); s != before {
		t.Errorf("state after a restart of the agent = %+v, want %+v", s, before)
	}
	WaitPower(t, ms, off.ID, cloud.PowerOff)
	old := on
	old.Epoch--
	wantKind(t, "stale start", ms.Start(ctx, old), cloud.Conflict)
	must(t, ms.Start(ctx, on))
	must(t, ms.Delete(ctx, on.MachineRef))
	must(t, ms.Delete(ctx, off.MachineRef))
}

func machinesUsage(t *testing.T, env MachinesEnv) {
	ctx, ms := t.Context(), env.Machines
	spec := Spec(env.Volume(t))
	usage := func() wire.Usage {
		t.Helper()
		all, err := ms.Usage(ctx)
		must(t, err)
		for _, u := range all {
			if u.Machine == spec.ID {
				return u
			}
		}
		return wire.Usage{}
	}
	must(t, ms.Start(ctx, spec))
	first := usage()
	if first.Since == 0 {
		t.Fatal("a machine that runs has no usage")
	}
	for deadline := time.Now().Add(waitLimit); first.Read == 0; first = usage() { // it boots from its disk
		if time.Now().After(deadline) {
			t.Fatalf("usage = %+v, want that the machine read from its disk", first)
		}
		time.Sleep(time.Millisecond)
	}
	must(t, ms.Stop(ctx, hardStop(spec)))
	WaitPower(t, ms, spec.ID, cloud.PowerOff)
	last := usage()
	if last.Since != first.Since || last.Read < first.Read || last.Written < first.Written {
		t.Errorf("usage after the stop = %+v, want no less than %+v of the same run", last, first)
	}
	if env.Restart != nil {
		if ms = env.Restart(t); usage() != last {
			t.Errorf("usage after a restart of the agent = %+v, want %+v", usage(), last)
		}
	}
	must(t, ms.Start(ctx, spec))
	if second := usage(); second.Since <= first.Since {
		t.Errorf("usage of the second run = %+v, want a later start than %v", second, first.Since)
	}
	must(t, ms.Delete(ctx, spec.MachineRef))
	if u := usage(); u != (wire.Usage{}) {
		t.Errorf("usage of a deleted machine = %+v", u)
	}
}

// WaitPower waits until the machine is listed with the power, by Changed and List
// as an agent does, and returns its state.
func WaitPower(t *testing.T, ms sal.Machines, id cloud.MachineID, want cloud.Power) wire.MachineState {
	t.Helper()
	timeout := time.After(waitLimit)
	for {
		s, _ := find(t, ms, id)
		if s.Power == want {
			return s
		}
		select {
		case <-ms.Changed():
		case <-timeout:
			t.Fatalf("machine is %+v and nothing changed in %v, want power %s", s, waitLimit, want)
		}
	}
}

func find(t *testing.T, ms sal.Machines, id cloud.MachineID) (wire.MachineState, bool) {
	t.Helper()
	all, err := ms.List(t.Context())
	must(t, err)
	for _, s := range all {
		if s.ID == id {
			return s, true
		}
	}
	return wire.MachineState{}, false
}
