package control

import (
	"slices"
	"testing"

	"atoll/internal/cloud"
)

// What a form does to one value: Octopod's panel, and ours.
func TestEditPanel(t *testing.T) {
	stored := cloud.Overrides{{Key: "tag", Value: "v1"}, {Key: "same", Value: "default"}, {Key: "pw", Value: "sealed", Secret: true}}
	for _, tt := range []struct {
		name string
		in   ConfigChange
		want cloud.Overrides
	}{
		{"a value put back to its default ends", ConfigChange{Unset: []string{"tag"}}, cloud.Overrides{stored[1], stored[2]}},
		{"a changed default is added", ConfigChange{Set: cloud.Overrides{{Key: "port", Value: "1"}}}, append(slices.Clone(stored), cloud.Override{Key: "port", Value: "1"})},
		{"a default taken away is deleted", ConfigChange{Set: cloud.Overrides{{Key: "port", Deleted: true}}}, append(slices.Clone(stored), cloud.Override{Key: "port", Deleted: true})},
		{"a key that nobody knows is added", ConfigChange{Set: cloud.Overrides{{Key: " new . key ", Value: ""}}}, append(slices.Clone(stored), cloud.Override{Key: "new.key"})},
		{"what was not touched stays, also if it is the default", ConfigChange{Set: cloud.Overrides{{Key: "tag", Value: "v2"}}}, cloud.Overrides{{Key: "tag", Value: "v2"}, stored[1], stored[2]}},
		{"a secret without a value is kept", ConfigChange{Set: cloud.Overrides{{Key: "pw", Secret: true}}}, stored},
	} {
		got, err := tt.in.apply("application", stored)
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, %v; want %v", tt.name, got, err, tt.want)
		}
	}
	for name, in := range map[string]ConfigChange{
		"no override": {Unset: []string{"port"}}, "a new secret without a value": {Set: cloud.Overrides{{Key: "x", Secret: true}}},
	} {
		if _, err := in.apply("application", stored); !cloud.Is(err, cloud.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
