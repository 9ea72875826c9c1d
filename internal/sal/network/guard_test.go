package network

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"atoll/internal/wire"
)

// A guest reaches neither the host's services, by whichever way, nor another
// network, nor the host's metadata service.
func TestIsolation(t *testing.T) {
	d := labDriver(t)
	spec, other := labNetwork(t, d, twoLeases), labNetwork(t, d, nil)
	g, neighbour, stranger := plug(t, d, spec, 0), plug(t, d, spec, 1), plug(t, d, other, 0)
	g.static(t, "192.168.103.10/24", "192.168.103.1")
	neighbour.static(t, "192.168.103.11/24", "192.168.103.1")
	stranger.static(t, "192.168.103.10/24", "192.168.103.1")
	out := outside(t)
	host := currentNamespace(t)
	neighbour.echo(t, "tcp", "0.0.0.0:80")
	stranger.echo(t, "tcp", "0.0.0.0:22")
	for _, protocol := range []string{"tcp", "udp"} {
		host.echo(t, protocol, "0.0.0.0:8443")
		out.echo(t, protocol, "0.0.0.0:80")
	}
	metadata := addAddress(t, out, "eth0", "169.254.169.254/32")
	reaches(t, nil, "tcp", metadata+":80", hostAddress)
	st, otherSt := d.networks[spec.ID], d.networks[other.ID]
	// Straight at the bridge, past the gateway.
	bridge, err := netlink.LinkByName(namesOf(spec.Number).bridge)
	if err != nil {
		t.Fatal(err)
	}
	eth0, err := g.link.LinkByName("eth0")
	if err != nil {
		t.Fatal(err)
	}
	near := netlink.Neigh{LinkIndex: eth0.Attrs().Index, State: netlink.NUD_PERMANENT, IP: net.ParseIP(hostAddress), HardwareAddr: bridge.Attrs().HardwareAddr}

	arrived := recordSenders(t, "0.0.0.0:8444") // what comes by the bridge could not be answered

	for _, bridged := range []string{"0", "1"} { // without and with the host's rules seeing bridged frames
		withBridgeFilter(t, bridged)
		reaches(t, g.namespace, "tcp", "192.168.103.11:80", "192.168.103.10")
		for _, protocol := range []string{"tcp", "udp"} {
			reaches(t, out, protocol, hostAddress+":8443", outsideAddr) // it does listen
			reaches(t, g.namespace, protocol, outsideAddr+":80", hostAddress)
			isRefused(t, g.namespace, protocol, hostAddress+":8443")
			isRefused(t, g.namespace, protocol, st.Host.String()+":8443")
			isRefused(t, g.namespace, protocol, st.Gateway.String()+":8443")
			isRefused(t, g.namespace, protocol, otherSt.Host.String()+":8443")
			isRefused(t, g.namespace, protocol, metadata+":80")
		}
		reaches(t, g.namespace, "tcp", fmt.Sprintf("%s:%d", hostAddress, other.Forwards[0].PublicPort), "") // public is public
		isRefused(t, g.namespace, "tcp", fmt.Sprintf("%s:%d", otherSt.Gateway, other.Forwards[0].PublicPort))
		onLink := &netlink.Route{Dst: ipNet(netip.MustParsePrefix(hostAddress + "/32")), LinkIndex: eth0.Attrs().Index, Scope: netlink.SCOPE_LINK}
		if err := g.link.RouteAdd(onLink); err != nil {
			t.Fatal(err)
		}
		isRefused(t, g.namespace, "tcp", hostAddress+":8443") // no answer to ARP
		if err := g.link.NeighSet(&near); err != nil {
			t.Fatal(err)
		}
		isRefused(t, g.namespace, "tcp", hostAddress+":8443")
		if err := openFlow(t, g.namespace, hostAddress, 8444)(); err == nil {
			t.Error("the host answered on the bridge")
		}
		if err := g.link.RouteDel(onLink); err != nil {
			t.Fatal(err)
		}
	}
	if got := arrived(); len(got) != 0 {
		t.Errorf("datagrams of %v came to the host by the bridge", got)
	}
}

// recordSenders returns the senders of all datagrams that arrive.
func recordSenders(t *testing.T, addr string) func() []string {
	t.Helper()
	c, err := net.ListenPacket("udp4", addr)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var seen []string
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			_, from, err := c.ReadFrom(make([]byte, 100))
			if err != nil {
				return
			}
			mu.Lock()
			seen = append(seen, from.(*net.UDPAddr).IP.String())
			mu.Unlock()
		}
	}()
	t.Cleanup(func() { c.Close(); <-done })
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(seen)
	}
}

