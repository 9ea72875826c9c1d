package pki

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"fmt"
)

// ValueKey seals secrets that lie in rows. It is itself kept sealed with the master
// key. Its methods may be called concurrently.
type ValueKey struct{ aead cipher.AEAD }

// NewValueKey returns the bytes of a new key.
func NewValueKey() []byte {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return key
}

// OpenValueKey returns the key of the bytes that NewValueKey gave.
func OpenValueKey(key []byte) (*ValueKey, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("key of values: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return &ValueKey{aead}, err
}

// Seal encrypts and authenticates the text for a place, which Open must be given too,
// so that a sealed text cannot be moved to another one.
func (k *ValueKey) Seal(plain, place string) string {
	return base64.StdEncoding.EncodeToString(k.aead.Seal(nil, nil, []byte(plain), []byte(place)))
}

// Open returns what was sealed for the place. Errors wrap ErrSealed.
func (k *ValueKey) Open(sealed, place string) (string, error) {
	data, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrSealed, err)
	}
	plain, err := k.aead.Open(nil, nil, data, []byte(place))
	if err != nil {
		return "", fmt.Errorf("%w: it was changed, or belongs to another place", ErrSealed)
	}
	return string(plain), nil
}
