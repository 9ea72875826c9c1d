package cloud_test

import (
	"testing"

	"atoll/internal/cloud"
)

func TestPublicAddress(t *testing.T) {
	for _, tt := range []struct {
		name  string
		facts cloud.NodeFacts
		want  string
	}{
		{"told", cloud.NodeFacts{PublicAddress: "203.0.113.7", Addresses: []string{"10.0.0.7"}}, "203.0.113.7"},
		{"a name", cloud.NodeFacts{PublicAddress: "gw-1.example.com"}, "gw-1.example.com"},
		{"IPv6", cloud.NodeFacts{PublicAddress: "2001:db8::7"}, "2001:db8::7"},
		{"an agent of the previous version", cloud.NodeFacts{Addresses: []string{"10.0.0.7", "10.0.0.8"}}, "10.0.0.7"},
		{"nothing", cloud.NodeFacts{}, ""},
		{"a command", cloud.NodeFacts{PublicAddress: "x; reboot"}, ""},
		{"an option", cloud.NodeFacts{PublicAddress: "-oProxyCommand=reboot"}, ""},
		{"a zone", cloud.NodeFacts{PublicAddress: "fe80::1%$(reboot)"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := cloud.Node{Facts: tt.facts}
			if got := n.PublicAddress(); got != tt.want {
				t.Errorf("PublicAddress() = %q, want %q", got, tt.want)
			}
		})
	}
}
