package rest

import (
	"net/http/httptest"
	"net/netip"
	"testing"

	"atoll/internal/control"
)

func TestAddress(t *testing.T) {
	trusting := &Server{Config: Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}}}
	for _, tt := range []struct {
		name, peer string
		forwarded  []string // the headers, one after the other
		want       string
	}{
		{"no proxy", "192.0.2.7:99", nil, "192.0.2.7"},
		{"a stranger's claim", "192.0.2.7:99", []string{"198.51.100.1"}, "192.0.2.7"},
		{"a stranger claims to be a proxy", "192.0.2.7:99", []string{"198.51.100.1, 10.0.0.1"}, "192.0.2.7"},
		{"a proxy", "10.0.0.1:99", []string{"198.51.100.1"}, "198.51.100.1"},
		{"a proxy that says nothing", "10.0.0.1:99", nil, "10.0.0.1"},
		{"a client's claim through a proxy", "10.0.0.1:99", []string{"203.0.113.9, 198.51.100.1"}, "198.51.100.1"},
		{"a client claims to be a proxy", "10.0.0.1:99", []string{"203.0.113.9, 10.9.9.9, 198.51.100.1"}, "198.51.100.1"},
		{"two proxies", "10.0.0.1:99", []string{"198.51.100.1, 10.0.0.2"}, "198.51.100.1"},
		{"two headers", "10.0.0.1:99", []string{"203.0.113.9", "198.51.100.1"}, "198.51.100.1"},
		{"no address", "10.0.0.1:99", []string{"198.51.100.1, unknown"}, "10.0.0.1"},
		{"empty", "10.0.0.1:99", []string{""}, "10.0.0.1"},
		{"only proxies", "10.0.0.1:99", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"IPv6", "[fd00::1]:99", []string{"2001:db8::5"}, "2001:db8::5"},
		{"IPv4 in IPv6", "[::ffff:10.0.0.1]:99", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = tt.peer
			r.Header["X-Forwarded-For"] = tt.forwarded
			if got := trusting.addressOf(r); got != tt.want {
				t.Errorf("address = %q, want %q", got, tt.want)
			}
			claim := netip.MustParseAddrPort(tt.peer).Addr()
			if got := (&Server{}).addressOf(r); got != claim.Unmap().String() {
				t.Errorf("without trusted proxies the address is %q, want %q", got, claim)
			}
		})
	}
}

// TestClientsBehindAProxy: limits and events are about the client, not the proxy.
func TestClientsBehindAProxy(t *testing.T) {
	w := newWorldWith(t, Config{
		AddressRate: Rate{0.001, 1}, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	})
	for _, client := range []string{"192.0.2.1", "192.0.2.2"} {
		w.get("atoll_wrong", "/api/v1/me", "X-Forwarded-For", client).problem(401, "unauthenticated", "")
		w.get("atoll_wrong", "/api/v1/me", "X-Forwarded-For", client).problem(429, "rate-limited", "")
	}
	w.post(w.admin, "/api/v1/accounts", `{"name":"acme"}`, "X-Forwarded-For", "192.0.2.3").status(201)
	w.eventually("the event of the creation has the client's address", func() bool {
		events, _, err := w.control.Events(t.Context(), w.root, control.Query{Filter: []string{"action=account.create"}, Sort: "-seq"})
		return err == nil && events[0].SubjectName == "acme" && events[0].Address == "192.0.2.3"
	})
}
