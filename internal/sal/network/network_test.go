package network

import (
	"net"
	"testing"

	"atoll/internal/sal"
	"atoll/internal/sal/saltest"
)

func newDriver(t *testing.T, cfg Config) *Driver {
	t.Helper()
	if cfg.Data == "" {
		cfg.Data = t.TempDir()
	}
	d, err := New(cfg)
	if err != nil {
		t.Fatalf("New() = %v", err)
	}
	return d
}

func TestNetworks(t *testing.T) {
	saltest.Networks(t, func(t *testing.T) saltest.NetworksEnv {
		data := t.TempDir()
		return saltest.NetworksEnv{
			Networks: newDriver(t, Config{Data: data}),
			Reopen:   func(t *testing.T) sal.Networks { return newDriver(t, Config{Data: data}) },
			Hold:     hold,
		}
	})
}

func hold(t *testing.T, protocol string) (port int64, release func()) {
	if protocol == "udp" {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return int64(c.LocalAddr().(*net.UDPAddr).Port), func() { c.Close() }
	}
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	return int64(l.Addr().(*net.TCPAddr).Port), func() { l.Close() }
}
