package sim

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/sal"
	"atoll/internal/wire"
)

// only makes every call meet one kind of fault.
func only(set func(*Faults)) Faults {
	f := Faults{Rate: 1, Away: Latency{Base: time.Minute}}
	set(&f)
	return f
}

func TestFaultRate(t *testing.T) {
	n := newNode(t, Config{Seed: 3, Faults: Faults{Rate: 0.2, Refuse: 1}})
	failed := 0
	for range 1000 {
		if err := n.SAL().Volumes.Delete(t.Context(), "none"); err != nil {
			wantKind(t, err, cloud.Unavailable)
			failed++
		}
		if _, err := n.SAL().Machines.List(t.Context()); err != nil {
			t.Fatalf("a reading call met a fault: %v", err)
		}
	}
	if failed < 150 || failed > 250 {
		t.Errorf("%d of 1000 calls failed at a rate of 0.2", failed)
	}
	must(t, n.SetFaults(Faults{}))
	for range 100 {
		must(t, n.SAL().Volumes.Delete(t.Context(), "none"))
	}
	wantKind(t, n.SetFaults(Faults{Rate: -1}), cloud.Invalid)
}

// What was refused has happened about half of the time.
func TestRefuseBeforeAndAfter(t *testing.T) {
	n := newNode(t, Config{Faults: only(func(f *Faults) { f.Refuse = 1 })})
	for range 100 {
		wantKind(t, n.SAL().Volumes.Ensure(t.Context(), wire.VolumeArgs{ID: cloud.NewID[cloud.DiskID](), SizeGiB: 1}), cloud.Unavailable)
	}
	if done := len(n.volumes); done < 30 || done > 70 {
		t.Errorf("%d of 100 refused calls were done, want about half", done)
	}
	for range 20 {
		exit, err := n.SAL().Processes.Run(t.Context(), sal.Command{Name: "a", Argv: []string{"true"}, RunAs: "root"})
		if wantKind(t, err, cloud.Unavailable); exit.Simulated {
			t.Error("a refused command ran")
		}
	}
}

func TestHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, Config{Faults: only(func(f *Faults) { f.Hang = 1 })})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		began := time.Now()
		err := n.SAL().Volumes.Delete(ctx, "none")
		wantKind(t, err, cloud.Timeout)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Hour {
			t.Errorf("after %s: %v, want the end of the context", time.Since(began), err)
		}
	})
}

// harness is a Harness that kills an agent as it should.
type harness struct {
	mu      sync.Mutex
	kill    context.CancelFunc
	crashed []Outage
	lost    []Outage
}

func (h *harness) Crashed(_ *Node, o Outage) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.crashed = append(h.crashed, o)
	h.kill()
}

func (h *harness) Lost(_ *Node, o Outage) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lost = append(h.lost, o)
}

func TestCrashReachesHarness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &harness{}
		n := newNode(t, Config{Harness: h, Profile: Typical(), Faults: only(func(f *Faults) { f.Crash = 1 })})
		agent, kill := context.WithCancel(t.Context())
		h.kill = kill
		// Another call is in progress when the agent dies.
		other := make(chan sal.Exit)
		go func() {
			must(t, n.SetFaults(Faults{}))
			exit, err := n.SAL().Processes.Run(agent, sal.Command{Name: "other", Argv: []string{"sleep", "1h"}, RunAs: "root"})
			if err != nil {
				t.Error(err)
			}
			other <- exit
		}()
		synctest.Wait()
		must(t, n.SetFaults(only(func(f *Faults) { f.Crash = 1 })))
		wantKind(t, n.SAL().Volumes.Delete(agent, "none"), cloud.Unavailable)
		if agent.Err() == nil {
			t.Fatal("the call came back before the harness killed the agent")
		}
		if exit := <-other; !exit.Killed {
			t.Errorf("exit = %+v, want killed", exit)
		}
		if len(h.crashed) != 1 || h.crashed[0] != (Outage{Away: time.Minute}) || n.Down() != time.Minute {
			t.Fatalf("crashed = %v, down for %s", h.crashed, n.Down())
		}
		must(t, n.SetFaults(Faults{}))
		_, err := n.SAL().Host.Facts(t.Context())
		wantKind(t, err, cloud.Unavailable)

		time.Sleep(n.Down()) // and it comes back
		names, err := n.SAL().Processes.Remnants(t.Context())
		must(t, err)
		if !slices.Equal(names, []string{"other"}) {
			t.Errorf("Remnants() = %v, want the command that ran", names)
		}
		names, err = n.SAL().Processes.Remnants(t.Context())
		if err != nil || len(names) != 0 {
			t.Errorf("Remnants() again = %v, %v", names, err)
		}
	})
}

func TestHostCrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, Config{})
		s, spec := n.SAL(), machine1(t, n)
		must(t, s.Machines.Start(t.Context(), spec))
		<-s.Machines.Changed()
		facts, err := s.Host.Facts(t.Context())
		must(t, err)
		n.Crash(Outage{Host: true, Away: time.Minute})
		wantKind(t, s.Machines.Start(t.Context(), spec), cloud.Unavailable)
		time.Sleep(time.Minute)
		<-s.Machines.Changed()
		got := state(t, n)
		if got.Power != cloud.PowerOff || got.HostBoot != facts.BootID {
			t.Errorf("state = %+v, want off since boot %s", got, facts.BootID)
		}
		if after, err := s.Host.Facts(t.Context()); err != nil || after.BootID == facts.BootID {
			t.Errorf("the boot id is still %s, %v", after.BootID, err)
		}
		if len(n.Taps()) != 0 {
			t.Errorf("taps after the boot: %v", n.Taps())
		}
		must(t, s.Machines.Start(t.Context(), spec))
		if got := state(t, n); got.Power != cloud.PowerOn || got.HostBoot == facts.BootID || len(n.Taps()) != 1 {
			t.Errorf("state = %+v, taps %v", got, n.Taps())
		}
	})
}

// A call that was in progress when the host went down changes nothing after it.
func TestHostCrashDuringCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, Config{Profile: Profile{Latency: map[Call]Latency{MachineStart: {Base: time.Hour}}}})
		spec := machine1(t, n)
		done := make(chan error)
		go func() { done <- n.SAL().Machines.Start(t.Context(), spec) }()
		synctest.Wait()
		n.Crash(Outage{Host: true, Away: time.Second})
		wantKind(t, <-done, cloud.Unavailable)
		if list, err := n.SAL().Machines.List(t.Context()); err != nil || len(list) != 0 {
			t.Errorf("List() = %v, %v, want none", list, err)
		}
	})
}

// A node that lost its network goes on working.
func TestLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &harness{}
		n := newNode(t, Config{Harness: h, Faults: only(func(f *Faults) { f.Loss = 1 })})
		must(t, n.SAL().Volumes.Delete(t.Context(), "none"))
		if n.Lost() != time.Minute || len(h.lost) != 1 || h.lost[0].Away != time.Minute {
			t.Errorf("lost for %s, harness: %v", n.Lost(), h.lost)
		}
		time.Sleep(time.Minute)
		if n.Lost() != 0 {
			t.Errorf("lost for another %s", n.Lost())
		}
	})
}

func TestDefaultShares(t *testing.T) {
	n := newNode(t, Config{Seed: 5})
	seen := map[fault]int{}
	f := Faults{Rate: 1}
	for range 10_000 {
		kind, _ := f.draw(newRand(n))
		seen[kind]++
	}
	for i, share := range DefaultShares {
		if got := seen[faultRefuse+fault(i)]; got < share*80 || got > share*120 {
			t.Errorf("fault %d came %d times of 10,000, want about %d", i, got, share*100)
		}
	}
}
