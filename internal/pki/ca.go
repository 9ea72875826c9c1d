package pki

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"regexp"
	"time"
)

const (
	// NodeLifetime is how long an agent's certificate is valid unless the operator says otherwise.
	NodeLifetime = 30 * 24 * time.Hour
	// ServerLifetime is how long the certificates of controllers and of the portal are valid:
	// below what browsers accept.
	ServerLifetime = 397 * 24 * time.Hour

	caLifetime = 20 * 365 * 24 * time.Hour
	// skew is how far the clocks of two machines may differ.
	skew = 5 * time.Minute
)

var (
	idPattern   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)
	hostPattern = regexp.MustCompile(`^(\*\.)?([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)
)

// CA is the installation's certificate authority. Its methods may be called concurrently.
type CA struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// NewCA makes a certificate authority that is valid for 20 years from now.
func NewCA(name string, now time.Time) (*CA, error) {
	key, err := NewKey()
	if err != nil {
		return nil, fmt.Errorf("make the key of CA %s: %w", name, err)
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	tmpl := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: name, Organization: []string{"Atoll"}},
		NotBefore:             now.Add(-skew),
		NotAfter:              now.Add(caLifetime),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("sign the certificate of CA %s: %w", name, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &CA{cert: cert, key: key}, nil
}

// ParseCA puts a CA together again from CertPEM and KeyDER. It fails if they do not belong together.
func ParseCA(certPEM, keyDER []byte) (*CA, error) {
	cert, err := ParseCertificate(certPEM)
	if err != nil {
		return nil, fmt.Errorf("CA: %w", err)
	}
	key, err := ParseKey(keyDER)
	if err != nil {
		return nil, fmt.Errorf("CA: %w", err)
	}
	if !cert.IsCA {
		return nil, fmt.Errorf("CA: certificate %q is not a certificate authority", cert.Subject.CommonName)
	}
	pub, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !pub.Equal(cert.PublicKey) {
		return nil, fmt.Errorf("CA: the key is not that of certificate %q", cert.Subject.CommonName)
	}
	return &CA{cert: cert, key: key}, nil
}

// Cert returns the CA's certificate.
func (c *CA) Cert() *x509.Certificate { return c.cert }

// CertPEM returns the CA's certificate, which is public.
func (c *CA) CertPEM() []byte { return EncodeCertificate(c.cert) }

// KeyDER returns the CA's private key, which the caller must encrypt before it stores it.
func (c *CA) KeyDER() ([]byte, error) { return MarshalKey(c.key) }

// Hash is what join tokens carry: see SPKIHash.
func (c *CA) Hash() string { return SPKIHash(c.cert) }

// NewCSR returns a certificate request (DER) for the key. It carries no name: the controller
// decides whose certificate it becomes.
func NewCSR(key crypto.Signer) ([]byte, error) {
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return nil, fmt.Errorf("make a certificate request: %w", err)
	}
	return der, nil
}

// IssueNode gives the agent of a node its client certificate. Of the request (DER) only the key
// counts; the caller has checked that it comes from that node. The certificate never outlives the CA.
func (c *CA) IssueNode(csr []byte, nodeID string, lifetime time.Duration, now time.Time) (Certificate, error) {
	req, err := x509.ParseCertificateRequest(csr)
	if err != nil {
		return Certificate{}, fmt.Errorf("certificate request of node %s: %w", nodeID, err)
	}
	if err := req.CheckSignature(); err != nil {
		return Certificate{}, fmt.Errorf("certificate request of node %s: %w", nodeID, err)
	}
	uri, err := identity(hostNode, nodeID)
	if err != nil {
		return Certificate{}, err
	}
	return c.issue(req.PublicKey, &x509.Certificate{
		Subject:     pkix.Name{CommonName: nodeID},
		URIs:        []*url.URL{uri},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, lifetime, now)
}

// IssueController gives a controller the certificate for its agent listener and for calls to
// other controllers. Agents know a controller by this identity, not by its host name, so hosts
// (DNS names and IP addresses) are only for other readers and may be empty.
func (c *CA) IssueController(pub crypto.PublicKey, controllerID string, hosts []string, lifetime time.Duration, now time.Time) (Certificate, error) {
	uri, err := identity(hostController, controllerID)
	if err != nil {
		return Certificate{}, err
	}
	tmpl := &x509.Certificate{
		Subject:     pkix.Name{CommonName: controllerID},
		URIs:        []*url.URL{uri},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if err := addHosts(tmpl, hosts); err != nil {
		return Certificate{}, err
	}
	return c.issue(pub, tmpl, lifetime, now)
}

// IssueServer gives a server that people visit a certificate for the hosts (DNS names and IP
// addresses). Agents do not accept it.
func (c *CA) IssueServer(pub crypto.PublicKey, hosts []string, lifetime time.Duration, now time.Time) (Certificate, error) {
	if len(hosts) == 0 {
		return Certificate{}, errors.New("server certificate: at least one host name or address is required")
	}
	tmpl := &x509.Certificate{
		// The common name has a limit of 64 bytes and nobody reads it any more.
		Subject:     pkix.Name{CommonName: "Atoll server"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if err := addHosts(tmpl, hosts); err != nil {
		return Certificate{}, err
	}
	return c.issue(pub, tmpl, lifetime, now)
}

// RenewAt returns when a certificate should be replaced: after two thirds of its life.
func RenewAt(cert *x509.Certificate) time.Time {
	return cert.NotBefore.Add(cert.NotAfter.Sub(cert.NotBefore) * 2 / 3)
}

func (c *CA) issue(pub crypto.PublicKey, tmpl *x509.Certificate, lifetime time.Duration, now time.Time) (Certificate, error) {
	if err := supportedKey(pub); err != nil {
		return Certificate{}, err
	}
	if lifetime <= 0 {
		return Certificate{}, fmt.Errorf("certificate lifetime %s: it must be longer than 0", lifetime)
	}
	if !now.Before(c.cert.NotAfter) {
		return Certificate{}, fmt.Errorf("the installation's CA expired on %s: check this machine's clock (it says %s)",
			c.cert.NotAfter.Format(time.DateOnly), now.Format(time.DateOnly))
	}
	serial, err := newSerial()
	if err != nil {
		return Certificate{}, err
	}
	tmpl.SerialNumber = serial
	tmpl.NotBefore = now.Add(-skew)
	tmpl.NotAfter = now.Add(lifetime)
	if tmpl.NotAfter.After(c.cert.NotAfter) {
		tmpl.NotAfter = c.cert.NotAfter
	}
	tmpl.KeyUsage = x509.KeyUsageDigitalSignature
	tmpl.BasicConstraintsValid = true
	der, err := x509.CreateCertificate(rand.Reader, tmpl, c.cert, pub, c.key)
	if err != nil {
		return Certificate{}, fmt.Errorf("sign certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return Certificate{}, err
	}
	return Certificate{PEM: append(EncodeCertificate(leaf), c.CertPEM()...), Leaf: leaf}, nil
}

func addHosts(tmpl *x509.Certificate, hosts []string) error {
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			tmpl.IPAddresses = append(tmpl.IPAddresses, ip)
			continue
		}
		if len(h) > 253 || !hostPattern.MatchString(h) {
			return fmt.Errorf("certificate host %q: not a DNS name or IP address (give it without scheme and port)", h)
		}
		tmpl.DNSNames = append(tmpl.DNSNames, h)
	}
	return nil
}

func newSerial() (*big.Int, error) {
	b := make([]byte, 16)
	if _, err := rand.Read(b); err != nil {
		return nil, err
	}
	// A zero serial is forbidden; the highest bit set keeps all serials the same length.
	b[0] = b[0]&0x7f | 0x40
	return new(big.Int).SetBytes(b), nil
}
