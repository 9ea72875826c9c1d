package kube

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestRealNode deploys with our bundle to a node that runs containers, and asks the pod for its page.
func TestRealNode(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a real node needs root: namespaces, cgroups, mounts")
	}
	const page, image = "hello from a pod\n", "atoll.test/web"
	file := filepath.Join(t.TempDir(), "web.tar")
	if err := WriteImage(file, image+":1.0", page, "/busybox", "httpd", "-f", "-p", "8080", "-h", "/www"); err != nil {
		t.Fatal(err)
	}
	if err := shared.StartRealNode(t.Context(), os.Stderr, file); err != nil {
		t.Fatal(err)
	}
	p := newProject(t, shared.Cluster)
	config := []string{"image.repository=" + image, "real=true", "replicas=1", "workers=0", "pullPolicy=Never"}
	p.ok(t, "create", config...)
	p.reaches(t, "check", 0, config...)
	pods, err := p.cluster.Client.CoreV1().Pods(p.namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil || len(pods.Items) != 1 {
		t.Fatalf("pods: %v, %v", pods, err)
	}
	answer, err := http.Get("http://" + pods.Items[0].Status.PodIP + ":8080/")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if body, err := io.ReadAll(answer.Body); err != nil || string(body) != page {
		t.Errorf("the pod answers %q, %v", body, err)
	}
	p.ok(t, "archive", config...)
	p.reaches(t, "archive_check", 0, config...)
	p.ok(t, "cleanup", config...)
}
