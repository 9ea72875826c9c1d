package network

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"atoll/internal/cloud"
)

// packages are the Debian packages of the programs that networks need.
var packages = map[string]string{"dnsmasq": "dnsmasq-base", "nft": "nftables"}

// program returns the path of a program; ordinary users' PATH lacks sbin.
func program(name string) (string, error) {
	for _, candidate := range []string{name, "/usr/sbin/" + name, "/sbin/" + name} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path, nil
		}
	}
	return "", cloud.Errorf(cloud.Unavailable, "%s is not installed on this node: apt-get install %s", name, packages[name])
}

// hostClear removes our tables from the host's namespace, hostTables makes them anew.
// They have a set for each question, so that a packet costs the same with one network
// or a thousand.
const (
	hostClear = `
add table inet ${Table}
delete table inet ${Table}
add table bridge ${Table}
delete table bridge ${Table}
`
	hostTables = `
table inet ${Table} {
	set bridges { type ifname; ${Bridges} }
	set within { type ifname . ifname; ${Within} }
	set uplinks { type ifname; ${Uplinks} }
	set gateways { type ipv4_addr; ${Gateways} }
	set sources { type ifname . ipv4_addr; ${Sources} }
	map forwards { type inet_proto . inet_service : ipv4_addr; ${Forwards} }

	# With br_netfilter the hooks see frames inside a bridge too: not our business here.
	chain raw {
		type filter hook prerouting priority raw; policy accept;
		iifname @bridges notrack
	}
	chain prerouting {
		type nat hook prerouting priority dstnat; policy accept;
		iifname @bridges accept
		fib daddr type local dnat ip to meta l4proto . th dport map @forwards
	}
	chain output {
		type nat hook output priority -100; policy accept;
		fib daddr type local dnat ip to meta l4proto . th dport map @forwards
	}
	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		ip saddr @gateways masquerade
		oifname @uplinks ip saddr 127.0.0.0/8 masquerade
	}
	chain input {
		type filter hook input priority filter; policy accept;
		iifname @bridges drop
		iifname @uplinks ct state established,related accept
		iifname @uplinks drop
	}
	chain forward {
		type filter hook forward priority filter; policy accept;
		iifname . oifname @within accept
		iifname @bridges drop
		oifname @bridges drop
		iifname @uplinks jump from_gateway
		oifname @uplinks ct state established,related accept
		oifname @uplinks ct status dnat accept
		oifname @uplinks drop
	}
	chain from_gateway {
		ct state established,related accept
		iifname . ip saddr != @sources drop
		ip daddr 169.254.0.0/16 drop
	}
}
table bridge ${Table} {
	set taps { type ifname; ${Taps} }
	set cards { type ifname . ether_addr; ${Cards} }
	set leases { type ifname . ether_addr . ipv4_addr; ${Leases} }
	chain prerouting {
		type filter hook prerouting priority filter; policy accept;
		iifname @taps jump from_guest
	}
	chain from_guest {
		iifname . ether saddr != @cards drop
		udp sport 67 drop
		ether type ip iifname . ether saddr . ip saddr @leases accept
		ether type ip ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept
		ether type arp iifname . arp saddr ether . arp saddr ip @leases accept
		ether type arp iifname . arp saddr ether @cards arp saddr ip 0.0.0.0 accept
		drop
	}
}
`
)

// gatewayTable replaces the table in a gateway's namespace.
const gatewayTable = `
add table inet atoll
delete table inet atoll
table inet atoll {
	map forwards { type inet_proto . inet_service : ipv4_addr . inet_service; ${Forwards} }
	chain prerouting {
		type nat hook prerouting priority dstnat; policy accept;
		iifname "wan" ip daddr ${Gateway} dnat ip to meta l4proto . th dport map @forwards
	}
	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		oifname "wan" masquerade
	}
	chain input {
		type filter hook input priority filter; policy drop;
		ct state established,related accept
		iifname "lo" accept
		iifname "lan" meta l4proto { tcp, udp } th dport 53 accept
		iifname "lan" udp dport 67 accept
		iifname "lan" icmp type echo-request accept
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
		tcp flags syn / syn,rst tcp option maxseg size set rt mtu
		ct state established,related accept
		ct state invalid drop
		iifname "lan" oifname "wan" ip saddr ${CIDR} accept
		iifname "wan" oifname "lan" ct status dnat accept
	}
}
`