// What a guest sends under another name than its own does not arrive.
func TestSpoofing(t *testing.T) {
	d := labDriver(t)
	spec := labNetwork(t, d, twoLeases)
	g, neighbour := plug(t, d, spec, 0), plug(t, d, spec, 1)
	g.static(t, "192.168.103.10/24", "")
	neighbour.static(t, "192.168.103.11/24", "")
	neighbour.echo(t, "tcp", "0.0.0.0:80")
	reaches(t, g.namespace, "tcp", "192.168.103.11:80", "192.168.103.10") // the ports of the bridge are up
	addAddress(t, g.namespace, "eth0", "192.168.103.12/24")
	link, err := g.link.LinkByName("eth0")
	if err != nil {
		t.Fatal(err)
	}
	// No ARP is needed, so that only the packet itself is judged.
	hw, _ := net.ParseMAC(neighbour.mac)
	knows := &netlink.Neigh{LinkIndex: link.Attrs().Index, State: netlink.NUD_PERMANENT, IP: net.ParseIP("192.168.103.11"), HardwareAddr: hw}
	var inbox net.PacketConn
	err = neighbour.do(func() (err error) {
		inbox, err = net.ListenPacket("udp4", "0.0.0.0:68")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer inbox.Close()
	send := func(from, text string) {
		t.Helper()
		if err := g.link.NeighSet(knows); err != nil {
			t.Fatal(err)
		}
		var c *net.UDPConn
		err := g.do(func() (err error) {
			local := net.UDPAddrFromAddrPort(netip.MustParseAddrPort(from))
			c, err = net.DialUDP("udp4", local, &net.UDPAddr{IP: knows.IP, Port: 68})
			return err
		})
		if err == nil {
			_, err = c.Write([]byte(text))
			c.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	setMAC := func(mac string) {
		t.Helper()
		hw, _ := net.ParseMAC(mac)
		if err := g.link.LinkSetHardwareAddr(link, hw); err != nil {
			t.Fatal(err)
		}
	}
	send("192.168.103.12:9000", "another address")
	send("192.168.103.10:67", "a DHCP server's answer")
	setMAC("02:00:00:00:00:77")
	send("192.168.103.10:9000", "another MAC")
	setMAC(g.mac)
	send("192.168.103.10:9000", "its own") // the tap keeps the order of frames
	inbox.SetReadDeadline(time.Now().Add(wait))
	buf := make([]byte, 100)
	n, from, err := inbox.ReadFrom(buf)
	if err != nil || string(buf[:n]) != "its own" {
		t.Errorf("received %q from %v, %v, want only what was sent under the own name", buf[:n], from, err)
	}
}

// Our rules leave those of others alone, and theirs do not open ours.
func TestOtherRules(t *testing.T) {
	theirs := "table ip theirs {\n\tchain forward {\n\t\ttype filter hook forward priority filter; policy accept;\n\t\tcounter accept\n\t}\n}\n"
	if err := runNft(t.Context(), theirs); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := runNft(context.WithoutCancel(t.Context()), "delete table ip theirs\n"); err != nil {
			t.Error(err)
		}
	})
	a, b := labDriver(t), labDriver(t) // two agents on one host
	spec := labNetwork(t, a, nil)
	labNetwork(t, b, nil)
	g := plug(t, a, spec, 0)
	if _, err := g.dhcp(t); err != nil {
		t.Fatal(err)
	}
	outside(t).echo(t, "tcp", outsideAddr+":80")
	reaches(t, g.namespace, "tcp", outsideAddr+":80", hostAddress)
	rules := ruleset(t)
	for _, table := range []string{"table ip theirs", "table inet " + a.table, "table bridge " + a.table, "table inet " + b.table} {
		if !strings.Contains(rules, table+" {") {
			t.Errorf("%s is gone:\n%s", table, rules)
		}
	}
	taken := wire.NetworkSpec{ID: other(spec).ID, Number: spec.Number, Generation: 1, CIDR: spec.CIDR, Domain: spec.Domain}
	if err := b.Ensure(t.Context(), taken); err == nil || !strings.Contains(err.Error(), "two installations") {
		t.Errorf("Ensure(number of another agent's network) = %v, want a conflict", err)
	}
}

func currentNamespace(t *testing.T) *namespace {
	t.Helper()
	var ns *namespace
	err := onOwnThread(func() (err error) {
		ns, err = openCurrent()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ns.Close)
	return ns
}

// addAddress gives a link one more address and returns it.
func addAddress(t *testing.T, ns *namespace, link, addr string) string {
	t.Helper()
	p := netip.MustParsePrefix(addr)
	l, err := ns.link.LinkByName(link)
	if err == nil {
		err = ns.link.AddrAdd(l, &netlink.Addr{IPNet: ipNet(p)})
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ns.link.AddrDel(l, &netlink.Addr{IPNet: ipNet(p)}) })
	return p.Addr().String()
}

// withBridgeFilter sets whether the host's IP rules see bridged frames.
func withBridgeFilter(t *testing.T, value string) {
	t.Helper()
	const name = "/proc/sys/net/bridge/bridge-nf-call-iptables"
	old, err := os.ReadFile(name)
	if err != nil {
		t.Logf("no br_netfilter in this kernel: %v", err)
		return
	}
	if err := os.WriteFile(name, []byte(value), 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.WriteFile(name, old, 0) })
}
