package pki

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// checkEvery is how often at most a handshake looks whether the certificate files changed.
const checkEvery = 2 * time.Second

// Serving is the TLS that people and their tools see.
type Serving struct {
	config    *tls.Config
	challenge func(http.Handler) http.Handler
}

// TLSConfig returns the configuration for the listener. It negotiates HTTP/2.
func (s *Serving) TLSConfig() *tls.Config { return s.config.Clone() }

// ChallengeHandler answers an ACME server's HTTP-01 questions on plain port 80 and passes every
// other request to next; nil redirects them to https. Without ACME it is next.
func (s *Serving) ChallengeHandler(next http.Handler) http.Handler {
	switch {
	case s.challenge != nil:
		return s.challenge(next)
	case next != nil:
		return next
	default:
		return http.HandlerFunc(redirect)
	}
}

func redirect(w http.ResponseWriter, r *http.Request) {
	host := withoutPort(r.Host)
	if strings.Contains(host, ":") && host[0] != '[' {
		host = "[" + host + "]"
	}
	http.Redirect(w, r, "https://"+host+r.URL.RequestURI(), http.StatusPermanentRedirect)
}

func withoutPort(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		return h
	}
	return host
}

// ServeFiles serves the certificate (PEM, leaf first) and key of two files. When the files change
// they are read again within seconds; a pair that does not fit is logged and the old one is kept.
func ServeFiles(certFile, keyFile string, log *slog.Logger) (*Serving, error) {
	f := &files{cert: certFile, key: keyFile, every: checkEvery, log: log}
	return f.serving()
}

// SelfSigned says what ServeSelfSigned keeps where.
type SelfSigned struct {
	CA    *CA
	Dir   string   // portal.crt and portal.key are kept here; made if absent
	Hosts []string // DNS names and IP addresses
}

// ServeSelfSigned serves a certificate that the installation's own CA issues. The one that is in
// Dir is kept, so that browsers which were told to trust it go on doing so, until it is of another
// CA, lacks a host or is two thirds through its life; that is also looked at while serving.
func ServeSelfSigned(o SelfSigned, log *slog.Logger) (*Serving, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("folder of the self-signed certificate: %w", err)
	}
	f := &files{
		cert: filepath.Join(o.Dir, "portal.crt"), key: filepath.Join(o.Dir, "portal.key"),
		every: checkEvery, log: log,
	}
	f.renew = func(now time.Time) error { return o.renew(f.cert, f.key, now) }
	return f.serving()
}

func (o SelfSigned) renew(certFile, keyFile string, now time.Time) error {
	if pair, err := tls.LoadX509KeyPair(certFile, keyFile); err == nil && o.good(pair.Leaf, now) {
		return nil
	}
	key, err := NewKey()
	if err != nil {
		return err
	}
	cert, err := o.CA.IssueServer(key.Public(), o.Hosts, ServerLifetime, now)
	if err != nil {
		return err
	}
	text, err := EncodeKey(key)
	if err != nil {
		return err
	}
	if err := replaceFile(keyFile, text, 0o600); err != nil {
		return err
	}
	return replaceFile(certFile, cert.PEM, 0o644)
}

func (o SelfSigned) good(leaf *x509.Certificate, now time.Time) bool {
	if now.After(RenewAt(leaf)) || leaf.CheckSignatureFrom(o.CA.cert) != nil {
		return false
	}
	for _, h := range o.Hosts {
		if leaf.VerifyHostname(h) != nil {
			return false
		}
	}
	return true
}

// files is a certificate in two files that may change.
type files struct {
	cert, key string
	every     time.Duration
	renew     func(now time.Time) error // nil: somebody else renews
	log       *slog.Logger

	mu      sync.Mutex
	checked time.Time
	stamp   string // of the files that current is made of
	warned  string // the stamp or error that was logged last
	current *tls.Certificate
}

func (f *files) serving() (*Serving, error) {
	now := time.Now()
	if err := f.check(now); err != nil {
		return nil, fmt.Errorf("certificate for people: %w", err)
	}
	f.checked = now
	return &Serving{config: &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return f.get(time.Now()), nil },
	}}, nil
}