// elements is the contents of a set or map of nft.
func elements(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return "elements = { " + strings.Join(list, ", ") + " }"
}

// hostData is what the host's rules are made of.
type hostData struct {
	Networks                                    bool
	Bridges, Within, Uplinks, Gateways, Sources []string
	Forwards, Taps, Cards, Leases               []string
}

// hostData collects all networks; the caller holds the host lock.
func (d *Driver) hostData() hostData {
	var data hostData
	for _, st := range d.sorted() {
		if st.Deleting {
			continue
		}
		n := st.names()
		data.Networks = true
		data.Bridges = append(data.Bridges, quote(n.bridge))
		data.Within = append(data.Within, quote(n.bridge)+" . "+quote(n.bridge))
		data.Uplinks = append(data.Uplinks, quote(n.uplink))
		data.Gateways = append(data.Gateways, st.Gateway.String())
		data.Sources = append(data.Sources, quote(n.uplink)+" . "+st.Gateway.String())
		for _, f := range st.Spec.Forwards {
			data.Forwards = append(data.Forwards, fmt.Sprintf("%s . %d : %s", f.Protocol, f.PublicPort, st.Gateway))
		}
		for _, tap := range st.Taps {
			data.Taps = append(data.Taps, quote(tap))
		}
		for _, l := range st.Spec.Leases {
			if tap, ok := st.Taps[l.MAC]; ok {
				data.Cards = append(data.Cards, quote(tap)+" . "+l.MAC)
				data.Leases = append(data.Leases, fmt.Sprintf("%q . %s . %s", tap, l.MAC, l.Address))
			}
		}
	}
	return data
}

func quote(name string) string { return `"` + name + `"` }

// applyHost replaces the host's rules with those of all recorded networks.
func (d *Driver) applyHost(ctx context.Context) error {
	if err := d.host.take(ctx); err != nil {
		return err
	}
	defer d.host.release()
	return runNft(ctx, d.hostRules())
}

func (d *Driver) hostRules() string {
	data := d.hostData()
	rules := hostClear
	if data.Networks {
		rules += hostTables
	}
	return fill(rules, map[string]string{
		"Table": d.table, "Bridges": elements(data.Bridges), "Within": elements(data.Within), "Uplinks": elements(data.Uplinks),
		"Gateways": elements(data.Gateways), "Sources": elements(data.Sources), "Forwards": elements(data.Forwards),
		"Taps": elements(data.Taps), "Cards": elements(data.Cards), "Leases": elements(data.Leases),
	})
}

func gatewayRules(st state) string {
	var forwards []string
	for _, f := range st.Spec.Forwards {
		forwards = append(forwards, fmt.Sprintf("%s . %d : %s . %d", f.Protocol, f.PublicPort, f.Address, f.Port))
	}
	return fill(gatewayTable, map[string]string{"Gateway": st.Gateway.String(), "CIDR": st.Spec.CIDR, "Forwards": elements(forwards)})
}

// fill puts the values into a text of ours, each for ${its name}. A name without a
// value is a defect. (The packages of templates would make the program a quarter
// larger: with them the linker keeps every method of every type.)
func fill(text string, values map[string]string) string {
	return os.Expand(text, func(name string) string {
		v, ok := values[name]
		if !ok {
			panic("no value for " + name)
		}
		return v
	})
}

// runNft applies a script in one transaction, in the calling thread's namespace.
func runNft(ctx context.Context, script string) error {
	nft, err := program("nft")
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, nft, "-f", "-")
	cmd.Stdin = strings.NewReader(script)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		if strings.Contains(out.String(), "Operation not permitted") {
			return cloud.Wrap(cloud.Denied, errors.New(out.String()), "nft may not change rules: run the agent as root")
		}
		return fmt.Errorf("nft: %w: %s", err, bytes.TrimSpace(out.Bytes()))
	}
	return nil
}
