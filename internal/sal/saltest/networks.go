package saltest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"atoll/internal/cloud"
	"atoll/internal/sal"
	"atoll/internal/wire"
)

// NetworksEnv is a node without networks.
type NetworksEnv struct {
	Networks sal.Networks
	// Reopen returns the driver that a restarted agent has. Its predecessor is
	// not used any more.
	Reopen func(t *testing.T) sal.Networks
	// Hold has something else on the node listen on a port of the protocol (tcp
	// or udp), until release is called.
	Hold func(t *testing.T, protocol string) (port int64, release func())
}

// Networks tests a driver; newEnv is called for each test. Networks that a test
// leaves are deleted through the driver when it ends.
func Networks(t *testing.T, newEnv func(t *testing.T) NetworksEnv) {
	for _, tt := range []struct {
		name string
		run  func(t *testing.T, env NetworksEnv)
	}{
		{"EnsureListDelete", networkLife},
		{"Generation", networkGeneration},
		{"SurvivesRestart", networkRestart},
		{"AnotherNumber", networkNumber},
		{"BadSpecification", networkInvalid},
		{"PortHeldByHost", networkHeldPort},
		{"PortOfAnotherNetwork", networkSharedPort},
		{"AttachDetach", networkTaps},
		{"CallsAtTheSameTime", networkRaces},
		{"EndedContext", networkContext},
	} {
		t.Run(tt.name, func(t *testing.T) {
			env := newEnv(t)
			t.Cleanup(func() {
				ctx := context.WithoutCancel(t.Context())
				refs, err := env.Networks.List(ctx)
				if err != nil {
					t.Errorf("List() = %v", err)
				}
				for _, ref := range refs {
					if err := env.Networks.Delete(ctx, ref); err != nil {
						t.Errorf("Delete(%v) = %v", ref, err)
					}
				}
			})
			tt.run(t, env)
		})
	}
}

var networkCount, portCount atomic.Int64

// NewNetwork returns a specification with one lease and one forward; number and
// public port are not given twice in a process.
func NewNetwork() wire.NetworkSpec {
	n := 0xa00000 + networkCount.Add(1)
	return wire.NetworkSpec{
		ID: cloud.NewID[cloud.CloudspaceID](), Number: n, Generation: 1,
		CIDR: "192.168.103.0/24", Domain: "space.example",
		Leases:   []wire.Lease{{MAC: "02:00:00:00:00:0a", Address: "192.168.103.10", Hostname: "web-1"}},
		Forwards: []wire.Forward{{Protocol: "tcp", PublicPort: NewPort(), Address: "192.168.103.10", Port: 22}},
	}
}

// NewPort returns a public port that it has not returned before.
func NewPort() int64 { return 21000 + portCount.Add(1) }

func ensure(t *testing.T, n sal.Networks, spec wire.NetworkSpec) {
	t.Helper()
	if err := n.Ensure(t.Context(), spec); err != nil {
		t.Fatalf("Ensure(generation %d) = %v", spec.Generation, err)
	}
}

func wantError(t *testing.T, what string, err error, kind cloud.ErrorKind, field string) {
	t.Helper()
	var e *cloud.Error
	if !errors.As(err, &e) || e.Kind != kind || e.Field != field {
		t.Errorf("%s = %v, want kind %s, field %q", what, err, kind, field)
	}
}

func wantNetworks(t *testing.T, n sal.Networks, want ...wire.NetworkSpec) {
	t.Helper()
	refs := make([]wire.NetworkRef, len(want))
	for i, spec := range want {
		refs[i] = ref(spec)
	}
	got, err := n.List(t.Context())
	if err != nil {
		t.Fatalf("List() = %v", err)
	}
	if diff := cmp.Diff(refs, got, cmpopts.EquateEmpty(), cmpopts.SortSlices(func(a, b wire.NetworkRef) bool { return a.Number < b.Number })); diff != "" {
		t.Errorf("List() differs (-want +got):\n%s", diff)
	}
}

func ref(spec wire.NetworkSpec) wire.NetworkRef {
	return wire.NetworkRef{ID: spec.ID, Number: spec.Number}
}

func networkLife(t *testing.T, env NetworksEnv) {
	a, b := NewNetwork(), NewNetwork() // with equal addresses
	wantNetworks(t, env.Networks)
	for range 2 {
		ensure(t, env.Networks, a)
	}
	ensure(t, env.Networks, b)
	wantNetworks(t, env.Networks, a, b)
	if _, err := env.Networks.Attach(t.Context(), a.ID, a.Leases[0].MAC); err != nil {
		t.Errorf("Attach() = %v", err)
	}
	for range 2 { // the second time it does not exist
		if err := env.Networks.Delete(t.Context(), ref(a)); err != nil {
			t.Errorf("Delete() = %v", err)
		}
		wantNetworks(t, env.Networks, b)
	}
	if _, err := env.Networks.Attach(t.Context(), a.ID, a.Leases[0].MAC); !cloud.Is(err, cloud.NotFound) {
		t.Errorf("Attach() after Delete = %v, want kind %s", err, cloud.NotFound)
	}
	ensure(t, env.Networks, a)
	wantNetworks(t, env.Networks, a, b)
}

