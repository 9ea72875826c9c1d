package cloud

import (
	"slices"
	"strings"
)

// Override is one difference from a project's default configuration: a value that
// is added or replaced, or a default that is deleted.
type Override struct {
	Key     string `json:"key"`
	Value   string `json:"value,omitempty"`
	Deleted bool   `json:"deleted,omitempty"`
	Secret  bool   `json:"secret,omitempty"`
}

// Overrides are differences in the order in which they were given, which is the
// order in which the scripts get them.
type Overrides []Override

// Limits of a deployment's overrides: all of them go through the argument list of
// a process.
const (
	MaxOverrides     = 1000
	MaxOverrideKey   = 256
	MaxOverrideValue = 32 << 10
	MaxOverrideBytes = 256 << 10
)

// ParseOverride reads KEY=VALUE: the key ends at the first =, and spaces after the
// value do not count, those before it do.
func ParseOverride(text string) (Override, error) {
	key, value, ok := strings.Cut(text, "=")
	if !ok {
		return Override{}, Errorf(Invalid, "%q is no override: write KEY=VALUE, such as image.tag=v1", clip(text))
	}
	return Override{Key: ParseKey(key), Value: strings.TrimRight(value, " \t\r\n")}, nil
}

// ParseKey is the canonical form of a dotted key: without spaces around its parts
// and without empty parts. A key with no part is "".
func ParseKey(text string) string {
	parts := strings.Split(text, ".")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), ".")
}

// Clean returns the overrides with canonical keys, each key once: the first value
// holds, at the place of the last one, as a tree of the keys is built.
func (o Overrides) Clean() Overrides {
	var t configTree
	for _, v := range o {
		v.Key = ParseKey(v.Key)
		t.add(v)
	}
	t.order()
	return t.flatten(nil)
}

// Validate checks overrides that Clean made; field is their name in the API.
func (o Overrides) Validate(field string) error {
	if len(o) > MaxOverrides {
		return FieldErrorf(field, "are %d; at most %d are allowed", len(o), MaxOverrides)
	}
	size := 0
	for _, v := range o {
		size += len(v.Key) + len(v.Value)
		switch {
		case v.Key == "":
			return FieldErrorf(field, "have a value without a key (%q); write KEY=VALUE", clip(v.Value))
		case len(v.Key) > MaxOverrideKey:
			return FieldErrorf(field, "have a key of %d bytes (%q); at most %d are allowed", len(v.Key), clip(v.Key), MaxOverrideKey)
		case len(v.Value) > MaxOverrideValue:
			return FieldErrorf(field, "have a value of %d bytes at %q; at most %d are allowed", len(v.Value), clip(v.Key), MaxOverrideValue)
		case strings.ContainsAny(v.Key, "=\x00\r\n") || strings.ContainsRune(v.Value, 0):
			return FieldErrorf(field, "have a character at %q that no argument of a program may have: a key has no '=' and no new line, a value no NUL", clip(v.Key))
		case v.Deleted && (v.Value != "" || v.Secret):
			return FieldErrorf(field, "both delete %q and give it a value", clip(v.Key))
		}
	}
	if size > MaxOverrideBytes {
		return FieldErrorf(field, "have %d bytes together; at most %d are allowed", size, MaxOverrideBytes)
	}
	return nil
}

// Set returns the overrides with one more, in the place of an older one of its key
// or at the end.
func (o Overrides) Set(v Override) Overrides {
	out := slices.Clone(o)
	for i := range out {
		if out[i].Key == v.Key {
			out[i] = v
			return out
		}
	}
	return append(out, v)
}

// Without returns the overrides but that of the key, and whether there was one.
func (o Overrides) Without(key string) (Overrides, bool) {
	out := slices.DeleteFunc(slices.Clone(o), func(v Override) bool { return v.Key == key })
	return out, len(out) < len(o)
}

