package cloud

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// printable reports whether a text can be shown to people as it is: valid UTF-8 without
// control characters, ends of lines, and marks that turn the direction of what is around
// the text, but those of also. Spaces of all widths, and what joins the parts of an emoji,
// are no harm.
func printable(text, also string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool {
		return (unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp) || turns(r)) && !strings.ContainsRune(also, r)
	})
}

// turns reports whether the character is an embedding or override of Unicode's
// bidirectional algorithm: they make text look like another one.
func turns(r rune) bool { return r >= '\u202A' && r <= '\u202E' }
