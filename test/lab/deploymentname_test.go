package lab

import (
	"strings"
	"testing"

	"atoll/client"
	"atoll/internal/cloud"
)

// Names that the client makes of branches are names that the server takes.
func TestDeploymentName(t *testing.T) {
	long := "feature/" + strings.Repeat("very-", 12) + "long"
	seen := map[string]bool{}
	for in, want := range map[string]string{
		"feature/X-123":          "feature-x-123",
		"refs/heads/main":        "main",
		"123-fix":                "b-123-fix",
		"--Überraschung--":       "berraschung",
		"a":                      "a-0",
		"release/1.2.3_rc":       "release-1-2-3-rc",
		long:                     "",
		long + "er":              "",
		strings.Repeat("-x", 30): "",
		strings.Repeat("a", 33) + "-" + strings.Repeat("b", 33): "",
	} {
		got, err := client.DeploymentName(in)
		if err != nil || want != "" && got != want {
			t.Errorf("DeploymentName(%q) = %q, %v; want %q", in, got, err, want)
		}
		if err := cloud.ValidateName(cloud.KindDeployment, got); err != nil {
			t.Errorf("DeploymentName(%q) = %q: %v", in, got, err)
		}
		if seen[got] {
			t.Errorf("DeploymentName(%q) = %q, which another text has", in, got)
		}
		seen[got] = true
	}
	if got, err := client.DeploymentName("///"); err == nil {
		t.Errorf("DeploymentName of nothing = %q, %v", got, err)
	}
}
