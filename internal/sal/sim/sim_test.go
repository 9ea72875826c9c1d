package sim

import (
	"context"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/sal"
	"atoll/internal/wire"
)

func newNode(t *testing.T, c Config) *Node {
	t.Helper()
	f, err := NewFleet(c)
	must(t, err)
	return f.Node("sim-1")
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantKind(t *testing.T, err error, want cloud.ErrorKind) {
	t.Helper()
	if !cloud.Is(err, want) {
		t.Fatalf("error = %v (kind %q), want kind %q", err, cloud.KindOf(err), want)
	}
}

func wantField(t *testing.T, err error, kind cloud.ErrorKind, field string) {
	t.Helper()
	wantKind(t, err, kind)
	if e := err.(*cloud.Error); e.Field != field {
		t.Errorf("error %v has the field %q, want %q", err, e.Field, field)
	}
}

func TestConfig(t *testing.T) {
	for _, tt := range []struct {
		field string
		c     Config
	}{
		{"fault_rate", Config{Faults: Faults{Rate: 1.5}}},
		{"faults", Config{Faults: Faults{Hang: -1}}},
		{"faults.away", Config{Faults: Faults{Away: Latency{Base: -1}}}},
		{"latency", Config{Profile: Profile{Latency: map[Call]Latency{MachineStart: {Jitter: -1}}}}},
		{"shapes.0", Config{Profile: Profile{Shapes: []Shape{{CPUs: 1}}}}},
	} {
		_, err := NewFleet(tt.c)
		wantField(t, err, cloud.Invalid, tt.field)
	}
}

func TestFacts(t *testing.T) {
	f, err := NewFleet(Config{Seed: 7, Profile: Typical()})
	must(t, err)
	cpus := map[int]bool{}
	boots := map[string]bool{}
	for i := range 30 {
		name := fmt.Sprintf("sim-%03d", i)
		n := f.Node(name)
		facts, err := n.SAL().Host.Facts(t.Context())
		must(t, err)
		again, err := f.Node(name).SAL().Host.Facts(t.Context())
		must(t, err)
		if !reflect.DeepEqual(facts, again) {
			t.Fatalf("two nodes of one name differ: %+v, %+v", facts, again)
		}
		if facts.Hostname != name || facts.Accelerator != "sim" || facts.DiskFreeMiB != facts.DiskMiB || facts.DiskMiB < 1<<19 || !cloud.IsID(facts.BootID) {
			t.Fatalf("facts = %+v", facts)
		}
		if !strings.HasPrefix(facts.Addresses[0], "198.1") {
			t.Errorf("address = %v", facts.Addresses)
		}
		cpus[facts.CPUs], boots[facts.BootID] = true, true
	}
	if len(cpus) != 3 || len(boots) != 30 {
		t.Errorf("30 nodes have CPUs %v and %d boot ids, want all three shapes and 30", cpus, len(boots))
	}
}

// One seed and one order of calls give one behaviour, faults and times included.
func TestDeterministic(t *testing.T) {
	play := func(seed uint64) (log string) {
		synctest.Test(t, func(t *testing.T) {
			n := newNode(t, Config{Seed: seed, Profile: Typical(), Faults: Faults{Rate: 0.3}})
			began := time.Now()
			for range 100 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				err := n.SAL().Volumes.Delete(ctx, "none")
				cancel()
				log += fmt.Sprintln(time.Since(began), err, n.Down(), n.Lost())
			}
		})
		return log
	}
	a, b, c := play(1), play(1), play(2)
	if a != b {
		t.Error("the same seed gave two behaviours")
	}
	if a == c {
		t.Error("two seeds gave the same behaviour")
	}
}

func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, Config{Profile: Profile{Latency: map[Call]Latency{
			NetworkEnsure: {Base: time.Second, Jitter: time.Second},
		}}})
		began := time.Now()
		must(t, n.SAL().Networks.Ensure(t.Context(), network1()))
		if d := time.Since(began); d < time.Second || d > 2*time.Second {
			t.Errorf("network.ensure took %s, want 1 to 2 s", d)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		spec := network1()
		spec.Generation = 9
		wantKind(t, n.SAL().Networks.Ensure(ctx, spec), cloud.Timeout)
		spec.Generation = 5 // the call that was given up changed nothing
		must(t, n.SAL().Networks.Ensure(t.Context(), spec))
	})
}

// Ten thousand idle nodes fit in one process.
func TestIdleNodeIsSmall(t *testing.T) {
	f, err := NewFleet(Config{Profile: Typical()})
	must(t, err)
	const count = 10_000
	nodes := make([]*Node, count)
	seam := make([]sal.Node, count)
	goroutines := runtime.NumGoroutine()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range nodes {
		nodes[i] = f.Node(fmt.Sprintf("sim-%05d", i))
		seam[i] = nodes[i].SAL()
		if _, err := seam[i].Host.Facts(canceled()); err == nil {
			t.Fatal("a canceled call succeeded")
		}
		if list, err := nodes[i].list(); err != nil || len(list) != 0 {
			t.Fatalf("list = %v, %v", list, err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if each := int64(after.HeapAlloc-before.HeapAlloc) / count; each > 768 {
		t.Errorf("an idle node takes %d bytes, want at most 768", each)
	} else {
		t.Logf("an idle node takes %d bytes", each)
	}
	if g := runtime.NumGoroutine(); g > goroutines {
		t.Errorf("%d goroutines run, want %d", g, goroutines)
	}
	runtime.KeepAlive(seam)
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// list is List without the latency of the profile.
func (n *Node) list() ([]wire.MachineState, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.machines == nil {
		return nil, nil
	}
	return nil, fmt.Errorf("%d machines", len(n.machines))
}

// Everything at the same time, for the race detector: nothing is lost in the end.
func TestConcurrentCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, Config{Profile: Typical(), Faults: Faults{Rate: 0.3, Away: Latency{Base: time.Second, Jitter: time.Second}}})
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				s := n.SAL()
				for range 20 {
					ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
					volume := cloud.NewID[cloud.DiskID]()
					ref := wire.MachineRef{ID: cloud.NewID[cloud.MachineID](), Epoch: 1}
					s.Volumes.Ensure(ctx, wire.VolumeArgs{ID: volume, SizeGiB: 1})
					s.Machines.Start(ctx, wire.MachineSpec{MachineRef: ref, Name: "m", VCPUs: 1, MemoryMiB: 64, Disks: []cloud.DiskID{volume}})
					s.Processes.Run(ctx, sal.Command{Name: string(volume), Argv: []string{"true"}, RunAs: "root"})
					s.Machines.List(ctx)
					cancel()
					for s.Machines.Delete(t.Context(), ref) != nil || s.Volumes.Delete(t.Context(), volume) != nil {
						must(t, n.SetFaults(Faults{}))
						time.Sleep(time.Second)
					}
				}
			})
		}
		wg.Wait()
		time.Sleep(n.Down())
		machines, err := n.SAL().Machines.List(t.Context())
		must(t, err)
		volumes, err := n.SAL().Volumes.List(t.Context())
		must(t, err)
		if len(machines)+len(volumes)+len(n.commands) != 0 {
			t.Errorf("left: machines %v, volumes %v, commands %v", machines, volumes, n.commands)
		}
	})
}