// Merge is the effective configuration: the overrides over the defaults, as trees
// of their dotted keys. At each level, what only the overrides have comes first, in
// their order, then what the defaults have, in theirs; a key's own value comes
// before what is below it.
func Merge(defaults []KeyValue, o Overrides) []KeyValue {
	var base, over configTree
	for _, d := range defaults {
		base.add(Override{Key: ParseKey(d.Key), Value: d.Value, Secret: d.Secret})
	}
	for _, v := range o {
		v.Key = ParseKey(v.Key)
		over.add(v)
	}
	base.order()
	over.order()
	flat := mergeTrees(&over, &base).flatten(nil)
	out := make([]KeyValue, 0, len(flat))
	for _, v := range flat {
		if !v.Deleted {
			out = append(out, KeyValue{Key: v.Key, Value: v.Value, Secret: v.Secret})
		}
	}
	return out
}

// configTree is a configuration by the parts of its keys. A key may have a value
// and keys below it.
type configTree struct {
	part  string
	own   *Override
	below []*configTree
	last  int // when it was named last
}

// add puts the value at its key unless it has one: the first one holds. Each node on
// the way remembers that it was named.
func (t *configTree) add(v Override) {
	t.last++
	at := t
	for part := range strings.SplitSeq(v.Key, ".") {
		i := slices.IndexFunc(at.below, func(c *configTree) bool { return c.part == part })
		if i < 0 {
			at.below = append(at.below, &configTree{part: part})
			i = len(at.below) - 1
		}
		at = at.below[i]
		at.last = t.last
	}
	if at.own == nil {
		at.own = &v
	}
}

// order puts the keys of each level into the order in which they were named last.
func (t *configTree) order() {
	slices.SortStableFunc(t.below, func(a, b *configTree) int { return a.last - b.last })
	for _, c := range t.below {
		c.order()
	}
}

// flatten appends the values of the tree.
func (t *configTree) flatten(out Overrides) Overrides {
	if t.own != nil {
		out = append(out, *t.own)
	}
	for _, c := range t.below {
		out = c.flatten(out)
	}
	return out
}

func mergeTrees(over, base *configTree) *configTree {
	out := &configTree{part: base.part, own: base.own}
	if over.own != nil {
		out.own = over.own
	}
	find := func(in *configTree, part string) *configTree {
		i := slices.IndexFunc(in.below, func(c *configTree) bool { return c.part == part })
		if i < 0 {
			return nil
		}
		return in.below[i]
	}
	for _, c := range over.below {
		if find(base, c.part) == nil {
			out.below = append(out.below, c)
		}
	}
	for _, c := range base.below {
		if o := find(over, c.part); o != nil {
			c = mergeTrees(o, c)
		}
		out.below = append(out.below, c)
	}
	return out
}

// ConfigChange is one difference of two configurations; nil is no value. Secret
// values are masked.
type ConfigChange struct {
	Key string  `json:"key"`
	Old *string `json:"old"`
	New *string `json:"new"`
}

// SecretMask stands for a secret value wherever people read it.
const SecretMask = "***"

// DiffConfig returns what changes from one configuration to another, in the order
// of the new one, then what is gone. Sealed values of equal plain text differ: open
// them before.
func DiffConfig(before, after []KeyValue) []ConfigChange {
	old := make(map[string]KeyValue, len(before))
	for _, v := range before {
		old[v.Key] = v
	}
	var out []ConfigChange
	for _, v := range after {
		was, had := old[v.Key]
		delete(old, v.Key)
		switch {
		case !had:
			out = append(out, ConfigChange{Key: v.Key, New: v.shown()})
		case was != v:
			out = append(out, ConfigChange{Key: v.Key, Old: was.shown(), New: v.shown()})
		}
	}
	for _, v := range before {
		if _, gone := old[v.Key]; gone {
			out = append(out, ConfigChange{Key: v.Key, Old: v.shown()})
		}
	}
	return out
}

func (v KeyValue) shown() *string {
	if v.Secret {
		v.Value = SecretMask
	}
	return &v.Value
}
