package pki

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/letsencrypt/challtestsrv"
	"golang.org/x/crypto/acme/autocert"
)

// pebble is a running ACME server that finds every host on 127.0.0.1.
type pebble struct {
	directory string
	rootCA    string // file with the CA of its own HTTPS
	log       *lockedBuffer
}

// startPebble starts a real ACME server process, which visits hosts on the two ports.
func startPebble(t *testing.T, httpPort, tlsPort int) pebble {
	t.Helper()
	dir := t.TempDir()
	bin := filepath.Join(dir, "pebble")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "github.com/letsencrypt/pebble/v2/cmd/pebble").CombinedOutput(); err != nil {
		t.Fatalf("build the ACME server: %v\n%s", err, out)
	}
	ca := newCA(t)
	p := pebble{rootCA: filepath.Join(dir, "ca.pem"), log: &lockedBuffer{}}
	if err := os.WriteFile(p.rootCA, ca.CertPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	writePair(t, ca, filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem"))
	addr := freeAddr(t)
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": addr, "certificate": filepath.Join(dir, "c.pem"), "privateKey": filepath.Join(dir, "k.pem"),
		"httpPort": httpPort, "tlsPort": tlsPort, "keyAlgorithm": "ecdsa",
		"retryAfter": map[string]int{"authz": 1, "order": 1},
	}})
	if err != nil {
		t.Fatal(err)
	}
	configFile := filepath.Join(dir, "config.json")
	if err := os.WriteFile(configFile, config, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), bin, "-config", configFile, "-dnsserver", startDNS(t))
	cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1")
	cmd.Stdout, cmd.Stderr = p.log, p.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	p.directory = "https://" + addr + "/dir"
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool(ca.Cert())}}}
	defer client.CloseIdleConnections()
	waitFor(t, "the ACME server answers", func() error {
		resp, err := client.Get(p.directory)
		if err != nil {
			return fmt.Errorf("%w\n%s", err, p.log)
		}
		return resp.Body.Close()
	})
	return p
}

// startDNS starts a DNS server that answers 127.0.0.1 to everything.
func startDNS(t *testing.T) string {
	t.Helper()
	addr := freeAddr(t)
	srv, err := challtestsrv.New(challtestsrv.Config{DNSAddrs: []string{addr}, Log: slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)})
	if err != nil {
		t.Fatal(err)
	}
	srv.SetDefaultDNSIPv4("127.0.0.1")
	srv.SetDefaultDNSIPv6("")
	go srv.Run()
	t.Cleanup(srv.Shutdown)
	resolver := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}}
	waitFor(t, "the DNS server answers", func() error {
		_, err := resolver.LookupHost(t.Context(), "cloud.example.")
		return err
	})
	return addr
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func waitFor(t *testing.T, what string, f func() error) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// TestACME gets certificates from a real ACME server, by both ways of proving the host.
func TestACME(t *testing.T) {
	front := httptest.NewUnstartedServer(http.NotFoundHandler()) // port 80 to the outside
	tlsListener, err := net.Listen("tcp", "127.0.0.1:0")         // port 443 to the outside
	if err != nil {
		t.Fatal(err)
	}
	port := func(a net.Addr) int { return a.(*net.TCPAddr).Port }
	p := startPebble(t, port(front.Listener.Addr()), port(tlsListener.Addr()))

	dir := t.TempDir()
	options := func(cache string) ACME {
		return ACME{
			DirectoryURL: p.directory, Hosts: []string{"cloud.example", "www.cloud.example"}, Email: "ops@cloud.example",
			Cache: autocert.DirCache(filepath.Join(dir, cache)), RootCAFile: p.rootCA,
		}
	}
	alpn, err := ServeACME(options("alpn"))
	if err != nil {
		t.Fatal(err)
	}
	srv := &httptest.Server{Listener: tlsListener, Config: &http.Server{Handler: http.NotFoundHandler(), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)}, TLS: alpn.TLSConfig()}
	srv.StartTLS()
	defer srv.Close()

	issued := visit(t, p, tlsListener.Addr().String(), "cloud.example")
	if again := visit(t, p, tlsListener.Addr().String(), "cloud.example"); again != issued {
		t.Error("the second visit got another certificate")
	}
	if _, err := hello(tlsListener.Addr().String(), "evil.example"); err == nil {
		t.Error("a certificate was made for a host that is not configured")
	}
	// A controller that starts again, or another one with the same cache, asks for nothing.
	offline := options("alpn")
	offline.DirectoryURL = "https://127.0.0.1:1/dir"
	restarted, err := ServeACME(offline)
	if err != nil {
		t.Fatal(err)
	}
	if got := visit(t, p, listen(t, restarted.TLSConfig()), "cloud.example"); got != issued {
		t.Error("the certificate in the cache was not used")
	}

	t.Run("HTTP-01", func(t *testing.T) {
		s, err := ServeACME(options("http"))
		if err != nil {
			t.Fatal(err)
		}
		front.Config.Handler = s.ChallengeHandler(nil)
		front.Start()
		defer front.Close()
		// The ACME server cannot reach this listener: only port 80 can prove the host.
		visit(t, p, listen(t, s.TLSConfig()), "www.cloud.example")
		if !strings.Contains(p.log.String(), "/.well-known/acme-challenge/") {
			t.Errorf("no HTTP-01 challenge in the ACME server's log:\n%s", p.log)
		}
	})
}

// visit returns the serial of the certificate that a visitor of host gets from addr.
func visit(t *testing.T, p pebble, addr, host string) string {
	t.Helper()
	cs, err := hello(addr, host)
	if err != nil {
		t.Fatalf("visit %s: %v\n%s", host, err, p.log)
	}
	leaf := cs.PeerCertificates[0]
	if err := leaf.VerifyHostname(host); err != nil {
		t.Error(err)
	}
	if !strings.Contains(leaf.Issuer.CommonName, "Pebble") {
		t.Errorf("the certificate of %s is from %q", host, leaf.Issuer.CommonName)
	}
	return Serial(leaf)
}

func hello(addr, host string) (tls.ConnectionState, error) {
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: time.Minute}, "tcp", addr,
		&tls.Config{ServerName: host, InsecureSkipVerify: true}) // the server's CA is new at each start
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer conn.Close()
	return conn.ConnectionState(), nil
}

func TestServeACMERefuses(t *testing.T) {
	notPEM := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(notPEM, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	cache := autocert.DirCache(t.TempDir())
	for _, tt := range []struct {
		name string
		in   ACME
		want string
	}{
		{"no host", ACME{Cache: cache}, "at least one host"},
		{"no cache", ACME{Hosts: []string{"a.example"}}, "cache"},
		{"address", ACME{Hosts: []string{"10.0.0.1"}, Cache: cache}, "10.0.0.1 is an address"},
		{"not a host", ACME{Hosts: []string{"https://a"}, Cache: cache}, `"https://a"`},
		{"no root file", ACME{Hosts: []string{"a.example"}, Cache: cache, RootCAFile: "/nonexistent"}, "/nonexistent"},
		{"root file without certificate", ACME{Hosts: []string{"a.example"}, Cache: cache, RootCAFile: notPEM}, notPEM},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := ServeACME(tt.in); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("ServeACME: %v, want %q", err, tt.want)
			}
		})
	}
}

// lockedBuffer collects what a process prints while the test reads it.
type lockedBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
