package sim

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"regexp"
	"slices"

	"atoll/internal/cloud"
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

// maxNumber is the largest VXLAN id.
const maxNumber = 1<<24 - 1

var domain = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$`)

// Ensure implements sal.Networks.
func (w networks) Ensure(ctx context.Context, spec wire.NetworkSpec) error {
	ports, err := validateNetwork(spec)
	if err != nil {
		return err
	}
	n := w.n
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

// validateNetwork returns the public ports of a specification that makes sense.
func validateNetwork(spec wire.NetworkSpec) ([]port, error) {
	cidr, err := netip.ParsePrefix(spec.CIDR)
	switch {
	case !cloud.IsID(string(spec.ID)):
		return nil, cloud.FieldErrorf("id", "%q is not the id of a network", spec.ID)
	case spec.Number < 1 || spec.Number > maxNumber:
		return nil, cloud.FieldErrorf("number", "must be 1 to %d, not %d", maxNumber, spec.Number)
	case err != nil || !cidr.Addr().Is4() || cidr.Masked() != cidr || cidr.Bits() < 8 || cidr.Bits() > 30:
		return nil, cloud.FieldErrorf("cidr", "%q is no IPv4 network of /8 to /30 such as %s", spec.CIDR, cloud.DefaultNetwork)
	case len(spec.Domain) > 180 || !domain.MatchString(spec.Domain):
		return nil, cloud.FieldErrorf("domain", "%q is no DNS domain of small letters", spec.Domain)
	}
	if err := validateLeases(cidr, spec.Leases); err != nil {
		return nil, err
	}
	var ports []port
	for i, f := range spec.Forwards {
		field := func(name string) string { return fmt.Sprintf("forwards[%d].%s", i, name) }
		p := port{f.Protocol, f.PublicPort}
		switch {
		case f.Protocol != "tcp" && f.Protocol != "udp":
			return nil, cloud.FieldErrorf(field("protocol"), "%q is no protocol here; they are tcp and udp", f.Protocol)
		case f.PublicPort < 1 || f.PublicPort > 65535:
			return nil, cloud.FieldErrorf(field("public_port"), "must be 1 to 65535, not %d", f.PublicPort)
		case f.Port < 1 || f.Port > 65535:
			return nil, cloud.FieldErrorf(field("port"), "must be 1 to 65535, not %d", f.Port)
		case slices.Contains(ports, p):
			return nil, cloud.FieldErrorf(field("public_port"), "%s %d is forwarded twice", f.Protocol, f.PublicPort)
		}
		if _, err := hostAddr(cidr, f.Address); err != nil {
			return nil, cloud.FieldErrorf(field("address"), "%v", err)
		}
		ports = append(ports, p)
	}
	return ports, nil
}

func validateLeases(cidr netip.Prefix, leases []wire.Lease) error {
	seen := map[string]int{}
	for i, l := range leases {
		field := func(name string) string { return fmt.Sprintf("leases[%d].%s", i, name) }
		mac, err := parseMAC(l.MAC)
		if err != nil {
			return cloud.FieldErrorf(field("mac"), "%v", err)
		}
		addr, err := hostAddr(cidr, l.Address)
		if err != nil {
			return cloud.FieldErrorf(field("address"), "%v", err)
		}
		if err := cloud.ValidateName(cloud.KindMachine, l.Hostname); err != nil {
			return cloud.FieldErrorf(field("hostname"), "%q is no host name", l.Hostname)
		}
		for name, value := range map[string]string{"mac": mac, "address": addr.String(), "hostname": l.Hostname} {
			if j, ok := seen[name+value]; ok {
				return cloud.FieldErrorf(field(name), "%s is that of leases[%d] already", value, j)
			}
			seen[name+value] = i
		}
	}
	return nil
}

// hostAddr parses an address that a machine in the network may have.
func hostAddr(cidr netip.Prefix, s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil || !cidr.Contains(a) {
		return a, fmt.Errorf("%q is no address in %s", s, cidr)
	}
	if a == cidr.Addr() || a == cidr.Addr().Next() || !cidr.Contains(a.Next()) {
		return a, fmt.Errorf("%s is the network's, the gateway's or the broadcast address of %s", a, cidr)
	}
	return a, nil
}

// parseMAC returns the canonical form of the address of a network card.
func parseMAC(s string) (string, error) {
	mac, err := net.ParseMAC(s)
	if err != nil || len(mac) != 6 || mac[0]&1 != 0 || mac.String() == "00:00:00:00:00:00" {
		return "", fmt.Errorf("%q is no unicast MAC address such as 02:00:00:12:34:56", s)
	}
	return mac.String(), nil
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