func networkGeneration(t *testing.T, env NetworksEnv) {
	spec := NewNetwork()
	spec.Generation = 7
	ensure(t, env.Networks, spec)
	older := spec
	older.Generation, older.Forwards = 6, nil
	wantError(t, "Ensure(older)", env.Networks.Ensure(t.Context(), older), cloud.Conflict, "")
	ensure(t, env.Networks, spec)
	spec.Generation = 9
	ensure(t, env.Networks, spec)
	spec.Generation = 8
	wantError(t, "Ensure(older)", env.Networks.Ensure(t.Context(), spec), cloud.Conflict, "")
}

func networkRestart(t *testing.T, env NetworksEnv) {
	spec := NewNetwork()
	spec.Generation = 2
	ensure(t, env.Networks, spec)
	before, err := env.Networks.Attach(t.Context(), spec.ID, spec.Leases[0].MAC)
	if err != nil {
		t.Fatalf("Attach() = %v", err)
	}
	again := env.Reopen(t)
	wantNetworks(t, again, spec)
	after, err := again.Attach(t.Context(), spec.ID, spec.Leases[0].MAC)
	if err != nil || before != after {
		t.Errorf("Attach() after a restart = %q, %v, want %q", after, err, before)
	}
	older := spec
	older.Generation = 1
	wantError(t, "Ensure(older) after a restart", again.Ensure(t.Context(), older), cloud.Conflict, "")
	ensure(t, again, spec)
	if err := again.Delete(t.Context(), ref(spec)); err != nil {
		t.Errorf("Delete() after a restart = %v", err)
	}
	wantNetworks(t, again)
	wantNetworks(t, env.Reopen(t))
}

func networkNumber(t *testing.T, env NetworksEnv) {
	spec, other := NewNetwork(), NewNetwork()
	ensure(t, env.Networks, spec)
	other.Number = spec.Number
	wantError(t, "Ensure(number of another)", env.Networks.Ensure(t.Context(), other), cloud.Conflict, "number")
	changed := spec
	changed.Number = NewNetwork().Number
	wantError(t, "Ensure(other number)", env.Networks.Ensure(t.Context(), changed), cloud.Conflict, "number")
	wantNetworks(t, env.Networks, spec)
}

func networkInvalid(t *testing.T, env NetworksEnv) {
	lease := NewNetwork().Leases[0]
	forward := NewNetwork().Forwards[0]
	for _, tt := range []struct {
		field string
		spoil func(s *wire.NetworkSpec)
	}{
		{"id", func(s *wire.NetworkSpec) { s.ID = "../../etc/passwd" }},
		{"number", func(s *wire.NetworkSpec) { s.Number = 0 }},
		{"number", func(s *wire.NetworkSpec) { s.Number = 1 << 24 }},
		{"cidr", func(s *wire.NetworkSpec) { s.CIDR = "192.168.103.7/24" }},
		{"cidr", func(s *wire.NetworkSpec) { s.CIDR = "fd00::/64" }},
		{"domain", func(s *wire.NetworkSpec) { s.Domain = "a\nuser=root" }},
		{"leases[0].mac", func(s *wire.NetworkSpec) { s.Leases[0].MAC = "01:00:5e:00:00:01" }},
		{"leases[0].address", func(s *wire.NetworkSpec) { s.Leases[0].Address = "192.168.103.1" }},
		{"leases[0].address", func(s *wire.NetworkSpec) { s.Leases[0].Address = "192.168.104.1" }},
		{"leases[0].hostname", func(s *wire.NetworkSpec) { s.Leases[0].Hostname = "no,good" }},
		{"leases[1].mac", func(s *wire.NetworkSpec) {
			s.Leases = append(s.Leases, wire.Lease{MAC: "02:00:00:00:00:0A", Address: "192.168.103.11", Hostname: "web-2"})
		}},
		{"leases[1].address", func(s *wire.NetworkSpec) {
			s.Leases = append(s.Leases, wire.Lease{MAC: "02:00:00:00:00:0b", Address: "192.168.103.10", Hostname: "web-2"})
		}},
		{"leases[1].hostname", func(s *wire.NetworkSpec) {
			s.Leases = append(s.Leases, wire.Lease{MAC: "02:00:00:00:00:0b", Address: "192.168.103.11", Hostname: "web-1"})
		}},
		{"forwards[0].protocol", func(s *wire.NetworkSpec) { s.Forwards[0].Protocol = "icmp" }},
		{"forwards[0].public_port", func(s *wire.NetworkSpec) { s.Forwards[0].PublicPort = 65536 }},
		{"forwards[0].port", func(s *wire.NetworkSpec) { s.Forwards[0].Port = 0 }},
		{"forwards[0].address", func(s *wire.NetworkSpec) { s.Forwards[0].Address = "10.0.0.1" }},
		{"forwards[1].public_port", func(s *wire.NetworkSpec) { s.Forwards = append(s.Forwards, s.Forwards[0]) }},
	} {
		spec := NewNetwork()
		spec.Leases = []wire.Lease{lease}
		spec.Forwards = []wire.Forward{forward}
		tt.spoil(&spec)
		wantError(t, fmt.Sprintf("Ensure(%+v)", spec), env.Networks.Ensure(t.Context(), spec), cloud.Invalid, tt.field)
	}
	wantNetworks(t, env.Networks)
}

