package rest

import (
	"bytes"
	"flag"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write api/openapi.json")

// TestOpenAPI compares the checked-in description with the code; with -update it
// writes it.
func TestOpenAPI(t *testing.T) {
	const golden = "../../api/openapi.json"
	got, err := OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("api/openapi.json is not what the code says; run make gen and look at the difference")
	}
}

// TestReference checks that the reference page loads nothing from other hosts.
func TestReference(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/docs", "/docs/docs.js", "/docs/docs.css"} {
		a := w.get("", path)
		a.status(http.StatusOK)
		if regexp.MustCompile(`https?://`).MatchString(a.text) {
			t.Errorf("%s names another host", path)
		}
		if p := a.Header.Get("Content-Security-Policy"); !strings.Contains(p, "default-src 'none'") || strings.Contains(p, "unsafe") {
			t.Errorf("%s has the policy %q", path, p)
		}
	}
	w.get("", "/docs/doc.go").problem(http.StatusNotFound, "not-found", "")
	if a := w.get("", "/api/v1/openapi.json"); a.status(http.StatusOK) && !strings.Contains(a.text, `"openapi": "3.1.0"`) {
		t.Errorf("openapi.json begins with %.80s", a.text)
	}
}
