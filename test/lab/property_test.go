package lab

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/control"
	"atoll/internal/sal/sim"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
)

// TestLedgerUnderFaults lets users, faults and restarts of agents race, with
// limits that are often reached. At the end nothing is stuck, and balances,
// entries and objects say the same.
func TestLedgerUnderFaults(t *testing.T) {
	t.Parallel()
	for _, seed := range []uint64{1, 2, 3} {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				l := New(t, db, 3, sim.Config{Seed: seed})
				l.image("disk")
				limits := map[cloud.Resource]int64{
					cloud.ResourceMachines: 5, cloud.ResourceMemoryMiB: 3000, cloud.ResourceRunningMemoryMiB: 2000, cloud.ResourcePortForwards: 3,
				}
				a, err := l.Control.Account(t.Context(), l.Admin, "default")
				if err == nil {
					_, _, err = l.Control.SetLimits(t.Context(), l.Admin, cloud.Scope{Kind: cloud.KindAccount, ID: string(a.ID)}, limits)
				}
				if err != nil {
					t.Fatal(err)
				}
				l.faults(sim.Faults{Rate: 0.15, Refuse: 70, Crash: 20, HostCrash: 10, Away: sim.Latency{Base: 20 * time.Millisecond, Jitter: 200 * time.Millisecond}})
				var wg sync.WaitGroup
				for w := range uint64(4) {
					wg.Go(func() { l.user(rand.New(rand.NewPCG(seed, w)), 25) })
				}
				wg.Go(func() { l.restarts(rand.New(rand.NewPCG(seed, 100)), 6) })
				wg.Wait()
				l.faults(sim.Faults{})
				l.quiet()
				l.Sound()
				l.underLimits(a.ID, limits)
				for _, m := range l.machines() {
					_, o, err := l.Control.DeleteMachine(t.Context(), l.Admin, control.MachineRef{Machine: string(m.ID)}, false)
					l.Done(o, err)
				}
				l.quiet()
				l.Sound()
				l.empty()
			})
		})
	}
}

func (l *Lab) faults(f sim.Faults) {
	for _, n := range l.nodes {
		if err := n.Sim.SetFaults(f); err != nil {
			l.T.Error(err)
		}
	}
}

func (l *Lab) machines() []cloud.Machine {
	l.T.Helper()
	list, _, err := l.Control.Machines(l.T.Context(), l.Admin, control.Query{Limit: 200})
	if err != nil {
		l.T.Fatal(err)
	}
	return list
}

// user does n things and waits for some of them. What is refused is as good as
// what is done.
func (l *Lab) user(r *rand.Rand, n int) {
	ctx := l.T.Context()
	sizes := []string{"tiny", "small"}
	for range n {
		var o *cloud.Operation
		var err error
		list := l.machines()
		pick := r.IntN(10)
		if len(list) == 0 {
			pick = 0
		}
		var ref control.MachineRef
		if len(list) > 0 {
			ref.Machine = string(list[r.IntN(len(list))].ID)
		}
		switch pick {
		case 0, 1, 2:
			_, o, err = l.Control.CreateMachine(ctx, l.Admin, control.NewMachine{
				Account: "default", Cloudspace: "default", Name: fmt.Sprintf("m-%d", r.IntN(1e6)), Image: "disk", Size: sizes[r.IntN(2)],
				RunStrategy: cloud.RunStrategies[r.IntN(3)],
			})
		case 3:
			_, o, err = l.Control.StartMachine(ctx, l.Admin, ref)
		case 4, 5:
			_, o, err = l.Control.StopMachine(ctx, l.Admin, ref, control.StopOptions{Force: r.IntN(2) == 0})
		case 6:
			_, o, err = l.Control.UpdateMachine(ctx, l.Admin, ref, control.MachineChange{Size: &sizes[r.IntN(2)]})
		case 7:
			_, o, err = l.Control.CreatePortForward(ctx, l.Admin, control.NewPortForward{Machine: ref, PublicPort: 2000 + r.Int64N(50), Port: 22})
		case 8:
			_, o, err = l.Control.RebootMachine(ctx, l.Admin, ref)
		case 9:
			_, o, err = l.Control.DeleteMachine(ctx, l.Admin, ref, r.IntN(3) == 0)
		}
		switch k := cloud.KindOf(err); {
		case k == cloud.Internal:
			l.T.Errorf("internal error: %v", err)
		case err != nil || o == nil:
		case r.IntN(8) == 0:
			err := l.Control.CancelOperation(ctx, l.Admin, o.ID)
			if err != nil && !cloud.Is(err, cloud.Conflict) {
				l.T.Errorf("cancel: %v", err)
			}
		case r.IntN(2) == 0:
			l.Ended(o.ID)
		}
	}
}

// restarts stops agents and starts them again.
func (l *Lab) restarts(r *rand.Rand, n int) {
	for range n {
		node := l.Node(fmt.Sprintf("sim-%d", 1+r.IntN(3)))
		node.Stop()
		l.Restart(node)
		l.jobEnds(l.Controller, l.command(l.Controller, node.Name, "uname").ID)
	}
}

// quiet waits until no operation lives and what was observed is answered.
func (l *Lab) quiet() {
	l.T.Helper()
	calm := time.Now()
	l.Until("no operation lives", func() bool {
		live := false
		err := l.DB.View(l.T.Context(), func(tx *store.Tx) error {
			list, _, err := tx.Operations(store.Query{Limit: 200, Sort: "-created_at", Visible: store.Everything})
			for i := range list {
				live = live || list[i].State.Live()
			}
			return err
		})
		if err != nil {
			l.T.Fatal(err)
		}
		for _, m := range l.machines() {
			live = live || m.State == cloud.MachineRunning && m.ObservedPower != cloud.PowerOn || m.State == cloud.MachineStopped && m.ObservedPower == cloud.PowerOn
		}
		if live {
			calm = time.Now()
		}
		return time.Since(calm) > 4*settle // and a report to come
	})
}

// underLimits checks that the account's balances are within its limits.
func (l *Lab) underLimits(id cloud.AccountID, limits map[cloud.Resource]int64) {
	l.T.Helper()
	err := l.DB.View(l.T.Context(), func(tx *store.Tx) error {
		balances, err := tx.Balances(cloud.Scope{Kind: cloud.KindAccount, ID: string(id)})
		for _, b := range balances {
			if limit, ok := limits[b.Resource]; ok && b.Amount > limit {
				l.T.Errorf("the account has %d %s, more than its limit of %d", b.Amount, b.Resource, limit)
			}
		}
		return err
	})
	if err != nil {
		l.T.Fatal(err)
	}
}
