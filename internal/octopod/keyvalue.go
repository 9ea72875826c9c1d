package octopod

import (
	"fmt"
	"slices"
	"strings"
)

// ParseKeyValue reads KEY=VALUE: the key ends at the first =; spaces around its
// parts do not count, nor do those after the value, while those before it do.
func ParseKeyValue(text string) (Override, error) {
	key, value, ok := strings.Cut(text, "=")
	if !ok {
		//lint:ignore ST1005 the original's words
		return Override{}, fmt.Errorf("Malformed override key-value pair %s, should be similar to FOO=bar", text)
	}
	return Override{Key: CleanKey(key), Value: strings.TrimRightFunc(value, isSpace)}, nil
}

// CleanKey is the canonical form of a dotted key: spaces around its parts and empty
// parts are left out.
func CleanKey(text string) string {
	parts := strings.Split(text, ".")
	for i := range parts {
		parts[i] = strings.TrimFunc(parts[i], isSpace)
	}
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), ".")
}

func isSpace(r rune) bool { return strings.ContainsRune(" \t\n\r\f\v\u00a0", r) }

// Over returns the overrides over older ones: what is new comes first, what was there
// keeps its place. Of a key that is named twice, the first value holds.
func (o Overrides) Over(old Overrides) Overrides {
	var out Overrides
	given := map[string]Override{}
	for _, v := range o {
		if _, twice := given[v.Key]; twice {
			continue
		}
		given[v.Key] = v
		if !old.Has(v.Key) {
			out = append(out, v)
		}
	}
	for _, v := range old {
		if n, ok := given[v.Key]; ok {
			v = n
		}
		out = append(out, v)
	}
	return out
}

// Has reports whether there is an override of the key.
func (o Overrides) Has(key string) bool {
	return slices.ContainsFunc(o, func(v Override) bool { return v.Key == key })
}

// Without returns the overrides but those of the keys; each key must be there.
func (o Overrides) Without(keys []string) (Overrides, error) {
	out := slices.Clone(o)
	for _, k := range keys {
		key := CleanKey(k)
		if !o.Has(key) {
			return nil, fmt.Errorf("override %s not present in deployment", key)
		}
		out = slices.DeleteFunc(out, func(v Override) bool { return v.Key == key })
	}
	return out, nil
}
