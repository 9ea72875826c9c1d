package bundle

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	chart "helm.sh/helm/v4/pkg/chart/v2"
)

// shape is what a chart and its subcharts say about their values: the defaults, and the schemas.
type shape struct {
	values map[string]any
	schema schema // of the chart itself; those of subcharts stand below their names
}

// schema is a node of a JSON Schema with the document that its references point into.
type schema struct {
	node, root map[string]any
}

// shapeOf reads a chart's shape. A schema that is no JSON is as none: Helm says so when it renders.
func shapeOf(c *chart.Chart) shape {
	s := shape{values: map[string]any{}}
	_ = json.Unmarshal(c.Schema, &s.schema.root)
	s.schema.node = s.schema.root
	for _, dep := range c.Dependencies() {
		sub := shapeOf(dep)
		for _, name := range namesOf(c, dep) {
			s.values[name] = clone(sub.values)
			s.schema = s.schema.with(name, sub.schema)
		}
	}
	overlay(s.values, c.Values)
	return s
}

// namesOf returns the keys under which a chart has a subchart's values: its aliases, or its name.
func namesOf(c, dep *chart.Chart) []string {
	var names []string
	for _, d := range c.Metadata.Dependencies {
		if d.Name == dep.Name() && d.Alias != "" {
			names = append(names, d.Alias)
		} else if d.Name == dep.Name() {
			names = append(names, d.Name)
		}
	}
	if names == nil {
		names = []string{dep.Name()}
	}
	return names
}

func overlay(dst, src map[string]any) {
	for k, v := range src {
		below, isMap := v.(map[string]any)
		if old, ok := dst[k].(map[string]any); ok && isMap {
			overlay(old, below)
		} else {
			dst[k] = clone(v)
		}
	}
}

// embedded is the key under which a schema carries those of subcharts, which have references of their own.
const embedded = "\x00subcharts"

func (s schema) with(name string, sub schema) schema {
	if sub.node == nil {
		return s
	}
	node := maps.Clone(s.node)
	if node == nil {
		node = map[string]any{}
	}
	subs, _ := node[embedded].(map[string]schema)
	subs = maps.Clone(subs)
	if subs == nil {
		subs = map[string]schema{}
	}
	subs[name] = sub
	node[embedded] = subs
	return schema{node, s.root}
}

// resolve follows references within the document, a bounded number of times.
func (s schema) resolve() schema {
	for range 10 {
		ref, ok := s.node["$ref"].(string)
		if !ok || !strings.HasPrefix(ref, "#/") {
			break
		}
		var node any = s.root
		for name := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
			m, _ := node.(map[string]any)
			node = m[name]
		}
		s.node, _ = node.(map[string]any)
	}
	return s
}

// below returns what the schema says about a step below it, or an empty one.
func (s schema) below(st step) schema {
	s = s.resolve()
	if st.index >= 0 {
		items, _ := s.node["items"].(map[string]any)
		return schema{items, s.root}
	}
	if subs, ok := s.node[embedded].(map[string]schema); ok && subs[st.name].node != nil {
		return subs[st.name]
	}
	for _, part := range s.parts() {
		properties, _ := part.node["properties"].(map[string]any)
		if node, ok := properties[st.name].(map[string]any); ok {
			return schema{node, s.root}
		}
	}
	more, _ := s.node["additionalProperties"].(map[string]any)
	return schema{more, s.root}
}

// parts returns the schema and those of which it is made by allOf, anyOf and oneOf.
func (s schema) parts() []schema {
	parts := []schema{s}
	for _, word := range []string{"allOf", "anyOf", "oneOf"} {
		list, _ := s.node[word].([]any)
		for _, e := range list {
			if node, ok := e.(map[string]any); ok {
				parts = append(parts, schema{node, s.root}.resolve())
			}
		}
	}
	return parts
}

// typeOf returns the one type that the schema allows beside null, or "".
func (s schema) typeOf() string {
	switch t := s.resolve().node["type"].(type) {
	case string:
		return t
	case []any:
		t = slices.DeleteFunc(slices.Clone(t), func(e any) bool { return e == "null" })
		if len(t) == 1 {
			name, _ := t[0].(string)
			return name
		}
	}
	return ""
}

// typeAt returns the type of the value at path, in the words of JSON Schema, or "" if the chart does not say.
func (s shape) typeAt(path []step) string {
	node, value := s.schema, any(s.values)
	for _, st := range path {
		node = node.below(st)
		if st.index < 0 {
			m, _ := value.(map[string]any)
			value = m[st.name]
			continue
		}
		list, _ := value.([]any)
		value = nil
		if len(list) > 0 { // the items of a list are alike
			value = list[min(st.index, len(list)-1)]
		}
	}
	if t := node.typeOf(); t != "" {
		return t
	}
	switch value.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case float64, int64, int:
		return "number"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	}
	return ""
}

// has tells whether the chart knows a key.
func (s shape) has(key string) bool {
	return slices.Contains(s.keys(), key)
}

// keys returns every key that can be set, of every depth, sorted: the leaves of the defaults and of the schemas, with lists as a whole and
// the keys of the items they have.
func (s shape) keys() []string {
	found := map[string]bool{}
	defaultKeys(found, "", s.values)
	schemaKeys(found, "", s.schema, 0)
	for key := range found { // a key with others below it is no leaf
		for p := strings.LastIndexAny(key, ".["); p > 0; p = strings.LastIndexAny(key[:p], ".[") {
			if key[p] == '.' {
				delete(found, key[:p])
			}
		}
	}
	return sortedKeys(found)
}

func defaultKeys(found map[string]bool, prefix string, v any) {
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 0 && prefix != "" {
			found[prefix] = true
		}
		for k, e := range v {
			defaultKeys(found, joinKey(prefix, k), e)
		}
	case []any:
		found[prefix] = true
		for i, e := range v {
			if m, ok := e.(map[string]any); ok {
				defaultKeys(found, prefix+"["+strconv.Itoa(i)+"]", m)
			}
		}
	default:
		found[prefix] = true
	}
}

// maxDepth and maxKeys end schemas that refer to themselves.
const (
	maxDepth = 12
	maxKeys  = 10_000
)

func schemaKeys(found map[string]bool, prefix string, s schema, depth int) {
	s = s.resolve()
	if s.node == nil || depth > maxDepth || len(found) > maxKeys {
		return
	}
	leaf := true
	for _, part := range s.parts() {
		properties, _ := part.node["properties"].(map[string]any)
		for name, p := range properties {
			if node, ok := p.(map[string]any); ok {
				leaf = false
				schemaKeys(found, joinKey(prefix, name), schema{node, s.root}, depth+1)
			}
		}
	}
	subs, _ := s.node[embedded].(map[string]schema)
	for name, sub := range subs {
		leaf = false
		schemaKeys(found, joinKey(prefix, name), sub, depth+1)
	}
	if leaf && prefix != "" {
		found[prefix] = true
	}
}
