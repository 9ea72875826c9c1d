package pki

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// listen serves TLS on a port of its own. Every connection gets back who the server says is there.
func listen(t *testing.T, config *tls.Config) string {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				c := conn.(*tls.Conn)
				if c.Handshake() == nil {
					_, _ = c.Write([]byte(who(c.ConnectionState())))
				}
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
	})
	return l.Addr().String()
}

func who(cs tls.ConnectionState) string {
	id, serial, err := PeerNode(cs)
	if errors.Is(err, ErrNoCertificate) {
		return "nobody"
	}
	if err == nil {
		return "node " + id + " " + serial
	}
	if id, _, err = PeerController(cs); err != nil {
		return err.Error()
	}
	return "controller " + id
}

// call dials and returns what the server wrote.
func call(addr string, config *tls.Config) (string, error) {
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 10 * time.Second}, "tcp", addr, config)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	b := make([]byte, 1024)
	n, err := conn.Read(b)
	return string(b[:n]), err
}

func fixed(c tls.Certificate) func() (*tls.Certificate, error) {
	return func() (*tls.Certificate, error) { return &c, nil }
}

func nodeCert(t *testing.T, ca *CA, id string, now time.Time) (tls.Certificate, string) {
	t.Helper()
	key := newKey(t)
	csr, err := NewCSR(key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.IssueNode(csr, id, NodeLifetime, now)
	if err != nil {
		t.Fatal(err)
	}
	return joined(t, cert, key), cert.Serial()
}

func controllerCert(t *testing.T, ca *CA, id string) tls.Certificate {
	t.Helper()
	key := newKey(t)
	cert, err := ca.IssueController(key.Public(), id, []string{"ctrl.example"}, ServerLifetime, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return joined(t, cert, key)
}

func serverCert(t *testing.T, ca *CA) tls.Certificate {
	t.Helper()
	key := newKey(t)
	cert, err := ca.IssueServer(key.Public(), []string{"127.0.0.1"}, ServerLifetime, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return joined(t, cert, key)
}

func joined(t *testing.T, cert Certificate, key crypto.Signer) tls.Certificate {
	t.Helper()
	pair, err := cert.TLS(key)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func TestAgentListener(t *testing.T) {
	ca, other := newCA(t), newCA(t)
	var revoked atomic.Value
	revoked.Store("")
	addr := listen(t, ListenerConfig(ca.Cert(), fixed(controllerCert(t, ca, "c1")), func(s string) bool { return s == revoked.Load() }))

	n1, serial1 := nodeCert(t, ca, "n1", time.Now())
	expired, _ := nodeCert(t, ca, "n1", time.Now().Add(-NodeLifetime-time.Hour))
	early, _ := nodeCert(t, ca, "n1", time.Now().Add(time.Hour))
	foreign, _ := nodeCert(t, other, "n1", time.Now())
	n2, serial2 := nodeCert(t, ca, "n2", time.Now())
	for _, tt := range []struct {
		name string
		cert tls.Certificate
		want string // "" means refused
	}{
		{"node", n1, "node n1 " + serial1},
		{"another node", n2, "node n2 " + serial2},
		{"controller", controllerCert(t, ca, "c2"), "controller c2"},
		{"no certificate", tls.Certificate{}, "nobody"},
		{"expired", expired, ""},
		{"not valid yet", early, ""},
		{"of another CA", foreign, ""},
		{"of a server for people", serverCert(t, ca), ""},
		{"certificate of one node, key of another", tls.Certificate{Certificate: n1.Certificate, PrivateKey: n2.PrivateKey}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := call(addr, ClientConfig(ca.Cert(), fixed(tt.cert)))
			if got != tt.want || (err != nil) != (tt.want == "") {
				t.Errorf("server says %q, %v; want %q", got, err, tt.want)
			}
		})
	}
	t.Run("revoked", func(t *testing.T) {
		config := ClientConfig(ca.Cert(), fixed(n1))
		config.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		if got, err := call(addr, config); err != nil {
			t.Fatalf("before: %q, %v", got, err)
		}
		revoked.Store(serial1)
		if got, err := call(addr, config); err == nil {
			t.Errorf("a revoked certificate is still served: %q", got)
		}
		if got, err := call(addr, ClientConfig(ca.Cert(), fixed(n2))); err != nil {
			t.Errorf("the other node: %q, %v", got, err)
		}
	})
}

func TestClientTrustsOnlyControllers(t *testing.T) {
	ca := newCA(t)
	node, _ := nodeCert(t, ca, "n1", time.Now())
	for _, tt := range []struct {
		name   string
		server tls.Certificate
		want   string // "" means trusted
	}{
		{"controller, whatever its address", controllerCert(t, ca, "c1"), ""},
		{"controller of another CA", controllerCert(t, newCA(t), "c1"), "not a controller"},
		{"node", node, "not a controller"},
		{"server for people", serverCert(t, ca), "not a controller"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			addr := listen(t, &tls.Config{Certificates: []tls.Certificate{tt.server}})
			_, err := call(addr, ClientConfig(ca.Cert(), nil))
			if tt.want == "" && err == nil {
				return
			}
			if err == nil || tt.want == "" || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want %q", err, tt.want)
			}
		})
	}
}

func TestPeerNeedsVerifiedChain(t *testing.T) {
	node, _ := nodeCert(t, newCA(t), "n1", time.Now())
	leaf, err := x509.ParseCertificate(node.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	if id, _, err := PeerNode(tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}}); err == nil {
		t.Errorf("PeerNode believes an unverified certificate: %q", id)
	}
}

