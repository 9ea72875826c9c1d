package octopod

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestJSON has the JSON of each type as the original writes it: it is read and
// written again without a change.
func TestJSON(t *testing.T) {
	at := time.Date(2022, 8, 23, 10, 11, 12, 345678000, time.UTC)
	over := Overrides{{Key: "image.tag", Value: "v1"}, {Key: "empty"}, {Key: "k", Deleted: true}}
	const overJSON = `[["image.tag",{"tag":"ValueAdded","contents":"v1"}],["empty",{"tag":"ValueAdded","contents":""}],["k",{"tag":"ValueDeleted"}]]`
	d := Deployment{"n", over, Overrides{}}
	const dJSON = `{"name":"n","app_overrides":` + overJSON + `,"deployment_overrides":[]}`
	for _, tt := range []struct {
		name string
		v    any
		want string
	}{
		{"deployment", d, dJSON},
		{"update", Update{over, Overrides{}}, `{"app_overrides":` + overJSON + `,"deployment_overrides":[]}`},
		{"full info", FullInfo{d, Status{false, TagMismatch}, []Link{{"app", "https://x"}}, at, at}, `{"deployment":` + dJSON +
			`,"status":{"tag":"DeploymentNotPending","recorded_status":{"tag":"Failure","contents":"TagMismatch"}}` +
			`,"metadata":[{"name":"app","link":"https://x"}],"created_at":"2022-08-23T10:11:12.345678Z","updated_at":"2022-08-23T10:11:12.345678Z"}`},
		{"info", Info{d, []Link{}, []Log{{7, CreateAction, over, Overrides{}, -15, Duration(12300 * time.Millisecond), at}}}, `{"deployment":` + dJSON +
			`,"metadata":[],"logs":[{"action_id":7,"action":"CreateAction","deployment_app_overrides":` + overJSON +
			`,"deployment_dep_overrides":[],"exit_code":-15,"duration":{"months":0,"time":12.3},"created_at":"2022-08-23T10:11:12.345678Z"}]}`},
		{"running", Status{false, Running}, `{"tag":"DeploymentNotPending","recorded_status":{"tag":"Running"}}`},
		{"under way", Status{true, UpdatePending}, `{"tag":"DeploymentPending","recorded_status":{"tag":"UpdatePending"}}`},
		{"success", CommandResponse{Tag: Success}, `{"tag":"Success"}`},
		{"bad name", CommandResponse{Tag: ValidationError, NameField: []string{"x"}}, `{"tag":"ValidationError","name_field":["x"]}`},
		{"app error", CommandResponse{Tag: AppError, ErrorMessage: "x"}, `{"tag":"AppError","error_message":"x"}`},
		{"output", ActionInfo{Stdout{"a"}, Stderr{"b"}}, `{"stdout":{"un_stdout":"a"},"stderr":{"un_stderr":"b"}}`},
		{"defaults", []KeyValue{{"k", "v"}}, `[["k","v"]]`},
		{"check", CurrentStatus{"Ok"}, `{"status":"Ok"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text, err := json.Marshal(tt.v)
			if err != nil || string(text) != tt.want {
				t.Errorf("is written as\n%s (%v), want\n%s", text, err, tt.want)
			}
			got := read(t, tt.v, tt.want)
			if diff := cmp.Diff(tt.v, got); diff != "" {
				t.Errorf("is read back with a difference (-want +got):\n%s", diff)
			}
		})
	}
}

// read decodes text into a new value of the type of v.
func read(t *testing.T, v any, text string) any {
	t.Helper()
	into := func(p any) {
		if err := json.Unmarshal([]byte(text), p); err != nil {
			t.Fatal(err)
		}
	}
	switch v.(type) {
	case Deployment:
		return fresh[Deployment](into)
	case Update:
		return fresh[Update](into)
	case FullInfo:
		return fresh[FullInfo](into)
	case Info:
		return fresh[Info](into)
	case Status:
		return fresh[Status](into)
	case CommandResponse:
		return fresh[CommandResponse](into)
	case ActionInfo:
		return fresh[ActionInfo](into)
	case CurrentStatus:
		return fresh[CurrentStatus](into)
	}
	return fresh[[]KeyValue](into)
}

func fresh[T any](into func(any)) T {
	var v T
	into(&v)
	return v
}

func TestStatuses(t *testing.T) {
	for _, r := range AllRecorded {
		for _, pending := range []bool{false, true} {
			s := Status{pending, r}
			text, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			if got := fresh[Status](func(p any) { _ = json.Unmarshal(text, p) }); got != s {
				t.Errorf("%v is read back as %v from %s", s, got, text)
			}
		}
	}
	if got := TagMismatch.String() + ", " + CreatePending.String(); got != "Failure TagMismatch, CreatePending" {
		t.Errorf("in messages they are %q", got)
	}
}

func TestBadJSON(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		into       any
	}{
		{"no pair", `[["a"]]`, new(Overrides)},
		{"three", `[["a",{"tag":"ValueDeleted"},1]]`, new(Overrides)},
		{"unknown tag", `[["a",{"tag":"Other"}]]`, new(Overrides)},
		{"no contents", `[["a",{"tag":"ValueAdded"}]]`, new(Overrides)},
		{"contents no text", `[["a",{"tag":"ValueAdded","contents":1}]]`, new(Overrides)},
		{"key no text", `[[1,{"tag":"ValueDeleted"}]]`, new(Overrides)},
		{"status without a tag", `{"recorded_status":{"tag":"Running"}}`, new(Status)},
		{"no command response", `{"title":"Not Found"}`, new(CommandResponse)},
		{"validation error without a field", `{"tag":"ValidationError"}`, new(CommandResponse)},
		{"pair of numbers", `[[1,2]]`, new([]KeyValue)},
	} {
		if err := json.Unmarshal([]byte(tt.text), tt.into); err == nil {
			t.Errorf("%s: %s is taken as %+v", tt.name, tt.text, tt.into)
		}
	}
}

func TestParseKeyValue(t *testing.T) {
	for text, want := range map[string]Override{
		"FOO=bar":     {Key: "FOO", Value: "bar"},
		" FOO = bar ": {Key: "FOO", Value: " bar"},
		"FOO=":        {Key: "FOO"},
		"A=1=2":       {Key: "A", Value: "1=2"},
		"=x":          {Value: "x"},
		"a..b=1":      {Key: "a.b", Value: "1"},
		" a . b =1":   {Key: "a.b", Value: "1"},
		".=1":         {Value: "1"},
	} {
		if got, err := ParseKeyValue(text); err != nil || got != want {
			t.Errorf("ParseKeyValue(%q) = %+v, %v; want %+v", text, got, err, want)
		}
	}
	_, err := ParseKeyValue("FOO")
	if want := "Malformed override key-value pair FOO, should be similar to FOO=bar"; err == nil || err.Error() != want {
		t.Errorf("ParseKeyValue(FOO) says %v, want %s", err, want)
	}
}

func TestOver(t *testing.T) {
	old := Overrides{{Key: "a", Value: "1"}, {Key: "b", Deleted: true}, {Key: "c", Value: "3"}}
	set := Overrides{{Key: "c", Value: "9"}, {Key: "d", Value: "4"}, {Key: "d", Value: "5"}, {Key: "b", Value: "2"}}
	want := Overrides{{Key: "d", Value: "4"}, {Key: "a", Value: "1"}, {Key: "b", Value: "2"}, {Key: "c", Value: "9"}}
	if diff := cmp.Diff(want, set.Over(old)); diff != "" {
		t.Errorf("Over (-want +got):\n%s", diff)
	}
	got, err := old.Without([]string{" b ", "a"})
	if diff := cmp.Diff(Overrides{{Key: "c", Value: "3"}}, got); diff != "" || err != nil {
		t.Errorf("Without: %v (-want +got):\n%s", err, diff)
	}
	if _, err := old.Without([]string{"z"}); err == nil {
		t.Error("a key that is not there is taken away without an error")
	}
}

// FuzzOverrides reads any JSON and writes what it took in a form that is read back.
func FuzzOverrides(f *testing.F) {
	f.Add([]byte(`[["image.tag",{"tag":"ValueAdded","contents":"v1"}],["k",{"tag":"ValueDeleted"}]]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var o, again Overrides
		if json.Unmarshal(data, &o) != nil {
			return
		}
		text, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &again); err != nil || len(again) != len(o) {
			t.Errorf("%s is read back as %v: %v", text, again, err)
		}
	})
}
