package wiki

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// pair is one argument as it is written.
type pair struct{ name, value string }

// maxMacro bounds what is written of one macro in bytes.
const maxMacro = 4000

var (
	macroName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}`)
	argName   = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}=`)
)

// scanMacro finds the macro with which the line begins. n is how many bytes are its
// own; 0 if there is none, and the braces are text. An error is about a macro that
// is wrong within those bytes.
func scanMacro(line string) (name string, args []pair, n int, err error) {
	if !strings.HasPrefix(line, "{{") {
		return "", nil, 0, nil
	}
	rest := strings.TrimLeft(line[2:], " \t")
	name = macroName.FindString(rest)
	rest = rest[len(name):]
	for err == nil {
		trimmed := strings.TrimLeft(rest, " \t")
		if after, ok := strings.CutPrefix(trimmed, "}}"); ok {
			return name, args, len(line) - len(after), nameError(name)
		}
		var p pair
		if trimmed == rest || name == "" {
			err = errors.New("is no macro: it is written {{name argument=value}}")
			break
		}
		if p, rest, err = scanArg(trimmed); err == nil {
			args = append(args, p)
		}
	}
	end := strings.Index(line, "}}")
	if end < 0 {
		return "", nil, 0, nil
	}
	return name, nil, end + 2, err
}

func nameError(name string) error {
	if name == "" {
		return errors.New("is no macro: it is written {{name argument=value}}")
	}
	return nil
}

// scanArg reads name=value or name="value".
func scanArg(s string) (p pair, rest string, err error) {
	name := argName.FindString(s)
	if name == "" {
		word, _, _ := strings.Cut(s, " ")
		return p, "", fmt.Errorf("%q is no argument: write name=value, or name=\"a value with spaces\"", clip(strings.TrimSuffix(strings.TrimSpace(word), "}}")))
	}
	p.name, s = strings.TrimSuffix(name, "="), s[len(name):]
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, " \t\"{}")
		if end < 0 {
			end = len(s)
		}
		p.value = s[:end]
		return p, s[end:], nil
	}
	var value strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			p.value = value.String()
			return p, s[i+1:], nil
		case c == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
			i++
			value.WriteByte(s[i])
		default:
			value.WriteByte(c)
		}
	}
	return p, "", fmt.Errorf("%s: the value has no closing quote", p.name)
}

// maxPageLink bounds what is written of one link to a page in bytes.
const maxPageLink = 600

var pageLink = regexp.MustCompile(`^\[\[(?:([a-z0-9-]{1,63}):)?([a-z0-9._/-]{1,200})(?:#([^\[\]|#\s]{1,100}))?(?:\|([^\[\]|]{1,200}))?\]\]`)

// scanPageLink finds the link [[space:slug#heading|text]] with which the line begins.
func scanPageLink(line string) (l link, n int) {
	m := pageLink.FindStringSubmatch(line)
	if m == nil || strings.HasPrefix(line[len(m[0]):], "(") { // [[1]](address) is an ordinary link
		return link{}, 0
	}
	return link{ref: Ref{Space: m[1], Slug: m[2]}, fragment: m[3], text: strings.TrimSpace(m[4])}, len(m[0])
}

// link is a link to a page as it is written.
type link struct {
	ref            Ref
	fragment, text string
}
