package agent

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/url"
	"slices"
	"strings"

	"atoll/internal/cloud"
)

// redacted stands in output for a secret value.
const redacted = "***"

// maxHeld is how much of a line without an end is held back.
const maxHeld = 64 << 10

// redactor replaces secret values in what goes through it: as they are, and as they
// look in JSON, in URLs and in base64. Of a value of several lines, each line is one.
// It passes on whole lines; of a line over maxHeld, parts.
type redactor struct {
	to       io.Writer
	replacer *strings.Replacer // nil if there is nothing to replace
	secrets  []string          // the longest first
	begins   [256]bool         // the first bytes of secrets
	held     []byte
}

func newRedactor(to io.Writer, values []string) *redactor {
	r := &redactor{to: to}
	for _, v := range values {
		forms := []string{v, url.QueryEscape(v), url.PathEscape(v), base64.StdEncoding.EncodeToString([]byte(v))}
		forms = append(forms, jsonForms(v)...)
		for _, form := range forms {
			for line := range strings.Lines(form) {
				if line = strings.TrimRight(line, "\r\n"); len(line) >= cloud.MinRedacted {
					r.secrets = append(r.secrets, line)
				}
			}
		}
	}
	if len(r.secrets) == 0 {
		return r
	}
	slices.SortFunc(r.secrets, func(a, b string) int { return len(b) - len(a) })
	pairs := make([]string, 0, 2*len(r.secrets))
	for _, s := range r.secrets {
		pairs = append(pairs, s, redacted)
		r.begins[s[0]] = true
	}
	r.replacer = strings.NewReplacer(pairs...)
	return r
}

// jsonForms are a text as encoders of JSON write it: some escape <, > and & too.
func jsonForms(v string) (forms []string) {
	for _, html := range []bool{true, false} {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(html)
		if e.Encode(v) == nil {
			forms = append(forms, b.String()[1:b.Len()-2])
		}
	}
	return forms
}

// Write implements io.Writer.
func (r *redactor) Write(p []byte) (int, error) {
	if r.replacer == nil {
		return r.to.Write(p)
	}
	r.held = append(r.held, p...)
	cut := bytes.LastIndexByte(r.held, '\n') + 1
	if len(r.held)-cut > maxHeld {
		cut = r.safe(len(r.held) - len(r.secrets[0]) + 1)
	}
	return len(p), r.pass(cut)
}

// safe returns the first place from at on where a cut goes through nothing that is
// replaced. It looks from the left, as the replacer does, so that it always gets
// there: in aaaa every place is within a secret aa, but not within one replaced.
func (r *redactor) safe(at int) int {
	i := 0
	for i < at {
		if !r.begins[r.held[i]] {
			i++
			continue
		}
		found := slices.IndexFunc(r.secrets, func(s string) bool { return bytes.HasPrefix(r.held[i:], []byte(s)) })
		if found < 0 {
			i++
			continue
		}
		i += len(r.secrets[found])
	}
	return i
}

// pass passes on the first n bytes that are held.
func (r *redactor) pass(n int) error {
	if n == 0 {
		return nil
	}
	_, err := r.replacer.WriteString(r.to, string(r.held[:n]))
	r.held = append(r.held[:0], r.held[n:]...)
	return err
}

// Close passes on what is held.
func (r *redactor) Close() error { return r.pass(len(r.held)) }
