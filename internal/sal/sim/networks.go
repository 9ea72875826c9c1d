package sim

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net"
	"slices"

	"atoll/internal/cloud"
	"atoll/internal/sal"
	"atoll/internal/wire"
)

// networks implements sal.Networks.
type networks struct{ n *Node }

type network struct {
	number     int64
	generation int64
	ports      []port
	taps       map[string]string // names by MAC address
}

type port struct {
	protocol string
	number   int64
}

// Ensure implements sal.Networks.
func (w networks) Ensure(ctx context.Context, spec wire.NetworkSpec) error {
	spec, err := sal.CheckNetwork(spec)
	if err != nil {
		return err
	}
	n, ports := w.n, portsOf(spec)
	return n.do(ctx, NetworkEnsure, func() error {
		have := n.networks[spec.ID]
		if have != nil && spec.Generation < have.generation {
			return cloud.Errorf(cloud.Conflict, "network %s has generation %d on node %s, and %d is older: read the cloudspace again",
				spec.ID, have.generation, n.name, spec.Generation)
		}
		if have != nil && spec.Number != have.number {
			return fieldConflict("number", "network %s has number %d, which cannot become %d: delete it first", spec.ID, have.number, spec.Number)
		}
		if err := n.free(spec, ports); err != nil {
			return err
		}
		if have == nil {
			have = &network{number: spec.Number}
			put(&n.networks, spec.ID, have)
		}
		have.generation, have.ports = spec.Generation, ports
		return nil
	})
}

// free checks what of others is in the way of the network; the lock is held.
func (n *Node) free(spec wire.NetworkSpec, ports []port) error {
	for id, other := range n.networks {
		if id != spec.ID && other.number == spec.Number {
			return fieldConflict("number", "%d is the number of network %s on node %s", spec.Number, id, n.name)
		}
	}
	for _, p := range ports {
		_, taken := n.held[p]
		for id, other := range n.networks {
			taken = taken || id != spec.ID && slices.Contains(other.ports, p)
		}
		if taken {
			return fieldConflict("public_port", "%s port %d of node %s is taken; choose another", p.protocol, p.number, n.name)
		}
	}
	return nil
}

func fieldConflict(field, format string, args ...any) error {
	e := cloud.Errorf(cloud.Conflict, format, args...)
	e.Field = field
	return e
}

// portsOf are the public ports of a specification.
func portsOf(spec wire.NetworkSpec) []port {
	ports := make([]port, len(spec.Forwards))
	for i, f := range spec.Forwards {
		ports[i] = port{f.Protocol, f.PublicPort}
	}
	return ports
}

// parseMAC returns the canonical form of the address of a network card.
func parseMAC(s string) (string, error) {
	mac, err := sal.ParseMAC(s)
	return mac.String(), err
}

// Delete implements sal.Networks.
func (w networks) Delete(ctx context.Context, ref wire.NetworkRef) error {
	if !cloud.IsID(string(ref.ID)) {
		return cloud.FieldErrorf("id", "%q is not the id of a network", ref.ID)
	}
	return w.n.do(ctx, NetworkDelete, func() error {
		drop(&w.n.networks, ref.ID)
		return nil
	})
}

// List implements sal.Networks.
func (w networks) List(ctx context.Context) ([]wire.NetworkRef, error) {
	var list []wire.NetworkRef
	err := w.n.do(ctx, NetworkList, func() error {
		for id, have := range w.n.networks {
			list = append(list, wire.NetworkRef{ID: id, Number: have.number})
		}
		slices.SortFunc(list, func(a, b wire.NetworkRef) int { return cmp.Compare(a.Number, b.Number) })
		return nil
	})
	return list, err
}

// Attach implements sal.Networks. A network that the node does not have is
// cloud.NotFound.
func (w networks) Attach(ctx context.Context, id cloud.CloudspaceID, mac string) (tap string, err error) {
	if _, err := parseMAC(mac); err != nil {
		return "", cloud.FieldErrorf("mac", "%v", err)
	}
	err = w.n.do(ctx, NetworkAttach, func() (err error) {
		tap, err = w.n.attach(id, mac)
		return err
	})
	if err != nil {
		return "", err
	}
	return tap, nil
}

// attach is called with the lock held and a valid MAC address.
func (n *Node) attach(id cloud.CloudspaceID, mac string) (tap string, err error) {
	w := n.networks[id]
	if w == nil {
		return "", cloud.Errorf(cloud.NotFound, "network %s is not on node %s: ensure it first", id, n.name)
	}
	hw, err := net.ParseMAC(mac)
	if err != nil {
		return "", cloud.FieldErrorf("mac", "%v", err)
	}
	if tap, ok := w.taps[hw.String()]; ok {
		return tap, nil
	}
	// As real nodes name them: at most 15 bytes, and a letter that tells apart
	// the addresses that end alike.
	taken := slices.Collect(maps.Values(w.taps))
	for letter := 't'; tap == "" || slices.Contains(taken, tap); letter++ {
		tap = fmt.Sprintf("at%x%c%x", w.number, letter, []byte(hw[3:]))
	}
	put(&w.taps, hw.String(), tap)
	return tap, nil
}

// Detach implements sal.Networks.
func (w networks) Detach(ctx context.Context, id cloud.CloudspaceID, mac string) error {
	if _, err := parseMAC(mac); err != nil {
		return cloud.FieldErrorf("mac", "%v", err)
	}
	return w.n.do(ctx, NetworkDetach, func() error {
		w.n.detach(id, mac)
		return nil
	})
}

// detach is called with the lock held.
func (n *Node) detach(id cloud.CloudspaceID, mac string) {
	hw, err := parseMAC(mac)
	if w := n.networks[id]; err == nil && w != nil {
		drop(&w.taps, hw)
	}
}

// Taps returns the names of all tap devices of the node.
func (n *Node) Taps() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var list []string
	for _, w := range n.networks {
		list = slices.AppendSeq(list, maps.Values(w.taps))
	}
	slices.Sort(list)
	return list
}

// Ports returns the public ports that the node forwards, such as "tcp/2222".
func (n *Node) Ports() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var list []string
	for _, w := range n.networks {
		for _, p := range w.ports {
			list = append(list, fmt.Sprintf("%s/%d", p.protocol, p.number))
		}
	}
	slices.Sort(list)
	return list
}

// HoldPort lets something else on the host hold a public port, until ReleasePort.
func (n *Node) HoldPort(protocol string, number int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	put(&n.held, port{protocol, number}, struct{}{})
}

// ReleasePort ends HoldPort.
func (n *Node) ReleasePort(protocol string, number int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	drop(&n.held, port{protocol, number})
}
