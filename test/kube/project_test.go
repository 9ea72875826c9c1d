package kube

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	authentication "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// project is a namespace with our bundle in front of it. Its scripts act as a service account that has the bundle's Role and nothing else,
// so each test also shows that the Role suffices.
type project struct {
	cluster   *Cluster
	namespace string
	dir       string // the bundle's
	env       []string
	registry  string // host:port of one with the images shop/web:1.0, :2.0 and shop/migrate:1.0
}

func newProject(t *testing.T, c *Cluster) *project {
	t.Helper()
	ns, err := c.Client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "project-"},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p := &project{cluster: c, namespace: ns.Name, dir: t.TempDir()}
	p.env = append(os.Environ(), "HOME="+t.TempDir(), "XDG_CACHE_HOME="+shared.home, "KUBECONFIG="+p.account(t))
	images := httptest.NewServer(registry.New(registry.Logger(slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo))))
	t.Cleanup(images.Close)
	p.registry = strings.TrimPrefix(images.URL, "http://")
	for _, image := range []string{"shop/web:1.0", "shop/web:2.0", "shop/migrate:1.0"} {
		push(t, p.registry+"/"+image)
	}
	p.tool(t, "install", p.dir)
	p.configure(t, "chart: {repository: "+filepath.Join(here(), "testdata", "shop")+"}\n")
	return p
}

func push(t *testing.T, image string, options ...remote.Option) {
	t.Helper()
	img, err := random.Image(64, 1)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.ParseReference(image)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, img, options...); err != nil {
		t.Fatal(err)
	}
}

// account gives the namespace the bundle's Role and returns a kubeconfig of its service account.
func (p *project) account(t *testing.T) string {
	t.Helper()
	p.apply(t, p.tool(t, "rbac", p.namespace))
	token, err := p.cluster.Client.CoreV1().ServiceAccounts(p.namespace).CreateToken(t.Context(), "atoll-kube",
		&authentication.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c := api.NewConfig()
	c.Clusters["c"] = &api.Cluster{Server: p.cluster.Config.Host, CertificateAuthority: p.cluster.Config.CAFile}
	c.AuthInfos["a"] = &api.AuthInfo{Token: token.Status.Token}
	c.Contexts["x"] = &api.Context{Cluster: "c", AuthInfo: "a"}
	c.CurrentContext = "x"
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*c, file); err != nil {
		t.Fatal(err)
	}
	return file
}

// tool runs our program by its own name.
func (p *project) tool(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(shared.bundle, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("atoll-kube %v: %v\n%s", args, err, out)
	}
	return string(out)
}

func (p *project) configure(t *testing.T, yaml string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, "helm.yaml"), []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
}

// result is what a script answered.
type result struct {
	code           int
	stdout, stderr string
	took           time.Duration
}

func (r result) String() string {
	return fmt.Sprintf("exit %d after %s\nstdout: %s\nstderr: %s", r.code, r.took.Round(time.Millisecond), r.stdout, r.stderr)
}

// script runs a script for the deployment `orange` with KEY=VALUE of its application's configuration; those that begin with chart_ are of
// the deployment's.
func (p *project) script(ctx context.Context, script string, config ...string) result {
	args := []string{"--project-name", "shop", "--base-domain", "example.org", "--namespace", p.namespace, "--name", "orange"}
	var flags []string
	for _, c := range config {
		if strings.HasPrefix(c, "chart_") {
			flags = append(flags, "--deployment-config", c)
		} else {
			flags = append(flags, "--application-config", c)
		}
	}
	flags = append(flags, "--application-config", "image.repository="+p.registry+"/shop/web") // the first of a key counts
	return p.call(ctx, script, append(args, flags...)...)
}

// call runs a script with just these arguments, and not for longer than a minute.
func (p *project) call(ctx context.Context, script string, args ...string) result {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(p.dir, script), args...)
	cmd.Env, cmd.Dir = p.env, p.dir
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	started := time.Now()
	err := cmd.Run()
	r := result{stdout: stdout.String(), stderr: stderr.String(), took: time.Since(started)}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		r.code = exit.ExitCode()
	case err != nil:
		r.code, r.stderr = -1, err.Error()
	}
	return r
}

// ok runs a script that must succeed.
func (p *project) ok(t *testing.T, script string, config ...string) result {
	t.Helper()
	r := p.script(t.Context(), script, config...)
	if r.code != 0 {
		t.Fatalf("%s %v: %v", script, config, r)
	}
	return r
}

// reaches waits until a check exits with the code, and returns its answer.
func (p *project) reaches(t *testing.T, script string, code int, config ...string) result {
	t.Helper()
	var r result
	defer func() {
		if t.Failed() {
			t.Logf("%s does not exit with %d: %v%s", script, code, r, p.state(t))
		}
	}()
	wait(t, script+" exits as it should", func() bool {
		r = p.script(t.Context(), script, config...)
		return r.code == code
	})
	return r
}

// fails runs a script that must fail with a text, in bounded time.
func (p *project) fails(t *testing.T, within time.Duration, text, script string, config ...string) {
	t.Helper()
	r := p.script(t.Context(), script, config...)
	if r.code != 1 || !strings.Contains(r.stdout+r.stderr, text) || r.took > within {
		t.Errorf("%s %v should fail with %q within %s: %v", script, config, text, within, r)
	}
}
