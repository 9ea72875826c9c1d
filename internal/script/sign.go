package script

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"

	"atoll/internal/cloud"
)

// payloadPrefix makes a script's signature useless for anything else.
const payloadPrefix = "atoll-script-v1\n"

// SHA256 is a script's content address, in small hex digits.
func SHA256(src []byte) string {
	sum := sha256.Sum256(src)
	return hex.EncodeToString(sum[:])
}

// Sign signs a content address.
func Sign(key ed25519.PrivateKey, sha256 string) string {
	return base64.StdEncoding.EncodeToString(ed25519.Sign(key, []byte(payloadPrefix+sha256)))
}

// Verify checks that src has the content address and that the key signed it.
// Its error is cloud.Denied: such a script must not run.
func Verify(key ed25519.PublicKey, src []byte, sha256, signature string) error {
	if sum := SHA256(src); sum != sha256 {
		return cloud.Errorf(cloud.Denied, "the script's content has checksum %s, not %s as announced", sum, clip(sha256))
	}
	sig, err := base64.StdEncoding.DecodeString(signature)
	if err != nil || len(key) != ed25519.PublicKeySize || !ed25519.Verify(key, []byte(payloadPrefix+sha256), sig) {
		return cloud.Errorf(cloud.Denied, "the script %s is not signed by this installation", sha256)
	}
	return nil
}
