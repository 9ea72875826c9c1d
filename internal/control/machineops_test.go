package control

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"atoll/internal/cloud"
)

// FuzzMetaData makes the meta-data of machines with any name and keys that a user
// can give: cloud-init reads exactly those, and nothing else, out of it.
func FuzzMetaData(f *testing.F) {
	f.Add("web-1", "ssh-ed25519 AAAA ada@laptop")
	f.Add("true", "ssh-rsa AAAA \"quoted\": {yes}")
	f.Add("0x1f", "k #\tno comment")
	f.Add("a", "- &a *a !!binary \u2028 \u0085x y")
	f.Fuzz(func(t *testing.T, name, key string) {
		m := &cloud.Machine{ID: "0198c3e2-0000-7d0a-8f00-1c2d3e4f5a6b", Name: name, RunStrategy: cloud.RunManual, SSHKeys: []string{key, "second key"}}
		if m.Validate() != nil || !utf8.ValidString(key) || strings.ContainsRune(key, 0) {
			return
		}
		spec, err := machineSpec(m, &cloud.Disk{ID: "d"})
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := yaml.Unmarshal([]byte(spec.Seed.MetaData), &got); err != nil {
			t.Fatalf("%v in %q", err, spec.Seed.MetaData)
		}
		keys, _ := got["public-keys"].([]any)
		if len(got) != 3 || got["instance-id"] != string(m.ID) || got["local-hostname"] != name || !slices.Equal(keys, []any{key, "second key"}) {
			t.Errorf("meta-data of %q with key %q reads as %v", name, key, got)
		}
	})
}
