package pki

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
)

const joinPrefix = "atoll-join"

var joinPart = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)

// JoinToken lets one or several nodes join an installation.
type JoinToken struct {
	ID     string // names the token's row
	Secret string // shown once; the row holds its HashToken
	CAHash string // CA.Hash of the installation, by which a new agent knows the controller
}

// LogValue keeps the secret out of logs.
func (t JoinToken) LogValue() slog.Value { return slog.StringValue(joinPrefix + "." + t.ID) }

// FormatJoinToken returns the token as the one line that the operator copies to a node.
func FormatJoinToken(t JoinToken) string {
	return strings.Join([]string{joinPrefix, t.ID, t.Secret, t.CAHash}, ".")
}

// ParseJoinToken reads what FormatJoinToken wrote; space around it is ignored.
func ParseJoinToken(text string) (JoinToken, error) {
	p := strings.Split(strings.TrimSpace(text), ".")
	if len(p) != 4 || p[0] != joinPrefix || !joinPart.MatchString(p[1]) || !joinPart.MatchString(p[2]) {
		return JoinToken{}, errors.New("join token: not of the form atoll-join.ID.SECRET.HASH; copy the whole line that `atoll node token create` printed")
	}
	if b, err := hex.DecodeString(p[3]); err != nil || len(b) != 32 {
		return JoinToken{}, errors.New("join token: the part after the last dot is not a SHA-256 in hex; copy the whole line that `atoll node token create` printed")
	}
	return JoinToken{ID: p[1], Secret: p[2], CAHash: strings.ToLower(p[3])}, nil
}

// FetchCA is an agent's first contact: it asks the controller at addr (host:port) for the
// installation's CA certificate and returns it only if its hash is that of the join token and if
// the server proved to be a controller of that CA. Nothing secret is sent.
func FetchCA(ctx context.Context, addr, caHash string) (*x509.Certificate, error) {
	var ca *x509.Certificate
	d := tls.Dialer{Config: &tls.Config{
		MinVersion:         tls.VersionTLS13,
		InsecureSkipVerify: true, // the hash decides, in VerifyConnection
		VerifyConnection: func(cs tls.ConnectionState) error {
			root, err := findCA(cs.PeerCertificates, caHash)
			if err != nil {
				return err
			}
			if err := verifyController(root, cs.PeerCertificates); err != nil {
				return err
			}
			ca = root
			return nil
		},
	}}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("first contact with the controller at %s: %w", addr, err)
	}
	if err := conn.Close(); err != nil {
		return nil, fmt.Errorf("first contact with the controller at %s: %w", addr, err)
	}
	return ca, nil
}

func findCA(chain []*x509.Certificate, caHash string) (*x509.Certificate, error) {
	for _, c := range chain {
		if !c.IsCA || subtle.ConstantTimeCompare([]byte(SPKIHash(c)), []byte(caHash)) != 1 {
			continue
		}
		if err := c.CheckSignatureFrom(c); err != nil {
			return nil, fmt.Errorf("its CA certificate is not signed by itself: %w", err)
		}
		return c, nil
	}
	return nil, fmt.Errorf("it did not present the CA of the join token (hash %.12s…): this is another installation, the port for people, or something in between that reads the traffic", caHash)
}
