package network

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"atoll/internal/wire"
)

// alias is what a bridge's alias says of its owner.
func alias(spec wire.NetworkSpec) string { return "atoll network " + string(spec.ID) }

// owns reports whether the network's bridge is there and belongs to it.
func (d *Driver) owns(spec wire.NetworkSpec) bool {
	br, err := netlink.LinkByName(namesOf(spec.Number).bridge)
	return err == nil && br.Attrs().Alias == alias(spec)
}

// checkOwner refuses a number that another installation on this host uses. A
// bridge without alias is one whose maker was ended just then.
func (d *Driver) checkOwner(spec wire.NetworkSpec) error {
	n := namesOf(spec.Number)
	br, err := netlink.LinkByName(n.bridge)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for bridge %s: %w", n.bridge, err)
	}
	a := br.Attrs().Alias
	if br.Type() != "bridge" || a != "" && a != alias(spec) {
		return fieldConflict("number", "link %s is on this host already and is not of network %s (type %s, alias %q): two installations on one host need numbers of their own", n.bridge, spec.ID, br.Type(), a)
	}
	return nil
}

// ensureLinks makes the bridge and the gateway's two veth pairs.
func (d *Driver) ensureLinks(gw *namespace, st state) error {
	n, mtu := st.names(), d.mtu()
	if err := ensureBridge(n, alias(st.Spec), mtu); err != nil {
		return explain(fmt.Errorf("bridge %s: %w", n.bridge, err))
	}
	if err := gw.do(func() error { return setSysctls(gatewaySysctls) }); err != nil {
		return err
	}
	if err := ensureVeth(gw, n.lan, lanLink, n.lanMAC, mtu); err != nil {
		return explain(fmt.Errorf("veth %s: %w", n.lan, err))
	}
	if err := ensureVeth(gw, n.uplink, wanLink, nil, mtu); err != nil {
		return explain(fmt.Errorf("veth %s: %w", n.uplink, err))
	}
	if err := setSysctls(uplinkSysctls(n.uplink)); err != nil {
		return err
	}
	bridge, err := netlink.LinkByName(n.bridge)
	if err != nil {
		return err
	}
	host := &netlink.Handle{}
	for _, l := range []struct {
		h    *netlink.Handle
		name string
		addr netip.Prefix
	}{
		{gw.link, "lo", netip.Prefix{}},
		{host, n.lan, netip.Prefix{}},
		{gw.link, lanLink, st.gateway()},
		{host, n.uplink, netip.PrefixFrom(st.Host, 31)},
		{gw.link, wanLink, netip.PrefixFrom(st.Gateway, 31)},
	} {
		link, err := l.h.LinkByName(l.name)
		if err == nil && l.name == n.lan {
			err = l.h.LinkSetMaster(link, bridge)
		}
		if err == nil && l.addr.IsValid() {
			err = setAddress(l.h, link, l.addr)
		}
		if err == nil {
			err = l.h.LinkSetUp(link)
		}
		if err != nil {
			return explain(fmt.Errorf("link %s of %s: %w", l.name, n.bridge, err))
		}
	}
	err = gw.link.RouteReplace(&netlink.Route{Dst: ipNet(netip.MustParsePrefix("0.0.0.0/0")), Gw: st.Host.AsSlice()})
	if err != nil {
		return fmt.Errorf("default route of %s: %w", n.bridge, err)
	}
	return nil
}

func ensureBridge(n names, alias string, mtu int) error {
	br, err := netlink.LinkByName(n.bridge)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		snooping := false // without a querier it would lose multicast between guests
		err = netlink.LinkAdd(&netlink.Bridge{
			LinkAttrs:         netlink.LinkAttrs{Name: n.bridge, HardwareAddr: n.bridgeMAC, TxQLen: -1},
			MulticastSnooping: &snooping,
		})
		if err == nil {
			br, err = netlink.LinkByName(n.bridge)
		}
	}
	if err != nil {
		return err
	}
	// Without this the host would answer ARP and IPv6 on the bridge.
	if err := setSysctls(bridgeSysctls(n.bridge)); err != nil {
		return err
	}
	if br.Attrs().Alias != alias {
		if err := netlink.LinkSetAlias(br, alias); err != nil {
			return err
		}
	}
	if br.Attrs().MTU != mtu {
		if err := netlink.LinkSetMTU(br, mtu); err != nil {
			return err
		}
	}
	return netlink.LinkSetUp(br)
}

// ensureVeth makes a pair with one end here and the other in the gateway. A pair
// whose inner end is in another namespace (of a gateway that was removed by
// hand) is made anew.
func ensureVeth(gw *namespace, outer, inner string, innerMAC net.HardwareAddr, mtu int) error {
	out, outErr := netlink.LinkByName(outer)
	in, inErr := gw.link.LinkByName(inner)
	if outErr == nil && inErr == nil && in.Attrs().ParentIndex == out.Attrs().Index {
		if err := netlink.LinkSetMTU(out, mtu); err != nil {
			return err
		}
		return gw.link.LinkSetMTU(in, mtu)
	}
	if outErr == nil {
		if err := netlink.LinkDel(out); err != nil {
			return err
		}
	}
	if in, err := gw.link.LinkByName(inner); err == nil {
		if err := gw.link.LinkDel(in); err != nil {
			return err
		}
	}
	return netlink.LinkAdd(&netlink.Veth{
		LinkAttrs:        netlink.LinkAttrs{Name: outer, MTU: mtu, TxQLen: -1},
		PeerName:         inner,
		PeerHardwareAddr: innerMAC,
		PeerNamespace:    netlink.NsFd(gw.fd),
	})
}

