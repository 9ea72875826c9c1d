package job

import "strings"

// Clean makes text that an agent sent fit for storing: valid UTF-8, without NUL
// (PostgreSQL's text takes none), the last limit bytes of it.
func Clean(s string, limit int) string {
	if len(s) > limit {
		s = s[len(s)-limit:]
	}
	s = strings.ToValidUTF8(s, "\uFFFD")
	return strings.ReplaceAll(s, "\x00", "\uFFFD")
}
