package script

import (
	"crypto/sha256"
	"encoding/hex"

	"atoll/internal/cloud"
)

// Purpose is what the installation's key signs scripts for: controllers sign and
// agents verify with it (package pki), and no other signature of the key will do.
const Purpose = "script"

// SHA256 is a script's content address, in small hex digits.
func SHA256(src []byte) string {
	sum := sha256.Sum256(src)
	return hex.EncodeToString(sum[:])
}

// SignedMessage is what is signed for a script: its content address stands for
// the bytes.
func SignedMessage(sha256 string) []byte { return []byte(sha256) }

// CheckContent checks that src has the content address. Its error is
// cloud.Denied: such a script must not run.
func CheckContent(src []byte, sha256 string) error {
	if sum := SHA256(src); sum != sha256 {
		return cloud.Errorf(cloud.Denied, "the script's content has checksum %s, not %s as announced", sum, clip(sha256))
	}
	return nil
}
