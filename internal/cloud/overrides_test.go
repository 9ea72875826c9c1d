package cloud_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"atoll/internal/cloud"
)

func TestParseOverride(t *testing.T) {
	for _, tt := range []struct {
		in, key, value string
		bad            bool
	}{
		{in: "FOO=bar", key: "FOO", value: "bar"},
		{in: " FOO = bar ", key: "FOO", value: " bar"},
		{in: "FOO=", key: "FOO"},
		{in: "A=1=2", key: "A", value: "1=2"},
		{in: "FOO", bad: true},
		{in: "", bad: true},
		{in: "=x", value: "x"},
		{in: "a..b=1", key: "a.b", value: "1"},
		{in: " a . b =1", key: "a.b", value: "1"},
		{in: ".=1", value: "1"},
	} {
		t.Run(tt.in, func(t *testing.T) {
			got, err := cloud.ParseOverride(tt.in)
			if tt.bad {
				if !cloud.Is(err, cloud.Invalid) {
					t.Fatalf("ParseOverride() = %+v, %v; want it refused", got, err)
				}
				return
			}
			if want := (cloud.Override{Key: tt.key, Value: tt.value}); err != nil || got != want {
				t.Errorf("ParseOverride() = %+v, %v; want %+v", got, err, want)
			}
		})
	}
}

// overrides reads "a=1 b- c=3": b is deleted.
func overrides(t *testing.T, text string) cloud.Overrides {
	t.Helper()
	var out cloud.Overrides
	for word := range strings.FieldsSeq(text) {
		if key, ok := strings.CutSuffix(word, "-"); ok {
			out = append(out, cloud.Override{Key: key, Deleted: true})
			continue
		}
		o, err := cloud.ParseOverride(word)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, o)
	}
	return out
}

func values(t *testing.T, text string) []cloud.KeyValue {
	t.Helper()
	var out []cloud.KeyValue
	for _, o := range overrides(t, text) {
		out = append(out, cloud.KeyValue{Key: o.Key, Value: o.Value})
	}
	return out
}

func TestClean(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"A=1 A=2", "A=1"},
		{"a=1 b=2 a=3", "b=2 a=1"},
		{"a.x=1 b=2 a.y=3", "b=2 a.x=1 a.y=3"},
		{"a=1 a.b=2", "a=1 a.b=2"},
		{"a.b=2 a=1", "a=1 a.b=2"},
		{"a..b=1 c-", "a.b=1 c-"},
		{"", ""},
	} {
		t.Run(tt.in, func(t *testing.T) {
			if diff := cmp.Diff(overrides(t, tt.want), overrides(t, tt.in).Clean()); diff != "" {
				t.Errorf("Clean() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMerge(t *testing.T) {
	for _, tt := range []struct{ over, defaults, want string }{
		{"a=1 b- d=4", "a=0 b=0 c=3", "d=4 a=1 c=3"},
		{"", "a=0 b.c=1", "a=0 b.c=1"},
		{"z-", "a=0", "a=0"},
		{"a-", "a=1 a.b=2", "a.b=2"},
		{"a=9", "a.b=2", "a=9 a.b=2"},
		{"a.n=1 z=2", "a.b=2 c=3", "z=2 a.n=1 a.b=2 c=3"},
		{"a.b.c-", "a.b.c=1 a.b.d=2", "a.b.d=2"},
		{"a=1", "", "a=1"},
	} {
		t.Run(tt.over+" over "+tt.defaults, func(t *testing.T) {
			got := cloud.Merge(values(t, tt.defaults), overrides(t, tt.over))
			if diff := cmp.Diff(append([]cloud.KeyValue{}, values(t, tt.want)...), got); diff != "" {
				t.Errorf("Merge() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMergeKeepsSecrets(t *testing.T) {
	got := cloud.Merge(values(t, "password=open"), cloud.Overrides{{Key: "password", Value: "hidden", Secret: true}})
	if want := []cloud.KeyValue{{Key: "password", Value: "hidden", Secret: true}}; !cmp.Equal(got, want) {
		t.Errorf("Merge() = %+v, want %+v", got, want)
	}
}

func TestOverridesValidate(t *testing.T) {
	long := strings.Repeat("x", cloud.MaxOverrideValue+1)
	for _, tt := range []struct {
		name string
		in   cloud.Overrides
		says string // "" means valid
	}{
		{"ok", cloud.Overrides{{Key: "a.b", Value: "1"}, {Key: "c", Deleted: true}, {Key: "d"}}, ""},
		{"no key", cloud.Overrides{{Value: "x"}}, "without a key"},
		{"value too long", cloud.Overrides{{Key: "a", Value: long}}, "at most 32768"},
		{"too many bytes", slicesRepeat(cloud.Override{Key: "a", Value: long[1:]}, 9), "together"},
		{"too many", slicesRepeat(cloud.Override{Key: "a"}, cloud.MaxOverrides+1), "at most 1000"},
		{"NUL", cloud.Overrides{{Key: "a", Value: "\x00"}}, "NUL"},
		{"deleted with a value", cloud.Overrides{{Key: "a", Value: "1", Deleted: true}}, "both delete"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.in.Validate("application")
			if (tt.says == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("Validate() = %v, want %q in it", err, tt.says)
			}
		})
	}
}

func slicesRepeat(v cloud.Override, n int) cloud.Overrides {
	out := make(cloud.Overrides, n)
	for i := range out {
		out[i] = v
	}
	return out
}

func TestSetAndWithout(t *testing.T) {
	o := overrides(t, "a=1 b=2").Set(cloud.Override{Key: "a", Value: "3"}).Set(cloud.Override{Key: "c", Deleted: true})
	if diff := cmp.Diff(overrides(t, "a=3 b=2 c-"), o); diff != "" {
		t.Errorf("Set() (-want +got):\n%s", diff)
	}
	o, had := o.Without("b")
	if _, again := o.Without("b"); !had || again || len(o) != 2 {
		t.Errorf("Without() = %v, %v", o, had)
	}
}

func TestDiffConfig(t *testing.T) {
	before := append(values(t, "a=1 b=2 c=3"), cloud.KeyValue{Key: "s", Value: "old", Secret: true})
	after := append(values(t, "n=0 a=1 b=5"), cloud.KeyValue{Key: "s", Value: "new", Secret: true})
	text := func(s string) *string { return &s }
	want := []cloud.ConfigChange{
		{Key: "n", New: text("0")},
		{Key: "b", Old: text("2"), New: text("5")},
		{Key: "s", Old: text(cloud.SecretMask), New: text(cloud.SecretMask)},
		{Key: "c", Old: text("3")},
	}
	if diff := cmp.Diff(want, cloud.DiffConfig(before, after)); diff != "" {
		t.Errorf("DiffConfig() (-want +got):\n%s", diff)
	}
}
