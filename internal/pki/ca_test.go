package pki

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"strings"
	"testing"
	"time"
)

func newCA(t *testing.T) *CA {
	t.Helper()
	ca, err := NewCA("test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func newKey(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestCARoundTrip(t *testing.T) {
	ca := newCA(t)
	der, err := ca.KeyDER()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseCA(ca.CertPEM(), der)
	if err != nil {
		t.Fatal(err)
	}
	if again.Hash() != ca.Hash() || len(ca.Hash()) != 64 {
		t.Errorf("Hash() = %q after a round trip, %q before", again.Hash(), ca.Hash())
	}
	if _, err := ParseCA(newCA(t).CertPEM(), der); err == nil || !strings.Contains(err.Error(), "not that of certificate") {
		t.Errorf("ParseCA with the key of another CA: %v", err)
	}
	if _, err := ParseCA([]byte("x"), der); err == nil {
		t.Error("ParseCA took a text without certificate")
	}
}

func TestIssueNode(t *testing.T) {
	ca, now := newCA(t), time.Now()
	// The request asks for another name: it must not get it.
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: "other"}, DNSNames: []string{"ctrl-01"},
	}, newKey(t))
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.IssueNode(csr, "node-1", NodeLifetime, now)
	if err != nil {
		t.Fatal(err)
	}
	leaf := cert.Leaf
	if leaf.Subject.CommonName != "node-1" || len(leaf.DNSNames) != 0 || len(leaf.URIs) != 1 || leaf.URIs[0].String() != "atoll://node/node-1" {
		t.Errorf("certificate names: %s, %v, %v", leaf.Subject, leaf.DNSNames, leaf.URIs)
	}
	if bits := leaf.SerialNumber.BitLen(); bits != 127 {
		t.Errorf("serial has %d bits", bits)
	}
	if got := RenewAt(leaf).Sub(now); got < 19*24*time.Hour || got > 20*24*time.Hour {
		t.Errorf("RenewAt in %s, want about 20 days", got)
	}
	long, err := ca.IssueNode(csr, "node-1", 100*365*24*time.Hour, now)
	if err != nil || !long.Leaf.NotAfter.Equal(ca.Cert().NotAfter) {
		t.Errorf("a certificate outlives the CA: %v, %v", long.Leaf, err)
	}
}

func TestIssueRefuses(t *testing.T) {
	ca, now := newCA(t), time.Now()
	csr, err := NewCSR(newKey(t))
	if err != nil {
		t.Fatal(err)
	}
	tampered := append([]byte(nil), csr...)
	tampered[len(tampered)-1] ^= 1
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	rsaCSR, err := NewCSR(rsaKey)
	if err != nil {
		t.Fatal(err)
	}
	node := func(csr []byte, id string, life time.Duration, now time.Time) error {
		_, err := ca.IssueNode(csr, id, life, now)
		return err
	}
	server := func(hosts ...string) error {
		_, err := ca.IssueServer(rsaKey.Public(), hosts, ServerLifetime, now)
		return err
	}
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"not a request", node([]byte("x"), "n", 1, now), "certificate request of node n"},
		{"changed request", node(tampered, "n", 1, now), "certificate request of node n"},
		{"RSA key", node(rsaCSR, "n", 1, now), "use ECDSA"},
		{"id with a slash", node(csr, "a/b", 1, now), `node id "a/b"`},
		{"id empty", node(csr, "", 1, now), `node id ""`},
		{"no lifetime", node(csr, "n", 0, now), "longer than 0"},
		{"CA expired", node(csr, "n", 1, now.Add(caLifetime)), "CA expired"},
		{"host with port", server("a.example:443"), `"a.example:443"`},
		{"host with scheme", server("https://a"), `"https://a"`},
		{"no host", server(), "at least one host"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.err == nil || !strings.Contains(tt.err.Error(), tt.want) {
				t.Errorf("error = %v, want one with %q", tt.err, tt.want)
			}
		})
	}
}

func TestIssueServerHosts(t *testing.T) {
	hosts := []string{"cloud.example.com", "ctrl-01", "*.apps.example.com", "10.0.0.1", "::1"}
	cert, err := newCA(t).IssueServer(newKey(t).Public(), hosts, ServerLifetime, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range append(hosts[:2:2], "x.apps.example.com", "10.0.0.1", "::1") {
		if err := cert.Leaf.VerifyHostname(h); err != nil {
			t.Error(err)
		}
	}
}
