package network

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
)

// Names of the links inside the namespace.
const (
	lanLink = "lan" // in the bridge
	wanLink = "wan" // to the host
)

// names are those of a network's parts. With a number of 24 bits and three
// bytes of a MAC, the longest, a tap's, has the 15 characters of IFNAMSIZ.
type names struct {
	bridge    string // also the namespace's name
	lan       string // our end of the gateway's veth pair into the bridge
	uplink    string // our end of the gateway's veth pair to the host
	lanMAC    net.HardwareAddr
	bridgeMAC net.HardwareAddr
}

func namesOf(number int64) names {
	base := fmt.Sprintf("at%x", number)
	// Fixed, so that a gateway made anew keeps what guests have in their ARP tables.
	mac := func(first byte) net.HardwareAddr {
		b := binary.BigEndian.AppendUint32([]byte{first, 'a'}, uint32(number))
		b[2] = 't'
		return b
	}
	return names{bridge: base, lan: base + "g", uplink: base + "u", lanMAC: mac(0x02), bridgeMAC: mac(0x06)}
}

// tableName names our tables in the host's namespace after the data folder.
func tableName(data string) string {
	sum := sha256.Sum256([]byte(data))
	return fmt.Sprintf("atoll_%x", sum[:4])
}

// nth returns the nth address of an IPv4 prefix.
func nth(p netip.Prefix, n int64) netip.Addr {
	a := p.Masked().Addr().As4()
	binary.BigEndian.PutUint32(a[:], binary.BigEndian.Uint32(a[:])+uint32(n))
	return netip.AddrFrom4(a)
}
