package control

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"atoll/internal/cloud"
)

// maxRedirects is how often a source may send us elsewhere.
const maxRedirects = 5

// fetchClient is the HTTP client for addresses that users give. It connects to
// public addresses and to Config.ImageURLAllow only, which is checked on the
// address that is dialled: after names were resolved, and for each redirect.
func (c *Control) fetchClient() *http.Client {
	dialer := &net.Dialer{
		Timeout: 15 * time.Second, KeepAlive: 30 * time.Second, Resolver: c.resolver,
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			return checkSource(address, c.ImageURLAllow)
		},
	}
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                  nil, // a proxy would resolve and dial in our place
			DialContext:            dialer.DialContext,
			TLSHandshakeTimeout:    15 * time.Second,
			ResponseHeaderTimeout:  time.Minute,
			DisableCompression:     true, // the checksum is that of the file
			MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return cloud.FieldErrorf("url", "leads to more than %d redirects", maxRedirects)
			}
			_, err := parseSource(req.URL.String())
			return err
		},
	}
}

// special are the networks that are not the Internet beyond what netip knows of
// (https://www.iana.org/assignments/iana-ipv4-special-registry and …ipv6…).
// Those that carry IPv4 addresses inside are among them.
var special = func() (out []netip.Prefix) {
	for _, p := range []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
		"198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16",
		"3fff::/20", "5f00::/16", "fec0::/10",
	} {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}()

// checkSource refuses to connect to an address that only this side can reach,
// unless it is allowed.
func checkSource(address string, allowed []netip.Prefix) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return cloud.FieldErrorf("url", "leads to %s, which is no address", address)
	}
	ip := to.Addr().Unmap().WithZone("")
	within := func(p netip.Prefix) bool { return p.Contains(ip) }
	if ip.IsGlobalUnicast() && !ip.IsPrivate() && !slices.ContainsFunc(special, within) || slices.ContainsFunc(allowed, within) {
		return nil
	}
	return cloud.FieldErrorf("url", "leads to %s, which is no public address; an operator could allow it (image-url-allow)", ip)
}
