package kube

import (
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestLifecycle(t *testing.T) {
	t.Parallel()
	p := newProject(t, shared.Cluster)
	p.apply(t, `{apiVersion: v1, kind: PersistentVolume, metadata: {name: `+p.namespace+`}, spec: {accessModes: [ReadWriteOnce],
		capacity: {storage: 1Gi}, hostPath: {path: /nowhere}, persistentVolumeReclaimPolicy: Retain}}`)
	config := []string{"workers=3", "databases=1", "agents=true", "job=true", "nightly=true", "migrate=" + p.registry + "/shop/migrate:1.0"}

	if r := p.ok(t, "config_check", config...); r.stdout != "" {
		t.Errorf("config_check of a good configuration says %q", r.stdout)
	}
	if r := p.ok(t, "info", append(config, "ingress.tls=true")...); r.stdout != "orange-web,https://orange.example.org\n" {
		t.Errorf("info = %q", r.stdout)
	}
	if r := p.script(t.Context(), "check", config...); r.code != 1 || !strings.Contains(r.stderr, "nothing is deployed") {
		t.Errorf("check before create: %v", r)
	}
	p.ok(t, "create", config...)
	p.reaches(t, "check", 0, config...)
	p.ok(t, "create", config...) // again is no error
	p.reaches(t, "check", 0, config...)

	if r := p.script(t.Context(), "archive_check", config...); r.code != 1 {
		t.Errorf("archive_check of what runs: %v", r)
	}
	p.ok(t, "archive", config...)
	p.ok(t, "archive", config...) // again forgets no count
	p.reaches(t, "archive_check", 0, config...)
	if n := p.pods(t); n != 0 {
		t.Errorf("%d pods are left of an archived deployment", n)
	}
	if r := p.script(t.Context(), "check", config...); r.code != 1 || !strings.Contains(r.stderr, "archived") {
		t.Errorf("check of an archived deployment: %v", r)
	}
	p.ok(t, "unarchive", config...)
	p.reaches(t, "check", 0, config...)
	if n := p.replicas(t, "orange-worker"); n != 3 {
		t.Errorf("%d workers are back, there were 3", n)
	}
	for _, o := range p.annotated(t) {
		t.Errorf("%s still remembers that it was archived", o)
	}

	p.ok(t, "archive", config...)
	config = append(config, "image.tag=2.0")
	p.ok(t, "update", config...) // wakes too
	p.reaches(t, "check", 0, config...)

	claims := p.cluster.Client.CoreV1().PersistentVolumeClaims(p.namespace)
	if list, err := claims.List(t.Context(), metav1.ListOptions{}); err != nil || len(list.Items) != 1 {
		t.Fatalf("claims before cleanup: %v, %v", list, err)
	}
	p.ok(t, "cleanup", config...)
	p.ok(t, "cleanup", config...) // again is no error
	wait(t, "nothing is left", func() bool {
		list, err := claims.List(t.Context(), metav1.ListOptions{})
		return err == nil && len(list.Items) == 0 && p.pods(t) == 0
	})
}

func TestHealth(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		config []string
		code   int
		says   string
	}{
		{"all ready", nil, 0, ""},
		{"two hundred pods", []string{"replicas=200"}, 0, ""},
		{"one of two workloads", []string{"behave.worker=crash"}, 2, "Deployment orange-worker: 0 of 1 ready"},
		{"nothing ready", []string{"behave.web=pending", "behave.worker=pending"}, 1, "not available"},
		{"a job that failed", []string{"job=true", "behave.job=fail"}, 2, "Job orange-job-1-0: 0 of 1 ready: it failed"},
		{"a job that goes on", []string{"job=true", "behave.job=run"}, 2, "Job orange-job-1-0: 0 of 1 ready"},
		{"a database that is away", []string{"databases=1", "behave.database=pending"}, 2, "StatefulSet orange-database"},
		{"meant to be zero", []string{"replicas=0", "workers=0"}, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newProject(t, shared.Cluster)
			p.ok(t, "create", tt.config...)
			wait(t, "check says what is wrong", func() bool {
				r := p.script(t.Context(), "check", tt.config...)
				return r.code == tt.code && strings.Contains(r.stderr, tt.says)
			})
		})
	}
}

// TestTagMismatch has the two ways in which what runs is not what is configured: the new pods do not come up, and the update never came
// as far as the cluster.
func TestTagMismatch(t *testing.T) {
	t.Parallel()
	p := newProject(t, shared.Cluster)
	p.ok(t, "create")
	p.reaches(t, "check", 0)
	broken := []string{"image.tag=2.0", "behave.web=pending"}
	r := p.reaches(t, "check", 3, broken...)
	if want := "runs " + p.registry + "/shop/web:1.0, configured is " + p.registry + "/shop/web:2.0"; !strings.Contains(r.stderr, want) {
		t.Errorf("check says %q, not %q", r.stderr, want)
	}
	p.ok(t, "update", broken...)
	p.reaches(t, "check", 3, broken...)
	if r := p.script(t.Context(), "check", "chart_repo_url=nowhere"); r.code != 3 || !strings.Contains(r.stderr, "another configuration") {
		t.Errorf("check of a configuration that cannot be rendered: %v", r)
	}
	p.ok(t, "update", "image.tag=2.0")
	p.reaches(t, "check", 0, "image.tag=2.0")
}

