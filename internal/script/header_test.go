package script

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	_ "time/tzdata" // the host may have no time zones

	"github.com/google/go-cmp/cmp"

	"atoll/internal/cloud"
)

// wantField fails unless err is Invalid about the field.
func wantField(t *testing.T, err error, field string) {
	t.Helper()
	var e *cloud.Error
	if !errors.As(err, &e) || e.Kind != cloud.Invalid || e.Field != field {
		t.Errorf("error = %v, want kind invalid, field %s", err, field)
	}
}

const full = `#!/bin/sh
# ---
# description: Disk space of the node
# roles: [storage, compute]
# cron: "0 4 * * 1"
# timezone: Europe/Brussels
# timeout: 30s
# queue: io
# kind: health
# parameters:
#   type: object
#   required: [path]
#   additionalProperties: false
#   properties:
#     path: {type: string}
#     free: {type: integer, minimum: 1}
# ---
df
`

func TestParse(t *testing.T) {
	want := cloud.ScriptHeader{
		Description: "Disk space of the node", Roles: []cloud.Role{cloud.RoleStorage, cloud.RoleCompute},
		Cron: "0 4 * * 1", TimeZone: "Europe/Brussels", Timeout: "30s", Queue: "io", Kind: cloud.ScriptHealth,
		Parameters: json.RawMessage(`{"additionalProperties":false,"properties":{"free":{"minimum":1,"type":"integer"},"path":{"type":"string"}},"required":["path"],"type":"object"}`),
	}
	for name, src := range map[string]string{
		"hash":    full,
		"slashes": strings.ReplaceAll(full, "\n#", "\n//"),
		"dashes":  strings.ReplaceAll(full, "\n#", "\n--"),
		"crlf":    strings.ReplaceAll(full, "\n", "\r\n"),
	} {
		got, err := Parse([]byte(src))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	for name, src := range map[string]string{
		"no header":    "#!/bin/sh\necho\n",
		"only a line":  "#!/bin/true",
		"header later": "#!/bin/sh\n\n# ---\n# nonsense\n",
		"empty":        "#!/bin/sh\n# ---\n# ---\n",
	} {
		if got, err := Parse([]byte(src)); err != nil || !cmp.Equal(got, cloud.ScriptHeader{}) {
			t.Errorf("%s: Parse() = %+v, %v; want an empty header", name, got, err)
		}
	}
}

func TestParseInvalid(t *testing.T) {
	for _, tt := range []struct{ header, field string }{
		{"colour: red", "colour"},
		{"description: [a]", "description"},
		{"roles: compute", "roles"},
		{"roles: [king]", "roles"},
		{"roles: [1]", "roles"},
		{"every: 300", "every"},
		{"every: 1ms", "every"},
		{"every: 5m\n# cron: '* * * * *'", "every"},
		{"cron: '* * *'", "cron"},
		{"cron: 'TZ=x'", "cron"},
		{"cron: '0 0 * * *'\n# timezone: Mars", "timezone"},
		{"timezone: Europe/Brussels", "timezone"},
		{"timeout: 1y", "timeout"},
		{"timeout: 1000h", "timeout"},
		{"queue: A B", "queue"},
		{"kind: fun", "kind"},
		{"parameters: 7", "parameters"},
		{"parameters: {type: nonsense}", "parameters"},
		{"parameters: {$ref: 'http://example.com/x'}", "parameters"},
		{"parameters: {$ref: 'file:///etc/passwd'}", "parameters"},
		{"parameters: {pattern: '('}", "parameters"},
		{"a: b: c", "header"},
		{"- a", "header"},
		{"description: a\n# description: b", "header"},
		{"description: .nan", "header"},
		{"description: a\nb: c", "header"},
	} {
		_, err := Parse([]byte("#!/bin/sh\n# ---\n# " + tt.header + "\n# ---\n"))
		t.Log(err)
		wantField(t, err, tt.field)
	}
	_, err := Parse([]byte("#!/bin/sh\n# ---\n# kind: health\n"))
	wantField(t, err, "header")
	_, err = Parse([]byte("echo"))
	wantField(t, err, "script")
	_, err = Parse([]byte("#!/bin/sh\n\xff"))
	wantField(t, err, "script")
	if _, err = Parse([]byte("#!" + strings.Repeat("x", MaxSize))); !cloud.Is(err, cloud.TooLarge) {
		t.Errorf("large script: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		full, "#!/bin/sh\n", "#!\n# ---\n# ---", "#!x\n// ---\n// a: &a [*a]\n// ---\n", "#!x\n-- ---\n-- parameters: {$ref: '#'}\n-- ---",
		"#!x\n# ---\n# cron: '@daily'\n# ---\n", "#!x\n# ---\n# {1: 2}\n# ---\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		h, err := Parse(src)
		if err != nil {
			if k := cloud.KindOf(err); k != cloud.Invalid && k != cloud.TooLarge {
				t.Errorf("kind %s: %v", k, err)
			}
			return
		}
		if _, err := json.Marshal(h); err != nil {
			t.Error(err)
		}
		_ = CheckArgs(h, json.RawMessage(`{"a": 1}`))
	})
}

func TestSign(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	other, _, _ := ed25519.GenerateKey(nil)
	src := []byte("#!/bin/sh\n")
	sum := SHA256(src)
	sig := Sign(private, sum)
	if err := Verify(public, src, sum, sig); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"other key":     Verify(other, src, sum, sig),
		"no key":        Verify(nil, src, sum, sig),
		"other content": Verify(public, []byte("#!/bin/bad\n"), sum, sig),
		"other sum":     Verify(public, []byte("x"), SHA256([]byte("x")), sig),
		"no signature":  Verify(public, src, sum, ""),
		"not base64":    Verify(public, src, sum, "%"),
	} {
		if !cloud.Is(err, cloud.Denied) {
			t.Errorf("%s: %v, want kind denied", name, err)
		}
	}
}