func TestFetchCA(t *testing.T) {
	ca, other := newCA(t), newCA(t)
	addr := listen(t, ListenerConfig(ca.Cert(), fixed(controllerCert(t, ca, "c1")), nil))
	portal := listen(t, &tls.Config{Certificates: []tls.Certificate{serverCert(t, ca)}})
	// Somebody in between who has the real CA certificate, but no certificate from it.
	fake := controllerCert(t, other, "c1")
	fake.Certificate = append(fake.Certificate[:1:1], ca.Cert().Raw)
	between := listen(t, &tls.Config{Certificates: []tls.Certificate{fake}})

	got, err := FetchCA(t.Context(), addr, ca.Hash())
	if err != nil || !got.Equal(ca.Cert()) {
		t.Fatalf("FetchCA = %v, %v", got, err)
	}
	if answer, err := call(addr, ClientConfig(got, nil)); err != nil || answer != "nobody" {
		t.Errorf("call with the fetched CA: %q, %v", answer, err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		name, addr, hash string
		ctx              context.Context
		want             string
	}{
		{"wrong hash", addr, other.Hash(), t.Context(), "did not present the CA"},
		{"port for people", portal, ca.Hash(), t.Context(), "not a controller"},
		{"somebody in between", between, ca.Hash(), t.Context(), "not a controller"},
		{"canceled", addr, ca.Hash(), canceled, "canceled"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ca, err := FetchCA(tt.ctx, tt.addr, tt.hash)
			if ca != nil || err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.addr) {
				t.Errorf("FetchCA = %v, %v; want an error with %q and the address", ca, err, tt.want)
			}
		})
	}
}

func TestJoinToken(t *testing.T) {
	secret, _ := NewToken("")
	want := JoinToken{ID: "0198c9a0-1111-7000-8000-000000000001", Secret: secret, CAHash: newCA(t).Hash()}
	text := FormatJoinToken(want)
	if got, err := ParseJoinToken(" " + text + "\n"); err != nil || got != want {
		t.Errorf("ParseJoinToken(%q) = %v, %v", text, got, err)
	}
	if strings.Contains(want.LogValue().String(), secret) {
		t.Error("the secret is in the log value")
	}
	for _, bad := range []string{"", "x", text[:len(text)-1], text + ".x", strings.Replace(text, joinPrefix, "join", 1), "atoll-join.a." + secret + ".zz"} {
		_, err := ParseJoinToken(bad)
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("ParseJoinToken(%q) = %v", bad, err)
		}
	}
}
