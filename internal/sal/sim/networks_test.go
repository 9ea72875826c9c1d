package sim

import (
	"slices"
	"testing"

	"atoll/internal/cloud"
	"atoll/internal/wire"
)

func TestNetworks(t *testing.T) {
	n := newNode(t, Config{})
	w, ctx, one := n.SAL().Networks, t.Context(), network1()
	must(t, w.Ensure(ctx, one))
	must(t, w.Ensure(ctx, one))
	one.Generation = 4
	wantKind(t, w.Ensure(ctx, one), cloud.Conflict)
	one.Generation, one.Number = 6, 18
	wantField(t, w.Ensure(ctx, one), cloud.Conflict, "number")

	two := network1()
	two.ID = space2
	wantField(t, w.Ensure(ctx, two), cloud.Conflict, "number")
	two.Number = 19
	wantField(t, w.Ensure(ctx, two), cloud.Conflict, "public_port")
	two.Forwards[0].Protocol = "udp" // another port
	must(t, w.Ensure(ctx, two))
	n.HoldPort("tcp", 8080)
	two.Forwards[0] = wire.Forward{Protocol: "tcp", PublicPort: 8080, Address: "192.168.103.10", Port: 80}
	wantField(t, w.Ensure(ctx, two), cloud.Conflict, "public_port")
	n.ReleasePort("tcp", 8080)
	must(t, w.Ensure(ctx, two))

	list, err := w.List(ctx)
	if want := []wire.NetworkRef{{ID: space1, Number: 17}, {ID: space2, Number: 19}}; err != nil || !slices.Equal(list, want) {
		t.Errorf("List() = %v, %v, want %v", list, err, want)
	}
	for _, ref := range append(list, list...) {
		must(t, w.Delete(ctx, ref))
	}
	wantField(t, w.Delete(ctx, wire.NetworkRef{ID: "x"}), cloud.Invalid, "id")
	must(t, w.Ensure(ctx, network1())) // its ports are free, and no generation is remembered
}

func TestTaps(t *testing.T) {
	n := newNode(t, Config{})
	w, ctx := n.SAL().Networks, t.Context()
	_, err := w.Attach(ctx, space1, mac1)
	wantKind(t, err, cloud.NotFound)
	must(t, w.Ensure(ctx, network1()))
	names := map[string]bool{}
	for _, mac := range []string{mac1, "52:54:00:12:34:57", "52:54:01:12:34:56", "52:54:00:12:34:AB", "52:54:00:12:34:ab"} {
		tap, err := w.Attach(ctx, space1, mac)
		must(t, err)
		if len(tap) > 15 {
			t.Errorf("tap %s is longer than 15 bytes", tap)
		}
		names[tap] = true
	}
	if len(names) != 4 || len(n.Taps()) != 4 {
		t.Errorf("taps = %v, %v, want four", names, n.Taps())
	}
	must(t, w.Detach(ctx, space1, mac1))
	must(t, w.Detach(ctx, space1, mac1))
	must(t, w.Detach(ctx, space2, mac1))
	wantField(t, w.Detach(ctx, space1, "x"), cloud.Invalid, "mac")
	if len(n.Taps()) != 3 {
		t.Errorf("taps = %v, want three", n.Taps())
	}
	must(t, w.Delete(ctx, wire.NetworkRef{ID: space1}))
	if len(n.Taps()) != 0 {
		t.Errorf("taps = %v, want none", n.Taps())
	}
}

func TestNetworkInput(t *testing.T) {
	n := newNode(t, Config{})
	for field, change := range map[string]func(*wire.NetworkSpec){
		"id":                      func(s *wire.NetworkSpec) { s.ID = "x" },
		"number":                  func(s *wire.NetworkSpec) { s.Number = 1 << 24 },
		"cidr":                    func(s *wire.NetworkSpec) { s.CIDR = "192.168.103.1/24" },
		"domain":                  func(s *wire.NetworkSpec) { s.Domain = "" },
		"leases[0].mac":           func(s *wire.NetworkSpec) { s.Leases[0].MAC = "01:00:00:00:00:01" },
		"leases[0].address":       func(s *wire.NetworkSpec) { s.Leases[0].Address = "192.168.103.1" },
		"leases[0].hostname":      func(s *wire.NetworkSpec) { s.Leases[0].Hostname = "Ä" },
		"forwards[0].protocol":    func(s *wire.NetworkSpec) { s.Forwards[0].Protocol = "icmp" },
		"forwards[0].public_port": func(s *wire.NetworkSpec) { s.Forwards[0].PublicPort = 0 },
		"forwards[0].port":        func(s *wire.NetworkSpec) { s.Forwards[0].Port = 65536 },
		"forwards[0].address":     func(s *wire.NetworkSpec) { s.Forwards[0].Address = "10.0.0.1" },
		"forwards[1].public_port": func(s *wire.NetworkSpec) { s.Forwards = append(s.Forwards, s.Forwards[0]) },
		"leases[1].mac": func(s *wire.NetworkSpec) {
			s.Leases = append(s.Leases, wire.Lease{MAC: mac1, Address: "192.168.103.11", Hostname: "web-2"})
		},
	} {
		t.Run(field, func(t *testing.T) {
			spec := network1()
			change(&spec)
			wantField(t, n.SAL().Networks.Ensure(t.Context(), spec), cloud.Invalid, field)
		})
	}
}
