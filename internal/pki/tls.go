package pki

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

const (
	scheme         = "atoll"
	hostNode       = "node"
	hostController = "controller"
)

// ErrNoCertificate says that a peer presented no client certificate: on the agent listener it may
// only join.
var ErrNoCertificate = errors.New("no client certificate was presented")

// ListenerConfig is the TLS of the agent listener, where nodes and other controllers call.
// A client certificate is optional, so that a new agent can join; one that is presented must come
// from the CA, be valid now, and not be revoked. Handlers tell callers apart with PeerNode and
// PeerController. Revoked is asked once per connection: it must be fast, and connections that are
// open when a certificate is revoked are the caller's to close. Cert is asked for each handshake.
func ListenerConfig(ca *x509.Certificate, cert func() (*tls.Certificate, error), revoked func(serial string) bool) *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS13,
		ClientAuth:     tls.VerifyClientCertIfGiven,
		ClientCAs:      pool(ca),
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return cert() },
		// A resumed session would skip the check of the certificate's dates.
		SessionTicketsDisabled: true,
		VerifyConnection: func(cs tls.ConnectionState) error {
			if len(cs.PeerCertificates) == 0 {
				return nil
			}
			if serial := Serial(cs.PeerCertificates[0]); revoked != nil && revoked(serial) {
				return fmt.Errorf("certificate %s of %s is revoked", serial, cs.PeerCertificates[0].Subject.CommonName)
			}
			return nil
		},
	}
}

// ClientConfig is the TLS with which agents, and controllers among each other, call a controller.
// It trusts the given CA only, and of its certificates only those of controllers. The host name
// that was dialled does not count: a controller may be reached through any address, and nobody
// else owns such a certificate. Cert is asked for each handshake and may answer nil (not joined yet).
func ClientConfig(ca *x509.Certificate, cert func() (*tls.Certificate, error)) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		InsecureSkipVerify: true, // VerifyConnection below checks chain and identity instead of the host name
		VerifyConnection: func(cs tls.ConnectionState) error {
			return verifyController(ca, cs.PeerCertificates)
		},
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if cert == nil {
				return &tls.Certificate{}, nil
			}
			c, err := cert()
			if c == nil && err == nil {
				c = &tls.Certificate{}
			}
			return c, err
		},
	}
}

// PeerNode returns the node whose agent is at the other end, and the serial number of its
// certificate. It returns ErrNoCertificate if there is none.
func PeerNode(cs tls.ConnectionState) (nodeID, serial string, err error) {
	return peer(cs, hostNode)
}

// PeerController returns the controller at the other end, and the serial number of its
// certificate. It returns ErrNoCertificate if there is none.
func PeerController(cs tls.ConnectionState) (controllerID, serial string, err error) {
	return peer(cs, hostController)
}

func peer(cs tls.ConnectionState, kind string) (id, serial string, err error) {
	if len(cs.PeerCertificates) == 0 {
		return "", "", ErrNoCertificate
	}
	if len(cs.VerifiedChains) == 0 {
		return "", "", errors.New("the client certificate was not verified")
	}
	cert := cs.PeerCertificates[0]
	id, err = identityOf(cert, kind)
	return id, Serial(cert), err
}

func verifyController(ca *x509.Certificate, chain []*x509.Certificate) error {
	if len(chain) == 0 {
		return errors.New("the server presented no certificate")
	}
	_, err := chain[0].Verify(x509.VerifyOptions{Roots: pool(ca), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	if err != nil {
		return fmt.Errorf("the server is not a controller of this installation: %w", err)
	}
	if _, err := identityOf(chain[0], hostController); err != nil {
		return fmt.Errorf("the server is not a controller of this installation: %w", err)
	}
	return nil
}

// identity makes the name that a certificate is known by.
func identity(kind, id string) (*url.URL, error) {
	if !idPattern.MatchString(id) {
		return nil, fmt.Errorf("%s id %q: 1 to 63 letters, digits, dots, dashes and underscores are required", kind, id)
	}
	return &url.URL{Scheme: scheme, Host: kind, Path: "/" + id}, nil
}

func identityOf(cert *x509.Certificate, kind string) (string, error) {
	if len(cert.URIs) == 1 {
		u := cert.URIs[0]
		id := strings.TrimPrefix(u.Path, "/")
		if u.Scheme == scheme && u.Host == kind && idPattern.MatchString(id) {
			return id, nil
		}
	}
	return "", fmt.Errorf("certificate %s of %q is not that of a %s", Serial(cert), cert.Subject.CommonName, kind)
}

func pool(ca *x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(ca)
	return p
}
