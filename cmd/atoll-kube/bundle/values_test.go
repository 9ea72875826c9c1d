package bundle

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	chart "helm.sh/helm/v4/pkg/chart/v2"
)

// shop is a chart with what types can be learned from: defaults, a schema with references, a subchart with an alias.
func shop(t *testing.T) *chart.Chart {
	t.Helper()
	parse := func(text string) (m map[string]any) {
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	sub := &chart.Chart{
		Metadata: &chart.Metadata{Name: "postgresql"},
		Values:   parse(`{"image": {"tag": "16"}, "port": 5432}`),
		Schema:   []byte(`{"properties": {"mode": {"$ref": "#/$defs/mode"}}, "$defs": {"mode": {"type": "string"}}}`),
	}
	c := &chart.Chart{
		Metadata: &chart.Metadata{Name: "shop", Dependencies: []*chart.Dependency{{Name: "postgresql", Alias: "db"}}},
		Values: parse(`{"image": {"tag": ""}, "replicas": 1, "debug": false, "empty": null, "labels": {}, "args": ["a"],
			"ingress": {"hostname": "", "hosts": [{"host": "x", "paths": ["/"]}, {"host": "y"}]}, "db": {"port": 5433},
			"annotations": {"example.org/a": "1"}}`),
		Schema: []byte(`{"properties": {
			"limit": {"type": ["integer", "null"]}, "code": {"allOf": [{"properties": {"zip": {"type": "string"}}}]},
			"tree": {"$ref": "#/$defs/node"}, "env": {"additionalProperties": {"type": "string"}}
		}, "$defs": {"node": {"properties": {"value": {"type": "string"}, "next": {"$ref": "#/$defs/node"}}}}}`),
	}
	c.AddDependency(sub)
	return c
}

func TestValues(t *testing.T) {
	s := shapeOf(shop(t))
	for _, tt := range []struct {
		name, config, want string // want is JSON, or what the error contains
	}{
		{"a default that is a text", "image.tag=1.10", `{"image":{"tag":"1.10"}}`},
		{"a number", "replicas=3", `{"replicas":3}`},
		{"a switch", "debug=true", `{"debug":true}`},
		{"by schema", "limit=5", `{"limit":5}`},
		{"by schema, in allOf", "code.zip=01234", `{"code":{"zip":"01234"}}`},
		{"by schema, additional", "env.PORT=80", `{"env":{"PORT":"80"}}`},
		{"by schema, recursive", "tree.next.next.value=7", `{"tree":{"next":{"next":{"value":"7"}}}}`},
		{"subchart by alias", "db.image.tag=17", `{"db":{"image":{"tag":"17"}}}`},
		{"subchart's schema", "db.mode=1", `{"db":{"mode":"1"}}`},
		{"unknown: number", "x=12", `{"x":12}`},
		{"unknown: octal is a text", "x=0123", `{"x":"0123"}`},
		{"unknown: a version is a text", "x=1.10", `{"x":"1.10"}`},
		{"unknown: fraction", "x=0.5", `{"x":0.5}`},
		{"unknown: exponent is a text", "x=1e3", `{"x":"1e3"}`},
		{"unknown: long number is a text", "x=12345678901234567890", `{"x":"12345678901234567890"}`},
		{"unknown: date is a text", "x=2026-01-01", `{"x":"2026-01-01"}`},
		{"unknown: yes is a text", "x=yes", `{"x":"yes"}`},
		{"null", "x=null", `{"x":null}`},
		{"quoted", `x="12"`, `{"x":"12"}`},
		{"value with =, comma and braces", "image.tag=a=b,c={d}", `{"image":{"tag":"a=b,c={d}"}}`},
		{"template", "x={{ .Release.Name }}", `{"x":"{{ .Release.Name }}"}`},
		{"list", "args=[b, 1]", `{"args":["b",1]}`},
		{"object", "labels={a: b}", `{"labels":{"a":"b"}}`},
		{"item keeps the other items", "ingress.hosts[1].host=z", `{"ingress":{"hosts":[{"host":"x","paths":["/"]},{"host":"z"}]}}`},
		{"item of an unknown list", "n[1]=a", `{"n":[null,"a"]}`},
		{"nested index", "n[0][1]=a", `{"n":[[null,"a"]]}`},
		{"dot in a name", `annotations.example\.org/a=2`, `{"annotations":{"example.org/a":"2"}}`},
		{"spaces and empty parts", " a . . b =1", `{"a":{"b":1}}`},
		{"first of two counts", "a=1|a=2", `{"a":1}`},
		{"no list", "args=b", "write it as [a, b]"},
		{"leaf, then parent", "a=1|a.b=2", "below a key that has a value"},
		{"parent, then leaf", "a.b=2|a=1", "other keys are below it"},
		{"index of no list", "a.b=2|a[0]=1", "is no list"},
		{"index too large", "a[1000]=1", "index"},
		{"index not closed", "a[1=1", "index"},
		{"no key", ".=1", "names nothing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var config Pairs
			for p := range strings.SplitSeq(tt.config, "|") {
				k, v, _ := strings.Cut(p, "=")
				config.add(k, v)
			}
			got, err := values(config, s)
			if err != nil {
				if !strings.Contains(err.Error(), tt.want) {
					t.Errorf("values(%s): %v, want %s", tt.config, err, tt.want)
				}
				return
			}
			body, err := json.Marshal(got)
			if err != nil || string(body) != tt.want {
				t.Errorf("values(%s) = %s, %v, want %s", tt.config, body, err, tt.want)
			}
		})
	}
	if hosts := s.values["ingress"].(map[string]any)["hosts"].([]any)[1]; !reflect.DeepEqual(hosts, map[string]any{"host": "y"}) {
		t.Errorf("setting an item changed the chart's own list: %v", hosts)
	}
}

