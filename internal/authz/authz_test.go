package authz

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"atoll/internal/cloud"
)

var update = flag.Bool("update", false, "write testdata/matrix.golden anew")

// TestMatrix shows the whole policy: a change of the table shows up in review as
// a change of the golden file.
func TestMatrix(t *testing.T) {
	got := matrix()
	const file = "testdata/matrix.golden"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("the policy changed; if that is meant, run go test ./internal/authz -update (-want +got):\n%s", d)
	}
}

func matrix() string {
	columns := []struct {
		name  string
		roles Roles
	}{
		{"admin", Roles{Installation: cloud.InstallationAdmin}},
		{"operator", Roles{Installation: cloud.InstallationOperator}},
		{"support", Roles{Installation: cloud.InstallationSupport}},
		{"billing", Roles{Installation: cloud.InstallationBilling}},
		{"scope-admin", Roles{Scope: cloud.ScopeAdmin}},
		{"writer", Roles{Scope: cloud.ScopeWriter}},
		{"reader", Roles{Scope: cloud.ScopeReader}},
		{"signed-in", Roles{}},
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%-17s", "KIND")
	for _, c := range columns {
		fmt.Fprintf(&b, " %-11s", c.name)
	}
	b.WriteString("\n")
	for _, k := range slices.Sorted(maps.Keys(table)) {
		fmt.Fprintf(&b, "%-17s", k)
		for _, c := range columns {
			cell := ""
			for _, a := range Actions {
				if Allowed(c.roles, a, k) {
					cell += strings.ToUpper(string(a[:1]))
				} else {
					cell += "-"
				}
			}
			fmt.Fprintf(&b, " %-11s", cell)
		}
		b.WriteString("\n")
	}
	b.WriteString("R read, C create, U update, D delete, E execute, M manage\n")
	return b.String()
}

func TestUnknownKindIsRefused(t *testing.T) {
	if Allowed(Roles{Installation: cloud.InstallationAdmin}, Read, "rocket") {
		t.Error("an unknown kind was allowed")
	}
}
