package bundle

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"
)

// step is one part of a key: a name, or the index of a list's item.
type step struct {
	name  string
	index int // -1: a name
}

// parseKey reads a dotted key: `a.b`, `hosts[0].name`, and `annotations.example\.org/x`, where the backslash keeps a dot in a name.
// As the contract says, parts are trimmed and empty ones dropped.
func parseKey(key string) ([]step, error) {
	var path []step
	for _, part := range splitKey(key) {
		name, rest, _ := strings.Cut(strings.TrimSpace(part), "[")
		if name != "" {
			path = append(path, step{strings.ReplaceAll(name, `\.`, "."), -1})
		}
		for rest != "" {
			number, after, ok := strings.Cut(rest, "]")
			i, err := strconv.Atoi(number)
			if !ok || err != nil || i < 0 || i > maxIndex || (after != "" && after[0] != '[') {
				return nil, fmt.Errorf("key %s: [ starts the index of a list's item, up to %d: write hosts[0].name", key, maxIndex)
			}
			path = append(path, step{"", i})
			rest = strings.TrimPrefix(after, "[")
		}
	}
	if len(path) == 0 {
		return nil, fmt.Errorf("key %q names nothing", key)
	}
	return path, nil
}

// maxIndex bounds what one key can make a list grow to.
const maxIndex = 999

var unescapedDot = regexp.MustCompile(`(?:[^.\\]|\\.|\\)+`)

func splitKey(key string) []string { return unescapedDot.FindAllString(key, -1) }

// joinKey is parseKey's inverse for names.
func joinKey(prefix, name string) string {
	name = strings.ReplaceAll(name, ".", `\.`)
	if prefix == "" {
		return name
	}
	return prefix + "." + name
}

// values makes a tree of typed values of a configuration. The type of a value is what the chart says about its key: by its schema, else
// by its default, else the text decides.
func values(config Pairs, c shape) (map[string]any, error) {
	var root any = map[string]any{}
	for _, p := range config {
		path, err := parseKey(p.Key)
		if err != nil {
			return nil, err
		}
		value, err := typed(p.Value, c.typeAt(path))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.Key, err)
		}
		if root, err = set(root, c.values, path, value); err != nil {
			return nil, fmt.Errorf("%s: %w", p.Key, err)
		}
	}
	return root.(map[string]any), nil
}

// set returns node with value at path. A list of which only items are set starts as the chart's own, which Helm would replace as a whole.
func set(node, chart any, path []step, value any) (any, error) {
	if len(path) == 0 {
		if _, isMap := node.(map[string]any); isMap {
			return nil, fmt.Errorf("it is a value here, and other keys are below it")
		}
		return value, nil
	}
	s := path[0]
	if s.index < 0 {
		m, ok := node.(map[string]any)
		if node == nil {
			m, ok = map[string]any{}, true
		}
		if !ok {
			return nil, fmt.Errorf("%s is below a key that has a value", s.name)
		}
		inner, _ := chart.(map[string]any)
		v, err := set(m[s.name], inner[s.name], path[1:], value)
		m[s.name] = v
		return m, err
	}
	inner, _ := chart.([]any)
	list, ok := node.([]any)
	if node == nil {
		list, ok = clone(inner).([]any)
		ok = ok || len(inner) == 0
	}
	if !ok {
		return nil, fmt.Errorf("it has an index, and is no list")
	}
	for len(list) <= s.index {
		list = append(list, nil)
	}
	var below any
	if s.index < len(inner) {
		below = inner[s.index]
	}
	v, err := set(list[s.index], below, path[1:], value)
	list[s.index] = v
	return list, err
}

// clone copies a tree, so that setting an item does not change the chart.
func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, e := range v {
			m[k] = clone(e)
		}
		return m
	case []any:
		l := make([]any, len(v))
		for i, e := range v {
			l[i] = clone(e)
		}
		return l
	}
	return v
}

// typed reads a text as a value of the type, one of JSON Schema's or "" for unknown. A text in double quotes is always a string.
func typed(text, want string) (any, error) {
	var s string
	if strings.HasPrefix(text, `"`) && json.Unmarshal([]byte(text), &s) == nil {
		return s, nil
	}
	switch want {
	case "string":
		return text, nil
	case "array", "object":
		var v any
		err := yaml.Unmarshal([]byte(text), &v)
		_, list := v.([]any)
		_, object := v.(map[string]any)
		if v == nil && err == nil {
			return nil, nil
		}
		if err != nil || (want == "array" && !list) || (want == "object" && !object) {
			return nil, fmt.Errorf("the chart has a value of type %s here: write it as [a, b] or {a: 1}, or set the keys below it", want)
		}
		return v, nil
	case "boolean", "integer", "number":
		if text == "" {
			return nil, nil
		}
	}
	return guess(text), nil
}

var integer = regexp.MustCompile(`^-?(0|[1-9][0-9]{0,17})$`)

// guess types a text of which nothing is known. Numbers are numbers only if they print as they were written: 1.10 and 0123 are texts.
func guess(text string) any {
	switch text {
	case "true", "false":
		return text == "true"
	case "null", "~":
		return nil
	}
	if integer.MatchString(text) {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n
		}
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil && strconv.FormatFloat(f, 'f', -1, 64) == text && strings.Contains(text, ".") {
		return f
	}
	if strings.HasPrefix(text, "[") || strings.HasPrefix(text, "{") {
		var v any
		if yaml.Unmarshal([]byte(text), &v) == nil && !isString(v) {
			return v
		}
	}
	return text
}

func isString(v any) bool { _, ok := v.(string); return ok }

// flatten is the inverse of values: each leaf with its dotted key, in the order of the keys. A list is one leaf.
func flatten(tree map[string]any) Pairs {
	var flat Pairs
	var walk func(prefix string, v any)
	walk = func(prefix string, v any) {
		m, ok := v.(map[string]any)
		if !ok || (len(m) == 0 && prefix != "") {
			flat = append(flat, Pair{prefix, text(v)})
			return
		}
		for _, k := range sortedKeys(m) {
			walk(joinKey(prefix, k), m[k])
		}
	}
	walk("", tree)
	return flat
}

// text writes a value so that it is read back as what it is.
func text(v any) string {
	if s, ok := v.(string); ok && isString(guess(s)) && !strings.HasPrefix(s, `"`) {
		return s
	}
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(body)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
