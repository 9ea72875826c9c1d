package agent

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/pki"
	"atoll/internal/wire"
)

// identity is who the agent is: its key and certificate, and whom it trusts.
type identity struct {
	node cloud.NodeID
	text []byte // PEM: key, certificate, CA
	cert tls.Certificate
	leaf validity
	ca   *x509.Certificate
	tls  *tls.Config
}

// validity is what an agent needs of its certificate later; the certificate
// itself is big, and a process may hold the agents of thousands of nodes.
type validity struct {
	renewAt, notAfter time.Time
}

const identityFile = "identity.pem"

// parseIdentity reads PEM text with a key, its certificate, and the CA.
func parseIdentity(text []byte) (*identity, error) {
	cert, err := tls.X509KeyPair(text, text)
	if err != nil {
		return nil, err
	}
	if len(cert.Certificate) < 2 {
		return nil, errors.New("the certificate of the CA is missing")
	}
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		return nil, err
	}
	ca, err := x509.ParseCertificate(cert.Certificate[len(cert.Certificate)-1])
	if err != nil {
		return nil, err
	}
	if err := leaf.CheckSignatureFrom(ca); err != nil {
		return nil, err
	}
	cert.Leaf = nil
	cert.Certificate = cert.Certificate[:1]
	id := &identity{
		node: cloud.NodeID(leaf.Subject.CommonName), text: text, cert: cert, ca: ca,
		leaf: validity{pki.RenewAt(leaf), leaf.NotAfter},
	}
	id.tls = pki.ClientConfig(ca, func() (*tls.Certificate, error) { return &id.cert, nil })
	return id, nil
}

func (id *identity) expired(now time.Time) error {
	if now.Before(id.leaf.notAfter) {
		return nil
	}
	return cloud.Errorf(cloud.Unauthenticated,
		"the certificate of node %s expired on %s: the node was away for too long, or its clock is wrong (it says %s); let it join again with a new token",
		id.node, id.leaf.notAfter.UTC().Format(time.DateTime), now.UTC().Format(time.DateTime))
}

// loadIdentity returns the stored identity; nil if the agent has not joined.
func (a *Agent) loadIdentity() (*identity, error) {
	var text []byte
	if m := a.cfg.Memory; m != nil {
		m.mu.Lock()
		text = m.identity
		m.mu.Unlock()
	} else {
		var err error
		text, err = os.ReadFile(filepath.Join(a.cfg.DataDir, identityFile))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		// The key of a certificate that an earlier agent was killed over.
		if err := os.Remove(filepath.Join(a.cfg.DataDir, identityFile+".new")); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	if len(text) == 0 {
		return nil, nil
	}
	id, err := parseIdentity(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; remove it and let the node join again", filepath.Join(a.cfg.DataDir, identityFile), err)
	}
	return id, nil
}

func (a *Agent) storeIdentity(text []byte) error {
	if m := a.cfg.Memory; m != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.identity = text
		return nil
	}
	f, err := writeFile(filepath.Join(a.cfg.DataDir, identityFile), text)
	if err != nil {
		return fmt.Errorf("keep the certificate: %w", err)
	}
	return f.Close()
}

// Joined reports whether the agent has an identity, so that Run can start.
func (a *Agent) Joined() bool { return a.id.Load() != nil }

// Node returns the id that the node got when it joined; "" before that.
func (a *Agent) Node() cloud.NodeID {
	if id := a.id.Load(); id != nil {
		return id.node
	}
	return ""
}

// Join makes the node known with a join token and keeps the certificate that it
// gets; an identity that the agent had is replaced. The controller proves at
// first contact that it is the one that made the token. Its errors are Invalid
// for a token that is none, Unauthenticated for one that is used up or expired,
// and Unavailable when no controller can be reached.
func (a *Agent) Join(ctx context.Context, token string) error {
	t, err := pki.ParseJoinToken(token)
	if err != nil {
		return cloud.Errorf(cloud.Invalid, "%v", err)
	}
	facts, err := a.facts(ctx)
	if err != nil {
		return fmt.Errorf("read the facts of this host: %w", err)
	}
	req := wire.JoinRequest{Token: token, Name: a.cfg.Name, Facts: *facts, Roles: a.offers(), Simulated: a.cfg.Node.Simulated}
	for i, server := range a.servers {
		var ca *x509.Certificate
		if ca, err = pki.FetchCA(ctx, hostPort(server), t.CAHash); err == nil {
			err = a.certify(ctx, i, pki.ClientConfig(ca, nil), wire.PathJoin, func(csr []byte) any { req.CSR = csr; return &req })
		}
		if s := new(statusError); err == nil || errors.As(err, &s) && s.Code < 500 {
			break // another controller would say the same
		}
	}
	if err != nil {
		return joinError(err)
	}
	a.log.Info("joined", "node", a.Node(), "name", a.cfg.Name)
	return nil
}

func joinError(err error) error {
	var s *statusError
	switch {
	case !errors.As(err, &s):
		return cloud.Errorf(cloud.Unavailable, "join: %v", err)
	case s.Code == http.StatusUnauthorized || s.Code == http.StatusForbidden:
		return cloud.Errorf(cloud.Unauthenticated, "join: %s", s.Error())
	case s.Code < 500:
		return cloud.Errorf(cloud.Invalid, "join: %s", s.Error())
	}
	return cloud.Errorf(cloud.Unavailable, "join: %s", s.Error())
}

// renew replaces the certificate by a new one for a new key.
func (a *Agent) renew(ctx context.Context) error {
	err := a.certify(ctx, a.serverNow(), a.id.Load().tls, wire.PathRenew, func(csr []byte) any { return &wire.RenewRequest{CSR: csr} })
	if err != nil {
		return fmt.Errorf("renew the certificate of node %s: %w", a.Node(), err)
	}
	a.log.Info("certificate renewed", "valid_until", a.id.Load().leaf.notAfter)
	return nil
}

// certify asks a controller to sign a new key and stores the answer.
func (a *Agent) certify(ctx context.Context, server int, config *tls.Config, path string, request func(csr []byte) any) error {
	key, err := pki.NewKey()
	if err != nil {
		return err
	}
	csr, err := pki.NewCSR(key)
	if err != nil {
		return err
	}
	body, err := json.Marshal(request(csr))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.servers[server].String()+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := a.client(config).Do(req)
	if err != nil {
		return err
	}
	text, err := readBody(resp)
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return &statusError{resp.StatusCode, problemOf(text)}
	}
	var answer wire.JoinAnswer
	if err := json.Unmarshal(text, &answer); err != nil {
		return fmt.Errorf("answer of the controller: %w", err)
	}
	pem, err := pki.EncodeKey(key)
	if err != nil {
		return err
	}
	id, err := parseIdentity(slices.Concat(pem, answer.Certificate, answer.CA))
	if err != nil {
		return fmt.Errorf("the controller's certificate for this node: %w", err)
	}
	if old := a.id.Load(); old != nil && path == wire.PathRenew && old.node != id.node {
		return fmt.Errorf("the controller's certificate is for node %s, not for %s", id.node, old.node)
	}
	if err := a.storeIdentity(id.text); err != nil {
		return err
	}
	a.id.Store(id)
	return nil
}

// client returns an HTTP client for calls beside exchanges. It keeps no
// connections: they are rare.
func (a *Agent) client(config *tls.Config) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: a.cfg.Dial, TLSClientConfig: config, DisableKeepAlives: true,
		TLSHandshakeTimeout: dialTimeout, ResponseHeaderTimeout: answerTimeout,
	}}
}
