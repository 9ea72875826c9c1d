package exchange

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"atoll/internal/blob"
	"atoll/internal/cloud"
	"atoll/internal/control"
	"atoll/internal/pki"
	"atoll/internal/store/storetest"
	"atoll/internal/wire"
)

// site is a controller with its agents' endpoint on loopback.
type site struct {
	t     *testing.T
	c     *control.Control
	admin *control.Request
	s     *Server
	addr  string
	ca    *x509.Certificate
	token string
}

func newSite(t *testing.T) *site {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	blobs, err := blob.Open(ctx, "file://"+t.TempDir())
	fatal(t, err)
	keys, _, err := pki.LoadKeyring(t.TempDir() + "/master.key")
	fatal(t, err)
	log := slog.New(slog.DiscardHandler)
	s := &site{t: t, admin: control.System("test")}
	s.c, err = control.New(ctx, control.Config{DB: storetest.SQLite(t), Blobs: blobs, Keys: keys, Passwords: pki.PasswordsForTest(1), Log: log, PublicURL: "http://test"})
	fatal(t, err)
	s.c.Queue().Hold = 100 * time.Millisecond
	_, err = s.c.Bootstrap(ctx, nil)
	fatal(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	fatal(t, err)
	s.addr = ln.Addr().String()
	s.s, err = New(ctx, s.c, []string{"127.0.0.1"}, log)
	fatal(t, err)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.c.Run(ctx); err != nil {
			t.Errorf("controller: %v", err)
		}
	})
	wg.Go(func() {
		if err := s.s.Serve(ln); err != nil {
			t.Errorf("agents' endpoint: %v", err)
		}
	})
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		blobs.Close()
	})
	s.ca = s.c.CA().Cert()
	s.token = s.joinToken(control.NewJoinToken{Uses: 100, TTL: time.Hour})
	return s
}

func fatal(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (s *site) joinToken(in control.NewJoinToken) string {
	s.t.Helper()
	text, _, err := s.c.CreateJoinToken(s.t.Context(), s.admin, in)
	fatal(s.t, err)
	return text
}

// node is a node that has joined.
type node struct {
	s    *site
	name string
	id   cloud.NodeID
	key  crypto.Signer
	cert *tls.Certificate
}

func newKey(t *testing.T) (crypto.Signer, []byte) {
	t.Helper()
	key, err := pki.NewKey()
	fatal(t, err)
	csr, err := pki.NewCSR(key)
	fatal(t, err)
	return key, csr
}

func keyPair(t *testing.T, key crypto.Signer, pem []byte) *tls.Certificate {
	t.Helper()
	leaf, err := pki.ParseCertificate(pem)
	fatal(t, err)
	c, err := pki.Certificate{PEM: pem, Leaf: leaf}.TLS(key)
	fatal(t, err)
	return &c
}

func (s *site) join(name string) *node {
	s.t.Helper()
	key, csr := newKey(s.t)
	var got wire.JoinAnswer
	status, body := s.call(nil, http.MethodPost, wire.PathJoin, wire.JoinRequest{Token: s.token, Name: name, CSR: csr, Roles: cloud.Roles}, nil)
	if status != http.StatusOK {
		s.t.Fatalf("join = %d %s", status, body)
	}
	fatal(s.t, json.Unmarshal(body, &got))
	return &node{s: s, name: name, id: got.Node, key: key, cert: keyPair(s.t, key, got.Certificate)}
}

// tls is the client's side with a certificate, or without one.
func (s *site) tls(cert *tls.Certificate) *tls.Config {
	return pki.ClientConfig(s.ca, func() (*tls.Certificate, error) { return cert, nil })
}

// call makes one ordinary call on a connection of its own.
func (s *site) call(cert *tls.Certificate, method, path string, in any, header map[string]string) (int, []byte) {
	s.t.Helper()
	tr := &http.Transport{TLSClientConfig: s.tls(cert), DisableKeepAlives: true}
	var body io.Reader
	switch in := in.(type) {
	case nil:
	case io.Reader:
		body = in
	default:
		b, err := json.Marshal(in)
		fatal(s.t, err)
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, "https://"+s.addr+path, body)
	fatal(s.t, err)
	for k, v := range header {
		req.Header.Set(k, v)
	}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return 0, []byte(err.Error())
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	fatal(s.t, err)
	return resp.StatusCode, got
}

// line is a connection for exchanges, spoken byte by byte.
type line struct {
	t *testing.T
	*tls.Conn
	r *bufio.Reader
}

func (n *node) dial() *line {
	n.s.t.Helper()
	c, err := tls.Dial("tcp", n.s.addr, n.s.tls(n.cert))
	fatal(n.s.t, err)
	n.s.t.Cleanup(func() { c.Close() })
	fatal(n.s.t, c.SetDeadline(time.Now().Add(20*time.Second)))
	return &line{t: n.s.t, Conn: c, r: bufio.NewReader(c)}
}

// post writes a request with the body as it is.
func (l *line) post(body []byte, header string) {
	l.t.Helper()
	_, err := fmt.Fprintf(l, "POST %s HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n%s", wire.PathExchange, header, len(body), body)
	fatal(l.t, err)
}

// say sends an exchange.
func (l *line) say(x *wire.Exchange) {
	l.t.Helper()
	b, err := json.Marshal(x)
	fatal(l.t, err)
	l.post(b, "Accept-Encoding: zstd\r\n")
}

// read reads one response; status 0 says that the connection was closed instead.
func (l *line) read() (int, []byte) {
	l.t.Helper()
	resp, err := http.ReadResponse(l.r, nil)
	if err != nil {
		if ne, ok := err.(net.Error); ok && ne.Timeout() {
			l.t.Fatal("no response within 20 s")
		}
		return 0, nil
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	fatal(l.t, err)
	if resp.Header.Get("Content-Encoding") == "zstd" {
		z, err := zstd.NewReader(nil)
		fatal(l.t, err)
		defer z.Close()
		body, err = z.DecodeAll(body, nil)
		fatal(l.t, err)
	}
	return resp.StatusCode, body
}

func (l *line) answer() *wire.Answer {
	l.t.Helper()
	status, body := l.read()
	if status != http.StatusOK {
		l.t.Fatalf("exchange = %d %s", status, body)
	}
	a := &wire.Answer{}
	fatal(l.t, json.Unmarshal(body, a))
	return a
}

func pack(t *testing.T, b []byte) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	fatal(t, err)
	defer z.Close()
	return z.EncodeAll(b, nil)
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}
