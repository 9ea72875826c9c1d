package network

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"

	"atoll/internal/sal/saltest"
	"atoll/internal/wire"
)

// labNetwork makes a network and deletes it when the test ends.
func labNetwork(t *testing.T, d *Driver, change func(*wire.NetworkSpec)) wire.NetworkSpec {
	t.Helper()
	spec := saltest.NewNetwork()
	if change != nil {
		change(&spec)
	}
	if err := d.Ensure(t.Context(), spec); err != nil {
		t.Fatalf("Ensure() = %v", err)
	}
	t.Cleanup(func() {
		if err := d.Delete(context.WithoutCancel(t.Context()), wire.NetworkRef{ID: spec.ID, Number: spec.Number}); err != nil {
			t.Errorf("Delete() = %v", err)
		}
	})
	return spec
}

// plug attaches a guest with the MAC of a lease.
func plug(t *testing.T, d *Driver, spec wire.NetworkSpec, lease int) *guest {
	t.Helper()
	mac := spec.Leases[lease].MAC
	tap, err := d.Attach(t.Context(), spec.ID, mac)
	if err != nil {
		t.Fatalf("Attach() = %v", err)
	}
	return newGuest(t, tap, mac)
}

func labDriver(t *testing.T) *Driver { return newDriver(t, Config{Resolv: resolvFile}) }

// twoLeases adds a second machine, whose name means something to dnsmasq.
func twoLeases(spec *wire.NetworkSpec) {
	spec.Leases = append(spec.Leases, wire.Lease{MAC: "02:00:00:00:00:0b", Address: "192.168.103.11", Hostname: "ignore"})
}

// upstreamDNS runs a name server outside.
func upstreamDNS(t *testing.T) {
	t.Helper()
	path, err := program("dnsmasq")
	if err != nil {
		t.Fatal(err)
	}
	ns := outside(t)
	pid := t.TempDir() + "/pid"
	if out, err := ns.run(path, "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root", "--local=/far.example/", "--host-record=far.example,203.0.113.9", "--pid-file="+pid); err != nil {
		t.Fatalf("upstream: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if err := stopStrays(ns); err != nil {
			t.Error(err)
		}
	})
}

func TestDHCPAndDNS(t *testing.T) {
	upstreamDNS(t)
	d := labDriver(t)
	spec := labNetwork(t, d, twoLeases)
	for i, lease := range spec.Leases {
		g := plug(t, d, spec, i)
		got, err := g.dhcp(t)
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{
			"ip": lease.Address, "hostname": lease.Hostname, "domain": spec.Domain,
			"router": "192.168.103.1", "dns": "192.168.103.1", "mask": "24", "mtu": "1450",
		} {
			if got[name] != want {
				t.Errorf("DHCP sent %s %q for %s, want %q", name, got[name], lease.Hostname, want)
			}
		}
		for name, want := range map[string]string{
			"web-1." + spec.Domain: "192.168.103.10", "ignore." + spec.Domain: "192.168.103.11",
			"far.example": "203.0.113.9", "192.168.103.10": "web-1." + spec.Domain,
		} {
			out, err := g.run("busybox", "nslookup", name, "192.168.103.1")
			if err != nil || !strings.Contains(out, want) {
				t.Errorf("nslookup %s = %v, %s, want %s", name, err, out, want)
			}
		}
	}
	stranger, err := d.Attach(t.Context(), spec.ID, "02:00:00:00:00:99")
	if err != nil {
		t.Fatal(err)
	}
	if lease, err := newGuest(t, stranger, "02:00:00:00:00:99").dhcp(t); err == nil {
		t.Errorf("a stranger was given %s", lease["ip"])
	}
}

// An address goes to another card at once, though its lease runs for hours, and
// dnsmasq is not restarted for it.
func TestLeaseMoves(t *testing.T) {
	d := labDriver(t)
	spec := labNetwork(t, d, nil)
	if _, err := plug(t, d, spec, 0).dhcp(t); err != nil {
		t.Fatal(err)
	}
	before, err := recordedDnsmasq(d.runDir(namesOf(spec.Number)))
	if err != nil {
		t.Fatal(err)
	}
	spec.Generation++
	spec.Leases = []wire.Lease{{MAC: "02:00:00:00:00:0c", Address: "192.168.103.10", Hostname: "web-2"}}
	if err := d.Ensure(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	g := plug(t, d, spec, 0)
	lease, err := g.dhcp(t)
	if err != nil || lease["ip"] != "192.168.103.10" || lease["hostname"] != "web-2" {
		t.Errorf("DHCP sent %v, %v, want the address of the former card and the new name", lease, err)
	}
	if out, err := g.run("busybox", "nslookup", "web-1."+spec.Domain, "192.168.103.1"); err == nil {
		t.Errorf("the former name resolves: %s", out)
	}
	after, err := recordedDnsmasq(d.runDir(namesOf(spec.Number)))
	if err != nil || after == nil || *after != *before {
		t.Errorf("dnsmasq is %v, %v, want the same process as before, %v", after, err, before)
	}
}

func TestOutsideAndForwards(t *testing.T) {
	d := labDriver(t)
	public := saltest.NewPort()
	spec := labNetwork(t, d, func(s *wire.NetworkSpec) {
		twoLeases(s)
		s.Forwards = []wire.Forward{
			{Protocol: "tcp", PublicPort: public, Address: "192.168.103.10", Port: 22},
			{Protocol: "udp", PublicPort: public, Address: "192.168.103.10", Port: 53},
		}
	})
	g, neighbour := plug(t, d, spec, 0), plug(t, d, spec, 1)
	g.static(t, "192.168.103.10/24", "192.168.103.1")
	neighbour.static(t, "192.168.103.11/24", "192.168.103.1")
	other := labNetwork(t, d, nil)
	stranger := plug(t, d, other, 0)
	stranger.static(t, "192.168.103.10/24", "192.168.103.1")
	out := outside(t)
	out.echo(t, "tcp", outsideAddr+":80")
	out.echo(t, "udp", outsideAddr+":80")
	g.echo(t, "tcp", "0.0.0.0:22")
	g.echo(t, "udp", "0.0.0.0:53")

	for _, protocol := range []string{"tcp", "udp"} {
		at := func(host string) string { return net.JoinHostPort(host, fmt.Sprint(public)) }
		reaches(t, g.namespace, protocol, outsideAddr+":80", hostAddress) // masqueraded
		reaches(t, neighbour.namespace, protocol, "192.168.103.10:"+map[string]string{"tcp": "22", "udp": "53"}[protocol], "192.168.103.11")
		reaches(t, nil, protocol, at("127.0.0.1"), "")
		reaches(t, nil, protocol, at(hostAddress), hostAddress)
		reaches(t, out, protocol, at(hostAddress), outsideAddr) // guests see who asks
		reaches(t, neighbour.namespace, protocol, at(hostAddress), "")
		reaches(t, g.namespace, protocol, at(hostAddress), "")
		reaches(t, stranger.namespace, protocol, at(hostAddress), "") // public is public
	}

	// A forward that is removed ends, also for a flow that goes on.
	flow := openFlow(t, out, hostAddress, public)
	if err := flow(); err != nil {
		t.Fatalf("flow over the forward: %v", err)
	}
	spec.Forwards, spec.Generation = nil, spec.Generation+1
	if err := d.Ensure(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	if err := flow(); err == nil {
		t.Error("a flow goes on over a forward that was removed")
	}
	isRefused(t, nil, "tcp", fmt.Sprintf("127.0.0.1:%d", public))
	isRefused(t, out, "udp", fmt.Sprintf("%s:%d", hostAddress, public))
}