// get returns the certificate to present. It never fails: an old certificate is better than none.
func (f *files) get(now time.Time) *tls.Certificate {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now.Sub(f.checked) < f.every {
		return f.current
	}
	f.checked = now
	err := f.check(now)
	if err == nil {
		f.warned = ""
	} else if f.warned != err.Error() {
		f.warned = err.Error()
		f.log.Warn("certificate for people not read again, the old one stays", "error", err)
	}
	return f.current
}

func (f *files) check(now time.Time) error {
	if f.renew != nil {
		if err := f.renew(now); err != nil {
			return fmt.Errorf("renew %s: %w", f.cert, err)
		}
	}
	stamp, err := stampOf(f.cert, f.key)
	if err != nil || stamp == f.stamp {
		return err
	}
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return fmt.Errorf("%s and %s: %w", f.cert, f.key, err)
	}
	f.current, f.stamp = &pair, stamp
	return nil
}

func stampOf(paths ...string) (stamp string, err error) {
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			return "", err
		}
		stamp += fmt.Sprintf("%d %d ", info.ModTime().UnixNano(), info.Size())
		// Two files that replace each other within one tick of the clock differ in this only.
		if s, ok := info.Sys().(*syscall.Stat_t); ok {
			stamp += fmt.Sprintf("%d ", s.Ino)
		}
	}
	return stamp, nil
}

// ACME says where certificates come from.
type ACME struct {
	DirectoryURL string         // empty means Let's Encrypt
	Hosts        []string       // DNS names; certificates are made for these only
	Email        string         // the ACME server may write there; may be empty
	Cache        autocert.Cache // shared by all controllers; its values are secret
	RootCAFile   string         // PEM; also trusted for the ACME server itself; empty for public ones
}

// ServeACME serves certificates from an ACME server, made at the first visit of each host and
// renewed in time. The server checks the host by TLS-ALPN-01 on the listener of TLSConfig (port
// 443 to the outside) or by HTTP-01 if ChallengeHandler is served (port 80 to the outside).
// Calling this accepts the terms of the ACME server.
func ServeACME(o ACME) (*Serving, error) {
	if len(o.Hosts) == 0 || o.Cache == nil {
		return nil, errors.New("ACME: at least one host name and a cache are required")
	}
	var none x509.Certificate
	if err := addHosts(&none, o.Hosts); err != nil {
		return nil, fmt.Errorf("ACME: %w", err)
	}
	if len(none.IPAddresses) > 0 {
		return nil, fmt.Errorf("ACME: host %s is an address; ACME needs a DNS name, or use a certificate file", none.IPAddresses[0])
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if o.RootCAFile != "" {
		roots, err := x509.SystemCertPool()
		if err != nil {
			return nil, fmt.Errorf("ACME: the system's trusted certificates: %w", err)
		}
		text, err := os.ReadFile(o.RootCAFile)
		if err != nil {
			return nil, fmt.Errorf("ACME: root CA file: %w", err)
		}
		if !roots.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("ACME: root CA file %s holds no certificate in PEM", o.RootCAFile)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	known := autocert.HostWhitelist(o.Hosts...)
	m := &autocert.Manager{
		Prompt: autocert.AcceptTOS,
		Cache:  o.Cache,
		Email:  o.Email,
		// Private ACME servers may visit another port than 80 and then name it in the Host header.
		HostPolicy: func(ctx context.Context, host string) error { return known(ctx, withoutPort(host)) },
		Client: &acme.Client{
			DirectoryURL: cmp.Or(o.DirectoryURL, autocert.DefaultACMEDirectory),
			HTTPClient:   &http.Client{Transport: transport, Timeout: time.Minute},
			UserAgent:    "atoll",
		},
	}
	config := m.TLSConfig()
	config.MinVersion = tls.VersionTLS12
	return &Serving{config: config, challenge: m.HTTPHandler}, nil
}
