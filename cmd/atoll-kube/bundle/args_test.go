package bundle

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestParseArgs(t *testing.T) {
	got, err := parseArgs([]string{
		"--project-name", "P", "--base-domain", "D", "--namespace", "N", "--name", "n",
		"--application-config", "A=1=2", "--application-config", " B =", "--application-config", "A=3", "--deployment-config", "chart_name=x",
	})
	want := Args{
		Project: "P", BaseDomain: "D", Namespace: "N", Name: "n",
		Application: Pairs{{"A", "1=2"}, {"B", ""}}, Deployment: Pairs{{"chart_name", "x"}},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("parseArgs() = %+v, %v, want %+v", got, err, want)
	}
	for _, argv := range [][]string{{"--name"}, {"--application-config", "A"}, {"--new-flag", "x"}, {"A=1"}} {
		if _, err := parseArgs(argv); err == nil {
			t.Errorf("parseArgs(%v) accepts it", argv)
		}
	}
}

func TestSecretsFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secrets.json")
	t.Setenv(secretsFile, file)
	if err := os.WriteFile(file, []byte(`{"application": {"password": "s3cret", "a": "1"}, "deployment": {"chart_repo_pass": "p"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := parseArgs([]string{"--application-config", "password="})
	if p, _ := got.Application.get("password"); err != nil || p != "s3cret" {
		t.Errorf("password = %q, %v", p, err)
	}
	if p, _ := got.Deployment.get(keyPass); p != "p" {
		t.Errorf("chart_repo_pass = %q", p)
	}
	for _, bad := range []string{"", `["s3cret"]`, `{"application": {"a": {"s3cret": 1}}}`} {
		if err := os.WriteFile(file, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := parseArgs(nil); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("secrets file %s: %v", bad, err)
		}
	}
}

func TestFingerprint(t *testing.T) {
	a := Args{Application: Pairs{{"a", "1"}, {"b", "2"}}}
	if b := (Args{Application: Pairs{{"b", "2"}, {"a", "1"}}}); a.fingerprint() != b.fingerprint() {
		t.Error("the order of the keys changes the fingerprint")
	}
	for _, b := range []Args{
		{Application: Pairs{{"a", "1"}}}, {Deployment: a.Application}, {Application: Pairs{{"a", "1"}}, Deployment: Pairs{{"b", "2"}}},
	} {
		if a.fingerprint() == b.fingerprint() {
			t.Errorf("%v has the fingerprint of %v", b, a)
		}
	}
}

// TestAnswers calls the scripts that need neither cluster nor chart, by both of their names.
func TestAnswers(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, ConfigFile), []byte(`
chart: {repository: "https://charts.example.org", name: shop, version: "1.10"}
values: {ingress: {enabled: true}, text: "a,\"b", list: [1]}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ script, want string }{
		{"deployment_overrides", "chart_repo_url,https://charts.example.org\nchart_version,1.10\nchart_name,shop\n"},
		{"deployment_config", "chart_repo_url,https://charts.example.org\nchart_version,1.10\nchart_name,shop\n"},
		{"deployment_keys", "chart_name\nchart_repo_pass\nchart_repo_url\nchart_repo_user\nchart_version\n"},
		{"app_overrides", "ingress.enabled,true\nlist,[1]\ntext,\"a,\"\"b\"\n"},
		{"application_config", "ingress.enabled,true\nlist,[1]\ntext,\"a,\"\"b\"\n"},
	} {
		var stdout, stderr bytes.Buffer
		code := Run(t.Context(), Call{Script: tt.script, Dir: dir, Stdout: &stdout, Stderr: &stderr})
		if code != 0 || stdout.String() != tt.want || stderr.Len() > 0 {
			t.Errorf("%s: exit %d\n%s%s", tt.script, code, &stdout, &stderr)
		}
	}
}

// TestOriginalVariables configures the bundle as the original's scripts are.
func TestOriginalVariables(t *testing.T) {
	t.Setenv("DEFAULTS", `{"chart_repo_url": "https://c.example.org", "chart_version": "1", "chart_name": "wordpress",
		"default_overrides": ["ingress.enabled=true", "a=b=c"]}`)
	t.Setenv("HELM_USER", "u")
	t.Setenv("HELM_PASS", "p")
	t.Setenv("INGRESS_HOST_KEY", "host")
	c, err := loadConfig(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	want := ChartConfig{Repository: "https://c.example.org", Version: "1", Name: "wordpress", Username: "u", Password: "p", local: true}
	if c.Chart != want || c.HostKey != "host" {
		t.Errorf("chart %+v, host key %s", c.Chart, c.HostKey)
	}
	if got := flatten(c.Values); !reflect.DeepEqual(got, Pairs{{"a", "b=c"}, {"ingress.enabled", "true"}}) {
		t.Errorf("values = %v", got)
	}
	// A deployment that takes its chart from elsewhere does not take our password there.
	chart, err := c.chartFor(Pairs{{keyURL, "https://evil.example.org"}})
	if err != nil || chart.Username != "" || chart.Password != "" || chart.local {
		t.Errorf("chartFor another repository = %+v, %v", chart, err)
	}
}

func TestConfigFileMistakes(t *testing.T) {
	for _, text := range []string{"chart: {repo: x}", "chart: [", "hookTimeout: soon"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, ConfigFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := loadConfig(dir); err == nil || !strings.Contains(err.Error(), ConfigFile) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
