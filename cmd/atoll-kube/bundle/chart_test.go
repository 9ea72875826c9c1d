package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	helm "helm.sh/helm/v4/pkg/registry"
)

// fetcher is a run with caches of its own.
func fetcher(t *testing.T, c Config) *run {
	t.Helper()
	t.Setenv("HELM_CACHE_HOME", t.TempDir())
	t.Setenv("HELM_CONFIG_HOME", t.TempDir())
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	c.Chart.local = true
	return &run{config: &c, out: io.Discard, log: io.Discard}
}

// write makes files below dir, of alternating names and bodies.
func write(t *testing.T, dir string, files ...string) {
	t.Helper()
	for i := 0; i < len(files); i += 2 {
		p := filepath.Join(dir, files[i])
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(files[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

const chartYAML = "{apiVersion: v2, name: shop, version: 1.2.3}"

// archive is a packed chart.
func archive(t *testing.T) []byte {
	t.Helper()
	var body bytes.Buffer
	z := gzip.NewWriter(&body)
	w := tar.NewWriter(z)
	for name, text := range map[string]string{"shop/Chart.yaml": chartYAML, "shop/values.yaml": "a: 1"} {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return body.Bytes()
}

// fetched expects the chart, or an error with a text.
func fetched(t *testing.T, r *run, says string) {
	t.Helper()
	c, err := r.chart(t.Context())
	switch {
	case says == "" && (err != nil || c.Name() != "shop" || c.Metadata.Version != "1.2.3"):
		t.Errorf("chart %s: %+v, %v", r.config.Chart, c, err)
	case says != "" && (err == nil || !strings.Contains(explain(err), says)):
		t.Errorf("chart %s: %v, should say %q", r.config.Chart, err, says)
	}
}

func TestChartOfRepository(t *testing.T) {
	body := archive(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, p, _ := r.BasicAuth(); u != "u" || p != "p" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		switch r.URL.Path {
		case "/index.yaml":
			_, _ = io.WriteString(w, "apiVersion: v1\nentries: {shop: [{name: shop, version: 1.2.3, urls: [shop-1.2.3.tgz]}]}\n")
		case "/shop-1.2.3.tgz":
			_, _ = w.Write(body)
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	c := ChartConfig{Repository: server.URL, Name: "shop", Version: "^1.0", Username: "u", Password: "p"}
	fetched(t, fetcher(t, Config{Chart: c}), "")
	for _, tt := range []struct {
		change func(*ChartConfig)
		says   string
	}{
		{func(c *ChartConfig) { c.Name = "shpo" }, "look at chart_name and chart_version"},
		{func(c *ChartConfig) { c.Version = "2.0.0" }, "look at chart_name and chart_version"},
		{func(c *ChartConfig) { c.Name = "" }, "set chart_name"},
		{func(c *ChartConfig) { c.Password = "wrong" }, "401"},
		{func(c *ChartConfig) { c.Repository = "http://127.0.0.1:1" }, "nothing listens there"},
		{func(c *ChartConfig) { c.Repository = "ftp://x" }, "this is no address of charts"},
	} {
		bad := c
		tt.change(&bad)
		fetched(t, fetcher(t, Config{Chart: bad}), tt.says)
	}
}

func TestChartOfRegistry(t *testing.T) {
	server := httptest.NewServer(registry.New(quiet))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	client, err := helm.NewClient(helm.ClientOptPlainHTTP())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Push(archive(t), host+"/team/charts/shop:1.2.3"); err != nil {
		t.Fatal(err)
	}
	c := Config{
		Chart:      ChartConfig{Repository: "oci://" + host + "/team/charts", Name: "shop", Version: "1.2.3"},
		Registries: []RegistryConfig{{Host: host, Insecure: true}},
	}
	fetched(t, fetcher(t, c), "")
	c.Chart.Repository += "/shop" // the whole reference, with the name or without
	fetched(t, fetcher(t, c), "")
	c.Chart.Name = ""
	fetched(t, fetcher(t, c), "")
	c.Chart.Version = "9.9.9"
	fetched(t, fetcher(t, c), "9.9.9")
}

func TestChartOfGit(t *testing.T) {
	dir := t.TempDir()
	git := func(args ...string) string {
		cmd := exec.Command("git", append([]string{"-c", "user.name=t", "-c", "user.email=t@example.org", "-C", dir}, args...)...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	git("init", "-q", "-b", "main")
	write(t, dir, "deploy/shop/Chart.yaml", chartYAML, "deploy/shop/values.yaml", "a: 1")
	git("add", ".")
	git("commit", "-q", "-m", "one")
	git("tag", "v1")
	commit := git("rev-parse", "HEAD")
	write(t, dir, "deploy/shop/Chart.yaml", "{apiVersion: v2, name: shop, version: 2.0.0}")
	git("commit", "-q", "-am", "two")
	git("checkout", "-q", "-b", "links")
	if err := os.Symlink("/etc/hostname", filepath.Join(dir, "deploy/shop/stolen")); err != nil {
		t.Fatal(err)
	}
	git("add", ".")
	git("commit", "-q", "-m", "three")

	c := ChartConfig{Repository: "git+file://" + dir, Name: "deploy/shop"}
	for _, tt := range []struct{ version, name, says string }{
		{"v1", "deploy/shop", ""},
		{commit, "deploy/shop", ""},
		{"main", "deploy/none", "no Chart.yaml"},
		{"nowhere", "deploy/shop", "couldn't find remote ref"},
		{"links", "deploy/shop", "leads out of it"},
		{"--upload-pack=x", "deploy/shop", "must be a branch"},
		{"v1", "../..", "a folder of the repository"},
	} {
		c.Version, c.Name = tt.version, tt.name
		fetched(t, fetcher(t, Config{Chart: c}), tt.says)
	}
	// A deployment may not name a repository on the runner.
	r := fetcher(t, Config{})
	r.args.Deployment = Pairs{{keyURL, "git+file://" + dir}, {keyName, "deploy/shop"}}
	fetched(t, r, "not allowed")
	r.args.Deployment = Pairs{{keyURL, "git+ext::sh -c id"}}
	fetched(t, r, "not allowed")
}

func TestChartOfFolder(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "charts/shop/Chart.yaml", chartYAML, "whole/Chart.yaml",
		`{apiVersion: v2, name: shop, version: 1.2.3, dependencies: [{name: part, version: 0.1.0, repository: "file://`+dir+`/part"}]}`,
		"part/Chart.yaml", "{apiVersion: v2, name: part, version: 0.1.0}", "part/values.yaml", "size: 5")
	r := fetcher(t, Config{Chart: ChartConfig{Repository: "charts", Name: "shop"}, dir: dir})
	fetched(t, r, "")
	r.args.Deployment = Pairs{{keyURL, "charts/shop"}, {keyName, ""}}
	fetched(t, r, "")
	r.args.Deployment = Pairs{{keyURL, "charts/../../x"}}
	fetched(t, r, "a deployment can only name a chart in the bundle's folder")

	r = fetcher(t, Config{Chart: ChartConfig{Repository: "whole"}, dir: dir})
	c, err := r.chart(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if keys := fmt.Sprint(shapeOf(c).keys()); keys != "[part.size]" {
		t.Errorf("keys of a chart with a dependency that was not in its folder: %s", keys)
	}
	if entries, err := os.ReadDir(filepath.Join(dir, "whole")); err != nil || len(entries) != 1 {
		t.Errorf("the chart's folder was changed: %v, %v", entries, err)
	}
}

// quiet keeps a registry from writing what it is asked.
var quiet = registry.Logger(slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo))