func TestKeys(t *testing.T) {
	got := shapeOf(shop(t)).keys()
	for _, want := range []string{
		"image.tag", "replicas", "empty", "labels", "args", "ingress.hosts", "ingress.hosts[0].host", "ingress.hosts[0].paths", "limit",
		"code.zip", "db.image.tag", "db.port", "db.mode", "tree.value", "tree.next.value", `annotations.example\.org/a`, "env",
	} {
		found := false
		for _, k := range got {
			found = found || k == want
		}
		if !found {
			t.Errorf("keys() lacks %s: %v", want, got)
		}
	}
	for _, k := range got {
		if k == "image" || k == "ingress" || k == "db" || k == "" {
			t.Errorf("keys() has %q, which is no leaf", k)
		}
	}
}

// TestFlatten writes values as default configuration and reads them back.
func TestFlatten(t *testing.T) {
	tree := map[string]any{
		"text": "a", "number": int64(5), "looks like a number": "5", "looks like a switch": "true", "quoted": `"x"`, "on": true,
		"list": []any{"a", int64(1)}, "empty": map[string]any{}, "deep": map[string]any{"a.b": "c", "none": nil, "blank": ""},
	}
	got, err := values(flatten(tree), shape{})
	if err != nil {
		t.Fatal(err)
	}
	a, _ := json.Marshal(got)
	b, _ := json.Marshal(tree)
	if string(a) != string(b) {
		t.Errorf("read back:\n%s\nwritten:\n%s", a, b)
	}
}

// TestEveryShortText tries all short keys and values of the characters that mean something: none may panic or make what is no YAML.
func TestEveryShortText(t *testing.T) {
	var texts func(alphabet string, n int) []string
	texts = func(alphabet string, n int) []string {
		all := []string{""}
		if n > 0 {
			for _, rest := range texts(alphabet, n-1) {
				for _, c := range alphabet {
					all = append(all, string(c)+rest)
				}
			}
		}
		return all
	}
	s := shapeOf(shop(t))
	try := func(key, value string) {
		got, err := values(Pairs{{key, value}}, s)
		if err != nil {
			return
		}
		if _, err := json.Marshal(got); err != nil {
			t.Errorf("values(%q=%q): %v", key, value, err)
		}
	}
	for _, key := range texts(`a.[]0\`, 5) {
		try(key, "1")
	}
	for _, value := range texts("a1[]{}:,\"-", 4) {
		try("unknown", value)
		try("args", value)
	}
}
