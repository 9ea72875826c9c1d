package pki

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// SigningKey signs what agents execute. Purposes keep its uses apart: a signature made for one
// purpose is none for another.
type SigningKey struct {
	private ed25519.PrivateKey
}

// VerifyKey is the public half of a SigningKey.
type VerifyKey struct {
	public ed25519.PublicKey
}

// NewSigningKey makes a new Ed25519 key.
func NewSigningKey() (*SigningKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a signing key: %w", err)
	}
	return &SigningKey{private: key}, nil
}

// ParseSigningKey reads what KeyDER returned.
func ParseSigningKey(der []byte) (*SigningKey, error) {
	key, err := ParseKey(der)
	if err != nil {
		return nil, err
	}
	private, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("signing key: Ed25519 is required, not %T", key)
	}
	return &SigningKey{private: private}, nil
}

// KeyDER returns the private key as PKCS#8 DER, which the caller must encrypt before it stores it.
func (k *SigningKey) KeyDER() ([]byte, error) { return MarshalKey(k.private) }

// VerifyKey returns the public half.
func (k *SigningKey) VerifyKey() VerifyKey {
	return VerifyKey{public: k.private.Public().(ed25519.PublicKey)}
}

// Sign returns the signature of message as text "<key id>:<base64>". The purpose is at most 200
// bytes, such as "script".
func (k *SigningKey) Sign(purpose string, message []byte) (string, error) {
	sig, err := k.private.Sign(rand.Reader, message, signOptions(purpose))
	if err != nil {
		return "", fmt.Errorf("sign %s: %w", purpose, err)
	}
	return k.VerifyKey().ID() + ":" + base64.StdEncoding.EncodeToString(sig), nil
}

// ParseVerifyKey reads what VerifyKey.String wrote.
func ParseVerifyKey(text string) (VerifyKey, error) {
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || len(b) != ed25519.PublicKeySize {
		return VerifyKey{}, errors.New("verify key: not an Ed25519 public key in base64")
	}
	return VerifyKey{public: b}, nil
}

// ID names the key: the first 16 hex digits of the SHA-256 of the public key.
func (v VerifyKey) ID() string {
	sum := sha256.Sum256(v.public)
	return hex.EncodeToString(sum[:8])
}

// String returns the public key in base64, for ParseVerifyKey.
func (v VerifyKey) String() string { return base64.StdEncoding.EncodeToString(v.public) }

// Verify checks a signature made with one of the keys for the same purpose. The error says
// whether the key is unknown or the signature wrong.
func Verify(keys []VerifyKey, purpose string, message []byte, signature string) error {
	id, text, _ := strings.Cut(signature, ":")
	sig, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(sig) != ed25519.SignatureSize {
		return fmt.Errorf("signature of %s: not of the form KEY:BASE64", purpose)
	}
	for _, k := range keys {
		if k.ID() != id {
			continue
		}
		if err := ed25519.VerifyWithOptions(k.public, message, sig, signOptions(purpose)); err != nil {
			return fmt.Errorf("signature of %s by key %s does not fit the content: it was changed after it was signed", purpose, id)
		}
		return nil
	}
	return fmt.Errorf("signature of %s: key %q is not one of this installation", purpose, id)
}

func signOptions(purpose string) *ed25519.Options {
	return &ed25519.Options{Hash: crypto.Hash(0), Context: "atoll " + purpose}
}
