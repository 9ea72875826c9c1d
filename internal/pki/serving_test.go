package pki

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// presented dials and returns the certificate that the server presents, checked against the CA.
func presented(t *testing.T, addr string, ca *CA) *x509.Certificate {
	t.Helper()
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 10 * time.Second}, "tcp", addr, &tls.Config{RootCAs: pool(ca.Cert()), ServerName: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0]
}

func writePair(t *testing.T, ca *CA, certFile, keyFile string) string {
	t.Helper()
	key := newKey(t)
	cert, err := ca.IssueServer(key.Public(), []string{"127.0.0.1"}, ServerLifetime, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	text, err := EncodeKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{certFile: cert.PEM, keyFile: text} {
		if name != "" {
			if err := replaceFile(name, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return cert.Serial()
}

func TestServeFilesReload(t *testing.T) {
	ca, dir := newCA(t), t.TempDir()
	certFile, keyFile := filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem")
	first := writePair(t, ca, certFile, keyFile)
	var logged bytes.Buffer
	f := &files{cert: certFile, key: keyFile, log: slog.New(slog.NewTextHandler(&logged, nil))}
	s, err := f.serving()
	if err != nil {
		t.Fatal(err)
	}
	addr := listen(t, s.TLSConfig())
	serves := func(want string) {
		t.Helper()
		if got := Serial(presented(t, addr, ca)); got != want {
			t.Errorf("serves certificate %s, want %s", got, want)
		}
	}
	serves(first)
	second := writePair(t, ca, certFile, keyFile)
	serves(second)
	writePair(t, ca, certFile, "") // the key does not fit (yet)
	serves(second)
	serves(second)
	if err := os.Remove(keyFile); err != nil {
		t.Fatal(err)
	}
	serves(second)
	third := writePair(t, ca, certFile, keyFile)
	serves(third)
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := strings.Count(logged.String(), "the old one stays"); n != 2 {
		t.Errorf("two problems were logged %d times:\n%s", n, logged.String())
	}
}

func TestServeFilesChecksSeldom(t *testing.T) {
	ca, dir := newCA(t), t.TempDir()
	f := &files{cert: filepath.Join(dir, "c"), key: filepath.Join(dir, "k"), every: checkEvery, log: slog.New(slog.DiscardHandler)}
	first := writePair(t, ca, f.cert, f.key)
	if _, err := f.serving(); err != nil {
		t.Fatal(err)
	}
	start := f.checked
	second := writePair(t, ca, f.cert, f.key)
	for _, tt := range []struct {
		after time.Duration
		want  string
	}{{checkEvery - 1, first}, {checkEvery, second}} {
		if got := Serial(f.get(start.Add(tt.after)).Leaf); got != tt.want {
			t.Errorf("after %s: certificate %s, want %s", tt.after, got, tt.want)
		}
	}
}

func TestServeFilesMissing(t *testing.T) {
	_, err := ServeFiles("/nonexistent/c.pem", "/nonexistent/k.pem", slog.Default())
	if err == nil || !strings.Contains(err.Error(), "/nonexistent/c.pem") {
		t.Errorf("ServeFiles = %v, want an error with the path", err)
	}
}

func TestServeSelfSigned(t *testing.T) {
	o := SelfSigned{CA: newCA(t), Dir: filepath.Join(t.TempDir(), "tls"), Hosts: []string{"127.0.0.1", "localhost"}}
	serve := func() string {
		t.Helper()
		s, err := ServeSelfSigned(o, slog.Default())
		if err != nil {
			t.Fatal(err)
		}
		return Serial(presented(t, listen(t, s.TLSConfig()), o.CA))
	}
	first := serve()
	if second := serve(); second != first {
		t.Error("a good certificate was replaced")
	}
	if info, err := os.Stat(filepath.Join(o.Dir, "portal.key")); err != nil || info.Mode() != 0o600 {
		t.Errorf("key file: %v, %v", info, err)
	}
	o.Hosts = append(o.Hosts, "cloud.example")
	withHost := serve()
	if withHost == first {
		t.Error("a certificate without the new host was kept")
	}
	o.CA = newCA(t)
	otherCA := serve()
	if otherCA == withHost {
		t.Error("a certificate of another CA was kept")
	}

	f := &files{cert: filepath.Join(o.Dir, "portal.crt"), key: filepath.Join(o.Dir, "portal.key"), log: slog.Default()}
	f.renew = func(now time.Time) error { return o.renew(f.cert, f.key, now) }
	for _, tt := range []struct {
		name string
		at   float64 // share of its life
		same bool
	}{{"young", 0.5, true}, {"old", 0.7, false}} {
		now := time.Now().Add(time.Duration(tt.at * float64(ServerLifetime)))
		if got := Serial(f.get(now).Leaf); (got == otherCA) != tt.same {
			t.Errorf("%s: certificate kept = %v, want %v", tt.name, !tt.same, tt.same)
		}
	}
}

func TestChallengeHandlerWithoutACME(t *testing.T) {
	h := (&Serving{}).ChallengeHandler(nil)
	for from, want := range map[string]string{
		"http://cloud.example:80/a?b=c": "https://cloud.example/a?b=c",
		"http://cloud.example/":         "https://cloud.example/",
		"http://[::1]:80/a":             "https://[::1]/a",
		"http://[::1]/a":                "https://[::1]/a",
	} {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, from, nil))
		if got := rec.Header().Get("Location"); got != want {
			t.Errorf("%s redirected to %q, want %q", from, got, want)
		}
	}
}
