package script

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"atoll/internal/cloud"
)

func TestCheckArgs(t *testing.T) {
	h, err := Parse([]byte(full))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ args, field string }{
		{`{"path": "/"}`, ""},
		{`{"path": "/", "free": 3}`, ""},
		{`{}`, "args.path"},
		{``, "args.path"},
		{`null`, "args.path"},
		{`{"path": 1}`, "args.path"},
		{`{"path": "/", "free": 0}`, "args.free"},
		{`{"path": "/", "colour": 0}`, "args.colour"},
		{`[]`, "args"},
		{`{`, "args"},
		{`{} {}`, "args"},
	} {
		err := CheckArgs(h, json.RawMessage(tt.args))
		if tt.field == "" {
			if err != nil {
				t.Errorf("CheckArgs(%s) = %v", tt.args, err)
			}
			continue
		}
		wantField(t, err, tt.field)
	}
	if err := CheckArgs(cloud.ScriptHeader{}, json.RawMessage(`{"any": [1]}`)); err != nil {
		t.Errorf("without parameters: %v", err)
	}
}

func TestEnv(t *testing.T) {
	got, err := Env(json.RawMessage(`{"path": "/a b\n", "n": 1.50, "big": 12345678901234567890, "yes": true, "no": null, "list": [1, "x"], "dash-é": {"a": 1}}`))
	want := []string{
		"ATOLL_ARG_BIG=12345678901234567890", `ATOLL_ARG_DASH__={"a":1}`, `ATOLL_ARG_LIST=[1,"x"]`, "ATOLL_ARG_N=1.50",
		"ATOLL_ARG_NO=", "ATOLL_ARG_PATH=/a b\n", "ATOLL_ARG_YES=true",
	}
	if err != nil || !cmp.Equal(got, want) {
		t.Errorf("Env() = %q, %v; want %q", got, err, want)
	}
	for _, none := range []string{"", "{}", "null"} {
		if got, err := Env(json.RawMessage(none)); err != nil || len(got) != 0 {
			t.Errorf("Env(%q) = %q, %v", none, got, err)
		}
	}
	for args, field := range map[string]string{
		`[]`:                   "args",
		`{"a": "x\u0000y"}`:    "args.a",
		`{"a-b": 1, "a_b": 2}`: "args.a_b",
	} {
		_, err := Env(json.RawMessage(args))
		wantField(t, err, field)
	}
}
