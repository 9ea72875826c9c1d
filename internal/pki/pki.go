// Package pki is the installation's own trust: its certificate authority, the certificates of
// agents and controllers and how both ends check them, join tokens, the signing key of scripts,
// the box that secrets are stored in, token and password hashes, and the TLS that people see.
//
// It must never know a database, a node or a user beyond an id, never keep private keys anywhere
// the caller did not name, and never put a secret into an error.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

const (
	pemCertificate = "CERTIFICATE"
	pemKey         = "PRIVATE KEY"
)

// NewKey returns a new ECDSA P-256 key, the kind that every certificate of an installation uses.
func NewKey() (crypto.Signer, error) {
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

// MarshalKey returns the key as PKCS#8 DER. The caller encrypts it (Keyring.Seal) or keeps it in
// a file with mode 0600.
func MarshalKey(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode private key: %w", err)
	}
	return der, nil
}

// ParseKey reads what MarshalKey wrote.
func ParseKey(der []byte) (crypto.Signer, error) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("parse private key: %w", err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("parse private key: a %T cannot sign", key)
	}
	return signer, nil
}

// EncodeKey returns the key as PEM, for files.
func EncodeKey(key crypto.Signer) ([]byte, error) {
	der, err := MarshalKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemKey, Bytes: der}), nil
}

// EncodeCertificate returns the certificate as PEM.
func EncodeCertificate(cert *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: cert.Raw})
}

// ParseCertificate reads the first certificate of PEM text.
func ParseCertificate(text []byte) (*x509.Certificate, error) {
	for {
		var block *pem.Block
		block, text = pem.Decode(text)
		if block == nil {
			return nil, errors.New("parse certificate: no PEM block CERTIFICATE in the text")
		}
		if block.Type == pemCertificate {
			return x509.ParseCertificate(block.Bytes)
		}
	}
}

// SPKIHash returns the SHA-256, in hex, of the certificate's SubjectPublicKeyInfo. It stays the
// same when a certificate is renewed with the same key.
func SPKIHash(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

// Certificate is an issued certificate without its private key.
type Certificate struct {
	PEM  []byte // the leaf, then the CA: what a TLS server presents
	Leaf *x509.Certificate
}

// Serial returns the serial number in the form that Revoked functions get.
func (c Certificate) Serial() string { return Serial(c.Leaf) }

// TLS joins the certificate and its key for crypto/tls.
func (c Certificate) TLS(key crypto.Signer) (tls.Certificate, error) {
	text, err := EncodeKey(key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(c.PEM, text)
}

// Serial returns the serial number of cert as lower case hex without leading zeros.
func Serial(cert *x509.Certificate) string { return cert.SerialNumber.Text(16) }

func supportedKey(pub any) error {
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() || k.Curve == elliptic.P384() {
			return nil
		}
	case ed25519.PublicKey:
		return nil
	}
	return fmt.Errorf("key type %T is not accepted: use ECDSA P-256, P-384 or Ed25519", pub)
}

// replaceFile writes the file so that a crash leaves either the old or the new content.
func replaceFile(path string, data []byte, mode os.FileMode) error {
	tmp, err := writeBeside(path, data, mode)
	if err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return syncDir(filepath.Dir(path))
}

// createFile is replaceFile, but answers fs.ErrExist if there is such a file already.
func createFile(path string, data []byte, mode os.FileMode) error {
	tmp, err := writeBeside(path, data, mode)
	if err != nil {
		return err
	}
	if err := errors.Join(os.Link(tmp, path), os.Remove(tmp)); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// writeBeside writes and syncs a temporary file in the folder of path and returns its name.
func writeBeside(path string, data []byte, mode os.FileMode) (name string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return "", err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if err := f.Chmod(mode); err != nil {
		return "", err
	}
	if _, err := f.Write(data); err != nil {
		return "", err
	}
	return f.Name(), f.Sync()
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
