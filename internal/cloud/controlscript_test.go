package cloud

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestArgv(t *testing.T) {
	a := ControlArgs{
		Project: "P", BaseDomain: "D", Namespace: "N", Name: "n", OldStatus: "Running", NewStatus: "UpdatePending",
		Application: []KeyValue{{Key: "A", Value: "1"}, {Key: "password", Value: "x", Secret: true}}, Deployment: []KeyValue{{Key: "B", Value: "2"}},
	}
	const s = "--project-name P --base-domain D --namespace N"
	const g = s + " --name n --application-config A=1 --application-config password=@secret:/s/application-1 --deployment-config B=2"
	want := map[ControlScript]string{
		ScriptInit: "", ScriptDeploymentConfig: s, ScriptDeploymentKeys: s,
		ScriptAppConfig: "--deployment-config B=2 " + s, ScriptAppKeys: "--deployment-config B=2 " + s,
		ScriptNotifications: s + " --name n --old-status Running --new-status UpdatePending",
	}
	for _, script := range ControlScripts {
		w, ok := want[script]
		if !ok {
			w = g
		}
		got := script.Argv(a, func(list string, i int) string { return fmt.Sprintf("/s/%s-%d", list, i) })
		if strings.Join(got, " ") != w {
			t.Errorf("%s: %q, want %q", script, got, w)
		}
	}
}

func TestControlAnswers(t *testing.T) {
	for _, tt := range []struct {
		csv  string
		want string // of the pairs, or what the error says
	}{
		{"", "[]"},
		{"image.tag,\n", "[{image.tag  false}]"},
		{"a,\"x,y\"\r\n\r\nb,\"say \"\"hi\"\"\nthere\"", "[{a x,y false} {b say \"hi\"\nthere false}]"},
		{"a\n", "line 1 of the answer has 1 columns"},
		{"a,b\n\nc,d,e\n", "line 3 of the answer has 3 columns"},
		{"a,\"b\n", "no CSV"},
	} {
		got, err := ParseConfigCSV(tt.csv)
		if s := fmt.Sprint(got); err == nil && s != tt.want {
			t.Errorf("ParseConfigCSV(%q) = %s, want %s", tt.csv, s, tt.want)
		}
		if err != nil && (!Is(err, Invalid) || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("ParseConfigCSV(%q) = %v, want %s", tt.csv, err, tt.want)
		}
	}
	links, err := ParseLinks("app,https://x\n,https://y\n")
	if want := []Link{{"app", "https://x"}, {"", "https://y"}}; err != nil || !slices.Equal(links, want) {
		t.Errorf("ParseLinks = %v, %v; want %v", links, err, want)
	}
	if got := ParseKeys("a\nb\r\n\n c \n"); !slices.Equal(got, []string{"a", "b", " c "}) {
		t.Errorf("ParseKeys = %q", got)
	}
}
