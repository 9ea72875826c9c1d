package agent

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestRedactor(t *testing.T) {
	secrets := []string{"hush", "hush-hush", "a \"b\"/c", "-----BEGIN\nline one\nline two\n", "ab", "", "c>d\"e"}
	for in, want := range map[string]string{
		"hush-hush hush\n":             "*** ***\n",
		"x=a \"b\"/c, a \\\"b\\\"/c\n": "x=***, ***\n",
		"a+%22b%22%2Fc aHVzaA==\n":     "*** ***\n",
		"-----BEGIN\nline one\nab\n":   "***\n***\nab\n",
		`c\u003ed\"e c>d\"e` + "\n":    "*** ***\n",
		"no end hus":                   "no end hus",
		"no end hush":                  "no end ***",
	} {
		var out bytes.Buffer
		r := newRedactor(&out, secrets)
		for _, b := range []byte(in) { // in the worst pieces
			if _, err := r.Write([]byte{b}); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Close(); err != nil || out.String() != want {
			t.Errorf("%q became %q, want %q", in, out.String(), want)
		}
	}
}

// TestRedactorLongLine writes a line that is longer than what is held back: no
// piece of a secret may come out, wherever it is cut.
func TestRedactorLongLine(t *testing.T) {
	const secret = "0123456789abcdef"
	random := rand.New(rand.NewPCG(1, 2))
	var in strings.Builder
	for in.Len() < 5*maxHeld {
		in.WriteString(strings.Repeat("x", random.IntN(40)) + secret)
	}
	var out bytes.Buffer
	r := newRedactor(&out, []string{secret, "abcdef0"})
	for rest := in.String(); rest != ""; {
		n := min(len(rest), 1+random.IntN(5000))
		if _, err := r.Write([]byte(rest[:n])); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	if out.Len() == 0 {
		t.Error("a line without an end is held back for ever")
	}
	if err := r.Close(); err != nil || out.String() != strings.ReplaceAll(in.String(), secret, redacted) {
		t.Errorf("the long line has %d secrets left: %v", strings.Count(out.String(), "0123"), err)
	}
}

// TestRedactorOverlaps writes a line in which every place is within a secret: what
// is held back must stay bounded, or a script's output takes all of the agent's memory.
func TestRedactorOverlaps(t *testing.T) {
	secret := strings.Repeat("a", 8)
	var out bytes.Buffer
	r := newRedactor(&out, []string{secret, "aaaaaaaab"})
	chunk := []byte(strings.Repeat("a", 32<<10))
	for range 64 {
		if _, err := r.Write(chunk); err != nil {
			t.Fatal(err)
		}
		if len(r.held) > 2*maxHeld {
			t.Fatalf("%d bytes are held back", len(r.held))
		}
	}
	if err := r.Close(); err != nil || strings.Contains(out.String(), "a") {
		t.Errorf("the line of secrets has some left: %v", err)
	}
}
