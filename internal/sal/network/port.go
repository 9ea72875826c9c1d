package network

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"atoll/internal/cloud"
	"atoll/internal/wire"
)

// port is a public port.
type port struct {
	protocol string
	number   int64
}

func portOf(f wire.Forward) port { return port{f.Protocol, f.PublicPort} }

// checkPorts refuses forwards that are new in spec and whose public port another
// network or a process of the host has. One that the network has already stays
// its own, whoever listens later. The caller holds the host lock.
func (d *Driver) checkPorts(old, spec wire.NetworkSpec) error {
	taken := map[port]string{}
	for id, st := range d.networks {
		if id != spec.ID && !st.Deleting {
			for _, f := range st.Spec.Forwards {
				taken[portOf(f)] = "network " + string(id)
			}
		}
	}
	own := map[port]bool{}
	for _, f := range old.Forwards {
		own[portOf(f)] = true
	}
	listening, err := listeners()
	if err != nil {
		return err
	}
	for _, f := range spec.Forwards {
		p := portOf(f)
		holder, ok := taken[p]
		if !ok && !own[p] && listening[p] {
			holder, ok = "a process of the host, which listens on it", true
		}
		if ok {
			return fieldConflict("public_port", "%s %d is held by %s; choose another public port", f.Protocol, f.PublicPort, holder)
		}
	}
	return nil
}

// listeners returns the ports on which processes of the host listen, at any address.
func listeners() (map[port]bool, error) {
	ports := map[port]bool{}
	for file, state := range map[string]string{"tcp": "0A", "tcp6": "0A", "udp": "07", "udp6": "07"} {
		// thread-self, for the main thread may be in another namespace just now.
		f, err := os.Open("/proc/thread-self/net/" + file)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a kernel without IPv6
		}
		if err != nil {
			return nil, fmt.Errorf("list listening ports: %w", err)
		}
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			// sl local_address rem_address st …, addresses as HEX:PORT
			fields := strings.Fields(lines.Text())
			if len(fields) < 4 || fields[3] != state {
				continue
			}
			_, hex, _ := strings.Cut(fields[1], ":")
			if n, err := strconv.ParseInt(hex, 16, 32); err == nil {
				ports[port{strings.TrimSuffix(file, "6"), n}] = true
			}
		}
		err = lines.Err()
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("list listening ports: %w", err)
		}
	}
	return ports, nil
}

// fieldConflict makes a Conflict about one input field.
func fieldConflict(field, format string, args ...any) *cloud.Error {
	e := cloud.Errorf(cloud.Conflict, format, args...)
	e.Field = field
	return e
}

// revoke takes back what dnsmasq and running connections still have of leases
// and forwards that are not wanted any more.
func (d *Driver) revoke(ctx context.Context, gw *namespace, st state) error {
	if len(st.GoneLeases) == 0 && len(st.GoneForwards) == 0 {
		return nil
	}
	for _, l := range st.GoneLeases {
		if err := gw.do(func() error { return releaseLease(st.gateway().Addr(), l) }); err != nil {
			return fmt.Errorf("release %s of %s: %w", l.Address, l.MAC, err)
		}
	}
	host := &netlink.Handle{}
	for _, f := range st.GoneForwards {
		if err := dropConnections(gw.link, f, nil); err != nil {
			return err
		}
		if err := dropConnections(host, f, st.Gateway.AsSlice()); err != nil {
			return err
		}
	}
	st.GoneLeases, st.GoneForwards = nil, nil
	return d.save(ctx, st)
}

// dropConnections has the kernel forget the connections over a forward. On the
// host, target tells them from other connections to equal ports.
func dropConnections(h *netlink.Handle, f wire.Forward, target net.IP) error {
	protocol := map[string]uint8{"tcp": unix.IPPROTO_TCP, "udp": unix.IPPROTO_UDP}[f.Protocol]
	filter := &netlink.ConntrackFilter{}
	err := filter.AddProtocol(protocol)
	if err == nil {
		err = filter.AddPort(netlink.ConntrackOrigDstPort, uint16(f.PublicPort))
	}
	if err == nil && target != nil {
		err = filter.AddIP(netlink.ConntrackReplySrcIP, target)
	}
	if err == nil {
		_, err = h.ConntrackDeleteFilters(netlink.ConntrackTable, unix.AF_INET, filter)
	}
	if err != nil {
		return fmt.Errorf("connections of %s %d: %w", f.Protocol, f.PublicPort, err)
	}
	return nil
}