// ensureTap makes the tap and plugs it in. It has one queue, and persists, so
// that a machine's process may open it later and again.
func (d *Driver) ensureTap(st state, tap, mac string) error {
	bridge, err := netlink.LinkByName(st.names().bridge)
	if err != nil {
		return err
	}
	link, err := netlink.LinkByName(tap)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		err = netlink.LinkAdd(&netlink.Tuntap{
			LinkAttrs: netlink.LinkAttrs{Name: tap},
			Mode:      netlink.TUNTAP_MODE_TAP,
			Flags:     netlink.TUNTAP_NO_PI | netlink.TUNTAP_VNET_HDR | netlink.TUNTAP_TUN_EXCL,
			Owner:     d.cfg.TapOwner,
			Group:     d.cfg.TapGroup,
		})
		if err == nil {
			link, err = netlink.LinkByName(tap)
		}
	}
	if err != nil {
		return explain(fmt.Errorf("tap %s: %w", tap, err))
	}
	steps := []func() error{
		func() error { return setSysctls(bridgeSysctls(tap)) },
		func() error { return netlink.LinkSetAlias(link, alias(st.Spec)+" "+mac) },
		func() error { return netlink.LinkSetMTU(link, d.mtu()) },
		func() error { return netlink.LinkSetMaster(link, bridge) },
		func() error { return netlink.LinkSetUp(link) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return explain(fmt.Errorf("tap %s: %w", tap, err))
		}
	}
	return nil
}

// remove takes down all parts of a network, in whichever state they are.
func (d *Driver) remove(n names) error {
	if err := d.removeDnsmasq(n); err != nil {
		return err
	}
	links, err := dump(netlink.LinkList)
	if err != nil {
		return fmt.Errorf("list links: %w", err)
	}
	doomed := []string{n.uplink, n.lan, n.bridge}
	for _, l := range links { // the bridge's name and a letter after f begin a tap's
		rest, ok := strings.CutPrefix(l.Attrs().Name, n.bridge)
		if ok && l.Type() == "tuntap" && rest > "t" {
			doomed = append(doomed, l.Attrs().Name)
		}
	}
	if err := removeLinks(doomed...); err != nil {
		return err
	}
	return removeNamespace(n)
}

func removeLinks(names ...string) error {
	for _, name := range names {
		link, err := netlink.LinkByName(name)
		if err == nil {
			err = netlink.LinkDel(link)
		}
		if err != nil && !errors.As(err, new(netlink.LinkNotFoundError)) && !errors.Is(err, unix.ENODEV) {
			return fmt.Errorf("remove link %s: %w", name, err)
		}
	}
	return nil
}

// setAddress gives a link this IPv4 address and no other.
func setAddress(h *netlink.Handle, link netlink.Link, want netip.Prefix) error {
	addrs, err := dump(func() ([]netlink.Addr, error) { return h.AddrList(link, netlink.FAMILY_V4) })
	if err != nil {
		return err
	}
	wanted := ipNet(want)
	have := false
	for _, a := range addrs {
		if a.IPNet.String() == wanted.String() {
			have = true
			continue
		}
		if err := h.AddrDel(link, &a); err != nil {
			return err
		}
	}
	if have {
		return nil
	}
	return h.AddrAdd(link, &netlink.Addr{IPNet: wanted})
}

// dump reads a list again while others change it under the kernel's hands.
func dump[T any](list func() ([]T, error)) ([]T, error) {
	for range 20 {
		if got, err := list(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			return got, err
		}
	}
	return list()
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// mtu is that of all networks: what a VXLAN over the host's default route
// carries, so that a network may span nodes later without a change in guests.
func (d *Driver) mtu() int {
	if d.cfg.MTU != 0 {
		return d.cfg.MTU
	}
	mtu := 1500
	routes, err := dump(func() ([]netlink.Route, error) {
		return netlink.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{}, netlink.RT_FILTER_DST)
	})
	if err == nil && len(routes) > 0 {
		if link, err := netlink.LinkByIndex(routes[0].LinkIndex); err == nil {
			mtu = min(mtu, link.Attrs().MTU)
		}
	}
	return max(mtu-50, 576)
}

// sysctl is a setting below /proc/sys/net of the calling thread's namespace.
type sysctl struct{ name, value string }

var gatewaySysctls = []sysctl{
	{"ipv6/conf/all/disable_ipv6", "1"},
	{"ipv6/conf/default/disable_ipv6", "1"},
	{"ipv4/conf/all/rp_filter", "1"},
	{"ipv4/ip_forward", "1"},
}

func bridgeSysctls(link string) []sysctl {
	return []sysctl{
		{"ipv6/conf/" + link + "/disable_ipv6", "1"},
		{"ipv4/conf/" + link + "/arp_ignore", "8"},
		{"ipv4/conf/" + link + "/forwarding", "0"},
	}
}

// uplinkSysctls let the host's 127.0.0.1 be translated to the gateway and back;
// the rules drop what a gateway sends to it by itself.
func uplinkSysctls(link string) []sysctl {
	return []sysctl{
		{"ipv6/conf/" + link + "/disable_ipv6", "1"},
		{"ipv4/conf/" + link + "/forwarding", "1"},
		{"ipv4/conf/" + link + "/route_localnet", "1"},
		{"ipv4/conf/" + link + "/rp_filter", "1"},
	}
}

func setSysctls(list []sysctl) error {
	for _, s := range list {
		err := os.WriteFile(filepath.Join("/proc/sys/net", s.name), []byte(s.value), 0)
		if errors.Is(err, fs.ErrNotExist) && strings.HasPrefix(s.name, "ipv6/") {
			continue // a kernel without IPv6
		}
		if err != nil {
			return explain(fmt.Errorf("sysctl net/%s: %w", s.name, err))
		}
	}
	return nil
}
