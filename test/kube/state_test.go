package kube

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"
)

// wait waits for a state of the cluster.
func wait(t *testing.T, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited for a minute: %s", what)
		case <-tick.C:
		}
	}
}

// apply makes the objects of a manifest, as the administrator.
func (p *project) apply(t *testing.T, manifest string) {
	t.Helper()
	client, err := dynamic.NewForConfig(p.cluster.Config)
	if err != nil {
		t.Fatal(err)
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(p.cluster.Client.Discovery()))
	docs := yaml.NewYAMLOrJSONDecoder(strings.NewReader(manifest), 4096)
	for {
		var o unstructured.Unstructured
		if err := docs.Decode(&o.Object); err == io.EOF {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		gvk := o.GroupVersionKind()
		mapping, err := mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
		if err != nil {
			t.Fatal(err)
		}
		var at dynamic.ResourceInterface = client.Resource(mapping.Resource)
		if o.GetNamespace() != "" {
			at = client.Resource(mapping.Resource).Namespace(o.GetNamespace())
		}
		if _, err := at.Create(t.Context(), &o, metav1.CreateOptions{}); err != nil {
			t.Fatalf("%s %s: %v", gvk.Kind, o.GetName(), err)
		}
	}
}

// state tells what is in the namespace, for whoever looks for why it is not as it should be.
func (p *project) state(t *testing.T) string {
	t.Helper()
	var text strings.Builder
	pods, err := p.cluster.Client.CoreV1().Pods(p.namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		return err.Error()
	}
	for _, pod := range pods.Items {
		fmt.Fprintf(&text, "\npod %s on %q: %s %v", pod.Name, pod.Spec.NodeName, pod.Status.Phase, pod.Status.ContainerStatuses)
	}
	events, err := p.cluster.Client.CoreV1().Events(p.namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		return err.Error()
	}
	for _, e := range events.Items {
		fmt.Fprintf(&text, "\nevent %s %s: %s", e.InvolvedObject.Name, e.Reason, e.Message)
	}
	return text.String()
}

// pods counts what runs or wants to.
func (p *project) pods(t *testing.T) (n int) {
	t.Helper()
	list, err := p.cluster.Client.CoreV1().Pods(p.namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, pod := range list.Items {
		if pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed {
			n++
		}
	}
	return n
}

func (p *project) replicas(t *testing.T, deployment string) int32 {
	t.Helper()
	d, err := p.cluster.Client.AppsV1().Deployments(p.namespace).Get(t.Context(), deployment, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return *d.Spec.Replicas
}

// annotated lists the objects that say they are archived.
func (p *project) annotated(t *testing.T) (names []string) {
	t.Helper()
	add := func(kind string, m metav1.ObjectMeta) {
		if m.Annotations["atoll.dev/archived"] != "" {
			names = append(names, kind+" "+m.Name)
		}
	}
	apps, batch := p.cluster.Client.AppsV1(), p.cluster.Client.BatchV1()
	deployments, err1 := apps.Deployments(p.namespace).List(t.Context(), metav1.ListOptions{})
	sets, err2 := apps.StatefulSets(p.namespace).List(t.Context(), metav1.ListOptions{})
	daemons, err3 := apps.DaemonSets(p.namespace).List(t.Context(), metav1.ListOptions{})
	crons, err4 := batch.CronJobs(p.namespace).List(t.Context(), metav1.ListOptions{})
	for _, err := range []error{err1, err2, err3, err4} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range deployments.Items {
		add("Deployment", d.ObjectMeta)
	}
	for _, s := range sets.Items {
		add("StatefulSet", s.ObjectMeta)
	}
	for _, d := range daemons.Items {
		add("DaemonSet", d.ObjectMeta)
	}
	for _, c := range crons.Items {
		add("CronJob", c.ObjectMeta)
	}
	return names
}

// withStatus returns Helm's record of a release as a killed operation leaves it.
func withStatus(t *testing.T, s *corev1.Secret, status string) *corev1.Secret {
	t.Helper()
	packed, err := base64.StdEncoding.DecodeString(string(s.Data["release"]))
	if err != nil {
		t.Fatal(err)
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	var release map[string]any
	if err := json.NewDecoder(r).Decode(&release); err != nil {
		t.Fatal(err)
	}
	release["info"].(map[string]any)["status"] = status
	var body bytes.Buffer
	w := gzip.NewWriter(&body)
	if err := json.NewEncoder(w).Encode(release); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	s.Labels["status"] = status
	s.Data["release"] = []byte(base64.StdEncoding.EncodeToString(body.Bytes()))
	return s
}
