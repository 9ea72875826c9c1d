package bundle

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func parsed(t *testing.T, manifest string) []unstructured.Unstructured {
	t.Helper()
	list, err := objects(manifest, "ns")
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestLinks(t *testing.T) {
	for _, tt := range []struct {
		spec string
		want []string
	}{
		{`{rules: [{host: a.org}]}`, []string{"http://a.org"}},
		{`{tls: [{hosts: [a.org]}], rules: [{host: a.org}, {host: b.org}, {}]}`, []string{"https://a.org", "http://b.org"}},
		{`{tls: [{secretName: s}], rules: [{host: a.org}]}`, []string{"https://a.org"}},
		{`{tls: [{hosts: ["*.org"]}], rules: [{host: a.org, http: {paths: [{path: /app}]}}]}`, []string{"https://a.org/app"}},
		{`{rules: [{host: a.org, http: {paths: [{path: "/(.*)"}]}}]}`, []string{"http://a.org"}},
		{`{defaultBackend: {}}`, nil},
	} {
		o := parsed(t, "{apiVersion: networking.k8s.io/v1, kind: Ingress, spec: "+tt.spec+"}")[0]
		if got := ingressLinks(o); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("Ingress %s: %v, want %v", tt.spec, got, tt.want)
		}
	}
	for _, tt := range []struct{ spec, want string }{
		{`{hostnames: [a.org, b.org]}`, "[https://a.org https://b.org]"},
		{`{hostnames: [a.org], parentRefs: [{sectionName: http}]}`, "[http://a.org]"},
		{`{}`, "[]"},
	} {
		o := parsed(t, "{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, spec: "+tt.spec+"}")[0]
		if got := fmt.Sprint(routeLinks(o, "https")); got != tt.want {
			t.Errorf("HTTPRoute %s: %v, want %v", tt.spec, got, tt.want)
		}
	}
}

func TestContainers(t *testing.T) {
	list := parsed(t, `
---
# only a comment
---
{kind: Deployment, metadata: {name: a}, spec: {template: {spec: {initContainers: [{name: i, image: x:1}], containers: [{name: c, image: y:1}]}}}}
---
{kind: CronJob, metadata: {name: b}, spec: {jobTemplate: {spec: {template: {spec: {containers: [{name: c, image: z:1}]}}}}}}
---
{kind: Operated, metadata: {name: c}, spec: {pods: [{containers: [{name: c, image: v:1}, {name: none}]}]}}
---
{kind: ConfigMap, metadata: {name: d}, spec: {containers: [{name: c, image: never:1}]}}
`)
	var got []string
	for _, o := range list {
		for _, c := range containers(o) {
			got = append(got, c.object+" "+c.name+" "+c.image)
		}
	}
	want := []string{"Deployment a c y:1", "Deployment a i x:1", "CronJob b c z:1", "Operated c c v:1"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("containers = %q, want %q", got, want)
	}
}

// TestImageExists asks a registry that wants a password for images of every form of name.
func TestImageExists(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	images := registry.New(quiet)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, p, _ := r.BasicAuth(); u != "u" || p != "p" {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		images.ServeHTTP(w, r)
	}))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	img, err := random.Image(16, 1)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.ParseReference(host + "/a/deep/path/web:1.0")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, img, remote.WithAuth(&authn.Basic{Username: "u", Password: "p"})); err != nil {
		t.Fatal(err)
	}
	digest, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	with := &run{config: &Config{Registries: []RegistryConfig{{Host: host, Username: "u", Password: "p", Insecure: true}}}}
	without := &run{config: &Config{}}
	base := host + "/a/deep/path/web"
	for _, tt := range []struct {
		run         *run
		image, says string
	}{
		{with, base + ":1.0", ""},
		{with, base + "@" + digest.String(), ""},
		{with, base + ":1.0@" + digest.String(), ""},
		{with, base + ":2.0", "does not have it"},
		{with, base, "does not have it"}, // latest
		{with, host + "/other/web:1.0", "does not have it"},
		{with, base + "@sha256:1234", "no name of an image"},
		{with, "Upper:1", "no name of an image"},
		{without, base + ":1.0", "its credentials belong into registries"},
	} {
		keys, err := tt.run.keychain(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		err = tt.run.imageExists(t.Context(), tt.image, keys)
		if (err == nil) != (tt.says == "") || (err != nil && !strings.Contains(err.Error(), tt.says)) {
			t.Errorf("imageExists(%s) = %v, want %q", tt.image, err, tt.says)
		}
	}
}

func TestRegistryHost(t *testing.T) {
	for in, want := range map[string]string{
		"https://index.docker.io/v1/": "index.docker.io", "docker.io": "index.docker.io", "ghcr.io": "ghcr.io", "http://r.org:5000/v2": "r.org:5000",
	} {
		if got := registryHost(in); got != want {
			t.Errorf("registryHost(%s) = %s, want %s", in, got, want)
		}
	}
}

func TestSameImage(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"r.org/shop/web:1", "r.org/shop/web:1", true},
		{"docker.io/shop/web:1", "mirror.org:5000/cache/shop/web:1", true},
		{"r.org/shop/web:1", "r.org/shop/web:2", false},
		{"r.org/shop/web:1", "r.org/shop/worker:1", false},
	} {
		if got := sameImage(tt.a, tt.b); got != tt.want {
			t.Errorf("sameImage(%s, %s) = %t", tt.a, tt.b, got)
		}
	}
}

func TestPullSecrets(t *testing.T) {
	list := parsed(t, `{kind: Deployment, spec: {template: {spec: {imagePullSecrets: [{name: a}, {name: b}]}}}}
---
{kind: ServiceAccount, imagePullSecrets: [{name: c}]}`)
	if got := fmt.Sprint(pullSecrets(list)); got != "[a b c]" {
		t.Errorf("pullSecrets = %s", got)
	}
}

// TestInstall makes a folder twice; the second time keeps what the operator wrote.
func TestInstall(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "scripts")
	if err := Install([]string{dir}); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, ConfigFile)
	if err := os.WriteFile(config, []byte("# mine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Install([]string{dir}); err != nil {
		t.Fatal(err)
	}
	if body, err := os.ReadFile(config); err != nil || string(body) != "# mine\n" {
		t.Errorf("helm.yaml is now %q, %v", body, err)
	}
	for script := range scripts {
		if info, err := os.Stat(filepath.Join(dir, script)); err != nil || info.Mode().Perm()&0o111 == 0 {
			t.Errorf("%s: %v, %v", script, info, err)
		}
	}
	if _, err := loadConfig(dir); err != nil {
		t.Error(err)
	}
	if err := replace(config, exampleConfig, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := loadConfig(dir); err != nil {
		t.Errorf("the example is not valid: %v", err)
	}
}
