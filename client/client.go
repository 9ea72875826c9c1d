// Package client is the Go SDK of Atoll's REST API: what the CLI, Terraform and
// your own programs use to reach an installation. "Run this on those nodes" is
// three lines:
//
//	c, err := client.New(client.Config{URL: "https://cloud.example.org", Token: token})
//	for r, err := range c.Run(ctx, api.RunCreate{Role: "compute", Command: []string{"uptime"}}) {
//		fmt.Println(r.Node, r.State, r.Output)
//	}
//
// It must never hold rules: it sends what it is told and says what was answered.
package client

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// Config says which installation to talk to, and as whom.
type Config struct {
	URL   string // where people reach the controller, e.g. https://cloud.example.org
	Token string // an API token; "" calls without one
	// HTTP makes the calls; nil for one made from CAFile and Pin.
	HTTP *http.Client
	// CAFile has PEM certificates that are trusted besides the system's.
	CAFile string
	// Pin is the SHA-256 of the one certificate that the server may show, in hex.
	// It replaces all other checks: for self-signed certificates.
	Pin       string
	UserAgent string // "" is atoll-client
}

// Client calls one installation. It is safe for concurrent use.
type Client struct {
	base      *url.URL
	token     string
	http      *http.Client
	userAgent string
	session   *session // instead of a token, while logging in
}

// New checks the configuration; it calls nothing.
func New(cfg Config) (*Client, error) {
	base, err := url.Parse(strings.TrimRight(cfg.URL, "/"))
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fmt.Errorf("url: %q is no address of a server such as https://cloud.example.org", cfg.URL)
	}
	c := &Client{base: base, token: strings.TrimSpace(cfg.Token), http: cfg.HTTP, userAgent: cfg.UserAgent}
	if c.userAgent == "" {
		c.userAgent = "atoll-client"
	}
	if c.http == nil {
		tr, err := transport(cfg)
		if err != nil {
			return nil, err
		}
		c.http = &http.Client{Transport: tr}
	}
	return c, nil
}

// URL is the installation's address.
func (c *Client) URL() string { return c.base.String() }

func transport(cfg Config) (*http.Transport, error) {
	tr := http.DefaultTransport.(*http.Transport).Clone()
	tr.DialContext = (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}).DialContext
	tr.MaxIdleConnsPerHost = 8
	// One connection per call in flight, as WebSockets need it.
	tr.ForceAttemptHTTP2 = false
	tr.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if cfg.CAFile != "" {
		pem, err := os.ReadFile(cfg.CAFile)
		if err != nil {
			return nil, fmt.Errorf("ca file: %w", err)
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca file: %s has no certificate in PEM form", cfg.CAFile)
		}
		tr.TLSClientConfig.RootCAs = pool
	}
	if cfg.Pin != "" {
		pin := strings.ToLower(strings.ReplaceAll(cfg.Pin, ":", ""))
		if b, err := hex.DecodeString(pin); err != nil || len(b) != sha256.Size {
			return nil, errors.New("pin: must be the SHA-256 of the server's certificate: 64 of 0-9 and a-f")
		}
		tr.TLSClientConfig.InsecureSkipVerify = true // VerifyConnection checks more strictly
		tr.TLSClientConfig.VerifyConnection = func(cs tls.ConnectionState) error {
			sum := sha256.Sum256(cs.PeerCertificates[0].Raw)
			if got := hex.EncodeToString(sum[:]); got != pin {
				return fmt.Errorf("the server's certificate has the SHA-256 %s, not the pinned one", got)
			}
			return nil
		}
	}
	return tr, nil
}
