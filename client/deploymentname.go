package client

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// maxDeploymentName is the longest name that the server takes.
const maxDeploymentName = 40

// DeploymentName makes a valid name of a branch, or of any text: feature/X-123
// becomes feature-x-123. What is too long ends in a hash of the whole, so that two
// branches that begin alike have two names.
func DeploymentName(text string) (string, error) {
	var b strings.Builder
	for _, r := range strings.ToLower(strings.TrimPrefix(text, "refs/heads/")) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	name := strings.Trim(b.String(), "-")
	if name == "" {
		return "", fmt.Errorf("no name can be made of %.80q: it has no letter or digit of a-z, 0-9", text)
	}
	if name[0] < 'a' {
		name = "b-" + name
	}
	if len(name) == 1 {
		name += "-0"
	}
	if len(name) > maxDeploymentName {
		hash := sha256.Sum256([]byte(text))
		sum := hex.EncodeToString(hash[:3])
		name = strings.TrimRight(name[:maxDeploymentName-len(sum)-1], "-") + "-" + sum
	}
	return name, nil
}
