package cloud

import (
	"strings"
	"testing"
)

// TestNamesStayNames: a name goes into paths, host names, configuration files and
// lines for terminals; nothing in it may lead out of where it is put.
func TestNamesStayNames(t *testing.T) {
	bad := []string{
		"", ".", "..", "../x", "a/../b", "/etc/passwd", "a/b", `a\b`, "a\x00b", "a\nb", "a\rb", "a\n", "a b", " a", "a ", "-rf", "--help", ".hidden",
		"a\x1b[31m", "a;b", "a|b", "$(id)", "`id`", "a'b", `a"b`, "a%2fb", "a*", "~", "a:b", "a,b", "a=b", "a#b", "ä", "a\u202eb", "a\u00adb", "A",
		"0198c3e2-0000-7d0a-8f00-1c2d3e4f5a6b", strings.Repeat("a", 129),
	}
	for kind := range nameRules {
		for _, name := range bad {
			if err := ValidateName(kind, name); !Is(err, Invalid) {
				t.Errorf("%s %q = %v, want invalid", kind, name, err)
			}
		}
		for _, name := range []string{"a", "web-1", "0"} {
			if kind == KindDeployment && (name == "a" || name == "0") {
				continue // has two characters at least, and a letter first
			}
			if err := ValidateName(kind, name); err != nil {
				t.Errorf("%s %q = %v", kind, name, err)
			}
		}
	}
}