func TestConfigCheckRefuses(t *testing.T) {
	t.Parallel()
	p := newProject(t, shared.Cluster)
	for _, tt := range []struct {
		name, says string
		config     []string
	}{
		{"tag", "/shop/web:9.9 (container main of Deployment orange-web, ", []string{"image.tag=9.9"}},
		{"init container", "/shop/away:1 (container migrate", []string{"migrate=" + p.registry + "/shop/away:1"}},
		{"no name of an image", "this is no name of an image", []string{"migrate=Upper:1"}},
		{"schema", "minimum: got -1, want 0", []string{"replicas=-1"}},
		{"type", "does not fit the chart's schema", []string{"replicas=many"}},
		{"leaf and parent", "below a key that has a value", []string{"x=1", "x.y=2"}},
		{"unknown kind", "the cluster does not know this kind of object", []string{"kafka=true"}},
		{"no such chart", "chart", []string{"chart_repo_url=charts/none"}},
		{"folder elsewhere", "a deployment can only name a chart in the bundle's folder", []string{"chart_repo_url=/etc"}},
		{"unknown deployment key", "unknown key chart_nmae", []string{"chart_nmae=x"}},
		{"cron job", "CronJob orange-nightly", []string{"replicas=0", "nightly=true", "image.tag=9.9"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := p.script(t.Context(), "config_check", tt.config...)
			if r.code != 1 || !strings.Contains(r.stdout, tt.says) {
				t.Errorf("config_check should say %q: %v", tt.says, r)
			}
		})
	}
	if list, err := p.cluster.Client.AppsV1().Deployments(p.namespace).List(t.Context(), metav1.ListOptions{}); err != nil || len(list.Items) > 0 {
		t.Errorf("config_check has made %v, %v", list, err)
	}
}

// silent returns an address that takes connections and never answers.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

// TestUnreachable has each thing that a script talks to refuse connections, or take them and say nothing.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	p := newProject(t, shared.Cluster)
	p.ok(t, "create")
	quiet := silent(t)
	for _, tt := range []struct {
		name, script, says string
		within             time.Duration
		cluster            string // instead of the test's
		config             []string
	}{
		{"repository", "config_check", "nothing listens there", 5 * time.Second, "", []string{"chart_repo_url=http://127.0.0.1:1", "chart_name=shop"}},
		{"silent repository", "config_check", "did not answer in time", 25 * time.Second, "", []string{"chart_repo_url=http://" + quiet, "chart_name=shop"}},
		{"registry", "config_check", "registry 127.0.0.1:1", 5 * time.Second, "", []string{"image.repository=127.0.0.1:1/shop/web"}},
		{"silent registry", "config_check", "did not answer in time", 25 * time.Second, "", []string{"migrate=" + quiet + "/shop/web:1.0"}},
		{"cluster, check", "check", "nothing listens there", 5 * time.Second, "127.0.0.1:1", nil},
		{"cluster, create", "create", "nothing listens there", 5 * time.Second, "127.0.0.1:1", nil},
		{"cluster, archive", "archive", "nothing listens there", 5 * time.Second, "127.0.0.1:1", nil},
		{"cluster, cleanup", "cleanup", "nothing listens there", 5 * time.Second, "127.0.0.1:1", nil},
		{"cluster, init", "init", "nothing listens there", 5 * time.Second, "127.0.0.1:1", nil},
		{"silent cluster", "check", "does not answer", 20 * time.Second, quiet, nil},
		{"silent cluster, config", "config_check", "does not answer", 20 * time.Second, quiet, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			away := *p
			if tt.cluster != "" {
				away.env = append(slices.Clone(p.env), "HELM_KUBEAPISERVER=https://"+tt.cluster)
			}
			away.fails(t, tt.within+slow, tt.says, tt.script, tt.config...)
		})
	}
}

// slow is what a busy machine may add to any time.
const slow = 10 * time.Second

// TestRoleIsNarrow shows that the bundle's account can do nothing in other namespaces, and that the refusal tells the way out.
func TestRoleIsNarrow(t *testing.T) {
	t.Parallel()
	p := newProject(t, shared.Cluster)
	p.namespace = "default"
	p.fails(t, slow, "atoll-kube rbac", "create")
	p.fails(t, slow, "atoll-kube rbac", "check")
	if list, err := p.cluster.Client.CoreV1().Pods(corev1.NamespaceDefault).List(t.Context(), metav1.ListOptions{}); err != nil || len(list.Items) > 0 {
		t.Errorf("pods in default: %v, %v", list, err)
	}
}

// TestImmutable has an update that Kubernetes refuses; the deployment is as it was.
func TestImmutable(t *testing.T) {
	t.Parallel()
	p := newProject(t, shared.Cluster)
	p.ok(t, "create", "job=true")
	p.reaches(t, "check", 0, "job=true")
	p.fails(t, slow, "let the chart make it a hook", "update", "job=true", "migrate="+p.registry+"/shop/migrate:1.0")
	p.reaches(t, "check", 0, "job=true")
}

// TestGivenUp takes releases over that killed scripts left in the middle of an operation.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	for _, status := range []string{"pending-install", "pending-upgrade", "uninstalling"} {
		t.Run(status, func(t *testing.T) {
			t.Parallel()
			testGivenUp(t, status)
		})
	}
}

func testGivenUp(t *testing.T, status string) {
	p := newProject(t, shared.Cluster)
	p.ok(t, "create")
	secrets := p.cluster.Client.CoreV1().Secrets(p.namespace)
	list, err := secrets.List(t.Context(), metav1.ListOptions{LabelSelector: "owner=helm"})
	if err != nil || len(list.Items) != 1 {
		t.Fatalf("releases: %v, %v", list, err)
	}
	pending := withStatus(t, &list.Items[0], status)
	if _, err := secrets.Update(t.Context(), pending, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	p.ok(t, "update", "image.tag=2.0")
	p.reaches(t, "check", 0, "image.tag=2.0")
}
