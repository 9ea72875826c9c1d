package sal

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"

	"atoll/internal/cloud"
	"atoll/internal/wire"
)

// maxNumber is the largest VXLAN id.
const maxNumber = 1<<24 - 1

var domainRE = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$`)

// CheckNetwork returns the specification with MACs and addresses in their
// canonical form; its error is Invalid with the field that is wrong. What it
// lets pass is safe in file names and configurations. Drivers call it first.
func CheckNetwork(spec wire.NetworkSpec) (wire.NetworkSpec, error) {
	cidr, err := netip.ParsePrefix(spec.CIDR)
	switch {
	case !cloud.IsID(string(spec.ID)):
		return spec, cloud.FieldErrorf("id", "%q is no network's id", spec.ID)
	case spec.Number < 1 || spec.Number > maxNumber:
		return spec, cloud.FieldErrorf("number", "must be 1 to %d, not %d", maxNumber, spec.Number)
	case err != nil || !cidr.Addr().Is4() || cidr.Masked() != cidr || cidr.Bits() < 8 || cidr.Bits() > 30:
		return spec, cloud.FieldErrorf("cidr", "%q is no IPv4 network of /8 to /30 such as %s", spec.CIDR, cloud.DefaultNetwork)
	case len(spec.Domain) > 180 || !domainRE.MatchString(spec.Domain):
		return spec, cloud.FieldErrorf("domain", "%q is no DNS domain of small letters", spec.Domain)
	}
	if spec.Leases, err = checkedLeases(cidr, spec.Leases); err != nil {
		return spec, err
	}
	spec.Forwards, err = checkedForwards(cidr, spec.Forwards)
	return spec, err
}

func checkedLeases(cidr netip.Prefix, in []wire.Lease) ([]wire.Lease, error) {
	seen := map[string]int{}
	out := make([]wire.Lease, len(in))
	for i, l := range in {
		field := func(name string) string { return fmt.Sprintf("leases[%d].%s", i, name) }
		mac, err := ParseMAC(l.MAC)
		if err != nil {
			return nil, cloud.FieldErrorf(field("mac"), "%v", err)
		}
		addr, err := hostAddr(cidr, l.Address)
		if err != nil {
			return nil, cloud.FieldErrorf(field("address"), "%v", err)
		}
		if err := cloud.ValidateName(cloud.KindMachine, l.Hostname); err != nil {
			return nil, cloud.FieldErrorf(field("hostname"), "%q is no host name", l.Hostname)
		}
		out[i] = wire.Lease{MAC: mac.String(), Address: addr.String(), Hostname: l.Hostname}
		for name, value := range map[string]string{"mac": out[i].MAC, "address": out[i].Address, "hostname": l.Hostname} {
			if j, ok := seen[name+value]; ok {
				return nil, cloud.FieldErrorf(field(name), "%s is that of leases[%d] already", value, j)
			}
			seen[name+value] = i
		}
	}
	return out, nil
}

func checkedForwards(cidr netip.Prefix, in []wire.Forward) ([]wire.Forward, error) {
	type port struct {
		protocol string
		number   int64
	}
	seen := map[port]int{}
	out := make([]wire.Forward, len(in))
	for i, f := range in {
		field := func(name string) string { return fmt.Sprintf("forwards[%d].%s", i, name) }
		if f.Protocol != "tcp" && f.Protocol != "udp" {
			return nil, cloud.FieldErrorf(field("protocol"), "must be tcp or udp, not %q", f.Protocol)
		}
		for name, n := range map[string]int64{"public_port": f.PublicPort, "port": f.Port} {
			if n < 1 || n > 65535 {
				return nil, cloud.FieldErrorf(field(name), "must be 1 to 65535, not %d", n)
			}
		}
		addr, err := hostAddr(cidr, f.Address)
		if err != nil {
			return nil, cloud.FieldErrorf(field("address"), "%v", err)
		}
		public := port{f.Protocol, f.PublicPort}
		if j, ok := seen[public]; ok {
			return nil, cloud.FieldErrorf(field("public_port"), "%s %d is that of forwards[%d] already", f.Protocol, f.PublicPort, j)
		}
		seen[public] = i
		f.Address = addr.String()
		out[i] = f
	}
	return out, nil
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

// ParseMAC parses an Ethernet address that a network card may have.
func ParseMAC(s string) (net.HardwareAddr, error) {
	mac, err := net.ParseMAC(s)
	if err != nil || len(mac) != 6 || mac[0]&1 != 0 || mac.String() == "00:00:00:00:00:00" {
		return nil, fmt.Errorf("%q is no unicast MAC address such as 02:00:00:12:34:56", s)
	}
	return mac, nil
}