func networkHeldPort(t *testing.T, env NetworksEnv) {
	spec := NewNetwork()
	ensure(t, env.Networks, spec)
	for _, protocol := range []string{"tcp", "udp"} {
		port, release := env.Hold(t, protocol)
		more := spec
		more.Generation++
		more.Forwards = append([]wire.Forward{}, spec.Forwards...)
		more.Forwards = append(more.Forwards, wire.Forward{Protocol: protocol, PublicPort: port, Address: "192.168.103.10", Port: 80})
		wantError(t, "Ensure(held "+protocol+" port)", env.Networks.Ensure(t.Context(), more), cloud.Conflict, "public_port")
		ensure(t, env.Networks, spec) // nothing was taken over, not even the generation
		release()
		ensure(t, env.Networks, more)
		spec = more
	}
}

func networkSharedPort(t *testing.T, env NetworksEnv) {
	a, b := NewNetwork(), NewNetwork()
	ensure(t, env.Networks, a)
	b.Forwards[0].PublicPort = a.Forwards[0].PublicPort
	wantError(t, "Ensure(port of another)", env.Networks.Ensure(t.Context(), b), cloud.Conflict, "public_port")
	wantNetworks(t, env.Networks, a)
	udp := b
	udp.Forwards = []wire.Forward{b.Forwards[0]}
	udp.Forwards[0].Protocol = "udp"
	ensure(t, env.Networks, udp) // the same number of another protocol is another port
	a.Forwards = nil
	a.Generation++
	ensure(t, env.Networks, a)
	ensure(t, env.Networks, b) // free now
}

func networkTaps(t *testing.T, env NetworksEnv) {
	a, b := NewNetwork(), NewNetwork()
	ctx := t.Context()
	_, err := env.Networks.Attach(ctx, a.ID, "02:00:00:00:00:0a")
	wantError(t, "Attach(unknown network)", err, cloud.NotFound, "")
	if err := env.Networks.Detach(ctx, a.ID, "02:00:00:00:00:0a"); err != nil {
		t.Errorf("Detach(unknown network) = %v", err)
	}
	ensure(t, env.Networks, a)
	ensure(t, env.Networks, b)
	_, err = env.Networks.Attach(ctx, a.ID, "nonsense")
	wantError(t, "Attach(nonsense)", err, cloud.Invalid, "mac")
	seen := map[string]string{}
	for _, network := range []wire.NetworkSpec{a, b} {
		for _, mac := range []string{"02:00:00:00:00:0a", "02:00:00:00:00:0b", "06:00:00:00:00:0a", "0a:ff:ff:00:00:0a"} {
			tap, err := env.Networks.Attach(ctx, network.ID, mac)
			if err != nil {
				t.Fatalf("Attach(%s) = %v", mac, err)
			}
			card := fmt.Sprint(network.Number, mac)
			if len(tap) == 0 || len(tap) > 15 || seen[tap] != "" {
				t.Errorf("Attach(%s) = %q, which is too long or that of %s", card, tap, seen[tap])
			}
			seen[tap] = card
			if again, err := env.Networks.Attach(ctx, network.ID, mac); err != nil || again != tap {
				t.Errorf("Attach(%s) again = %q, %v, want %q", card, again, err, tap)
			}
		}
	}
	for range 2 {
		if err := env.Networks.Detach(ctx, a.ID, "02:00:00:00:00:0a"); err != nil {
			t.Errorf("Detach() = %v", err)
		}
	}
}

func networkRaces(t *testing.T, env NetworksEnv) {
	specs := []wire.NetworkSpec{NewNetwork(), NewNetwork()}
	calls := func(spec wire.NetworkSpec) error {
		ctx := t.Context()
		if err := env.Networks.Ensure(ctx, spec); err != nil {
			return err
		}
		if _, err := env.Networks.Attach(ctx, spec.ID, spec.Leases[0].MAC); err != nil {
			return err
		}
		_, err := env.Networks.List(ctx)
		return err
	}
	var wg sync.WaitGroup
	for _, spec := range specs {
		for range 3 {
			wg.Go(func() {
				if err := calls(spec); err != nil {
					t.Errorf("at the same time: %v", err)
				}
			})
		}
	}
	wg.Wait()
	wantNetworks(t, env.Networks, specs...)
	for range 3 {
		wg.Go(func() {
			if err := env.Networks.Delete(t.Context(), ref(specs[0])); err != nil {
				t.Errorf("Delete() at the same time: %v", err)
			}
		})
	}
	wg.Wait()
	wantNetworks(t, env.Networks, specs[1])
}

func networkContext(t *testing.T, env NetworksEnv) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := env.Networks.Ensure(ctx, NewNetwork()); !errors.Is(err, context.Canceled) {
		t.Errorf("Ensure() with an ended context = %v", err)
	}
	wantNetworks(t, env.Networks)
}
