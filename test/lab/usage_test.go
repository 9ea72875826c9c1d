package lab

import (
	"testing"

	"atoll/internal/cloud"
	"atoll/internal/sal/sim"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
)

// What a machine moved is counted in its account, to its last byte also when it
// was deleted long before the node's next report was due.
func TestBytesOfADeletedMachineAreCounted(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		l := New(t, db, 1, sim.Config{Seed: 1})
		l.image("disk")
		m := l.create("web-1")
		moved := func() map[string]int64 {
			list, err := l.Node("sim-1").Sim.SAL().Machines.Usage(t.Context())
			if err != nil || len(list) != 1 || list[0].Machine != m.ID {
				t.Fatalf("usage on the node = %+v, %v", list, err)
			}
			return list[0].Counters()
		}
		l.Until("it moved something", func() bool {
			for _, n := range moved() {
				if n == 0 {
					return false
				}
			}
			return true
		})
		least := moved()
		_, o, err := l.Control.DeleteMachine(t.Context(), l.Admin, l.ref("web-1"), false)
		l.Done(o, err)
		scope := cloud.Scope{Kind: cloud.KindAccount, ID: string(m.AccountID)}
		u, err := l.Control.Usage(t.Context(), l.Admin, scope, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		for name, n := range least {
			if u.Counters[name] < n {
				t.Errorf("%d %s are counted, want at least %d", u.Counters[name], name, n)
			}
		}
	})
}
