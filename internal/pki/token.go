package pki

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
)

// NewToken returns a new secret with at least 128 random bits, to be shown once, and the hash to
// store. The prefix, if any, tells people and secret scanners what it is: "atoll" gives "atoll_…".
func NewToken(prefix string) (plain, hash string) {
	plain = rand.Text()
	if prefix != "" {
		plain = prefix + "_" + plain
	}
	return plain, HashToken(plain)
}

// HashToken returns the SHA-256 of a token in hex. It is meant for secrets that NewToken made:
// those cannot be guessed, so a slow hash would only cost. Passwords need Passwords.
func HashToken(plain string) string {
	sum := sha256.Sum256([]byte(plain))
	return hex.EncodeToString(sum[:])
}

// CheckToken tells whether plain is the token that hash was made of, in constant time.
func CheckToken(hash, plain string) bool {
	return subtle.ConstantTimeCompare([]byte(hash), []byte(HashToken(plain))) == 1
}
