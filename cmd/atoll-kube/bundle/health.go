package bundle

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
)

// health is how one workload of a release is.
type health struct {
	what        string // Deployment web
	ready, want int32
	trouble     string                // why it is not well, if more than the count is known
	pods        *metav1.LabelSelector // of those that answer, if it has such
}

// check tells how a deployment is: ready, partly ready, ready with other images than the configuration says, or not ready.
func (r *run) check(ctx context.Context) error {
	list, rel, err := r.deployed(ctx)
	if err != nil {
		return err
	}
	if rel == nil {
		return fmt.Errorf("nothing is deployed: there is no release %s in namespace %s", r.args.Name, r.args.Namespace)
	}
	var all []health
	for _, o := range list {
		h, err := r.connected.health(ctx, o)
		if err != nil {
			return err
		}
		if h != nil {
			all = append(all, *h)
		}
	}
	if err := r.checkImages(ctx, list, all, rel.Labels[configLabel]); err != nil {
		return err
	}
	return verdict(all)
}

// verdict counts. A Job that is done, or what wants no pods, is well, but does not make a deployment partly available: nothing of it answers.
func verdict(all []health) error {
	var answering int32
	var lines []string
	for _, h := range all {
		if h.pods != nil {
			answering += min(h.ready, h.want)
		}
		if h.ready < h.want || h.trouble != "" {
			lines = append(lines, strings.TrimSuffix(fmt.Sprintf("%s: %d of %d ready: %s", h.what, h.ready, h.want, h.trouble), ": "))
		}
	}
	switch {
	case len(lines) == 0:
		return nil
	case answering > 0:
		return &exitError{exitPartly, "partly available\n" + strings.Join(lines, "\n")}
	}
	return &exitError{exitFailure, "not available\n" + strings.Join(lines, "\n")}
}

// health reads a workload as it is in the cluster. It returns nil for what is no workload.
func (k *cluster) health(ctx context.Context, o unstructured.Unstructured) (*health, error) {
	h := &health{what: o.GetKind() + " " + o.GetName(), want: 1}
	var err error
	get := metav1.GetOptions{}
	switch o.GroupVersionKind().GroupKind().String() {
	case "Deployment.apps":
		var d *appsv1.Deployment
		if d, err = k.client.AppsV1().Deployments(o.GetNamespace()).Get(ctx, o.GetName(), get); err == nil {
			h.ofDeployment(d)
		}
	case "StatefulSet.apps":
		var s *appsv1.StatefulSet
		if s, err = k.client.AppsV1().StatefulSets(o.GetNamespace()).Get(ctx, o.GetName(), get); err == nil {
			h.ofStatefulSet(s)
		}
	case "DaemonSet.apps":
		var d *appsv1.DaemonSet
		if d, err = k.client.AppsV1().DaemonSets(o.GetNamespace()).Get(ctx, o.GetName(), get); err == nil {
			h.ofDaemonSet(d)
		}
	case "Job.batch":
		var j *batchv1.Job
		j, err = k.client.BatchV1().Jobs(o.GetNamespace()).Get(ctx, o.GetName(), get)
		if _, expires, _ := unstructured.NestedFieldNoCopy(o.Object, "spec", "ttlSecondsAfterFinished"); apierrors.IsNotFound(err) && expires {
			return nil, nil // it was done, and removed as it asks for
		}
		if err == nil {
			h.ofJob(j)
		}
	default:
		return nil, nil
	}
	if apierrors.IsNotFound(err) {
		h.trouble = "it is missing in the cluster"
		return h, nil
	}
	return h, err
}

func (h *health) ofDeployment(d *appsv1.Deployment) {
	h.want, h.ready, h.pods = ptr.Deref(d.Spec.Replicas, 1), d.Status.ReadyReplicas, d.Spec.Selector
	h.settled(d.ObjectMeta, d.Status.ObservedGeneration, d.Status.UpdatedReplicas)
	for _, c := range d.Status.Conditions {
		if (c.Type == appsv1.DeploymentProgressing && c.Status == corev1.ConditionFalse) ||
			(c.Type == appsv1.DeploymentReplicaFailure && c.Status == corev1.ConditionTrue) {
			h.trouble = c.Message
		}
	}
}

func (h *health) ofStatefulSet(s *appsv1.StatefulSet) {
	h.want, h.ready, h.pods = ptr.Deref(s.Spec.Replicas, 1), s.Status.ReadyReplicas, s.Spec.Selector
	updated := s.Status.UpdatedReplicas
	if u := s.Spec.UpdateStrategy; u.Type == appsv1.OnDeleteStatefulSetStrategyType || (u.RollingUpdate != nil && ptr.Deref(u.RollingUpdate.Partition, 0) > 0) {
		updated = h.want // somebody else decides when pods are new
	}
	h.settled(s.ObjectMeta, s.Status.ObservedGeneration, updated)
}

func (h *health) ofDaemonSet(d *appsv1.DaemonSet) {
	h.want, h.ready, h.pods = d.Status.DesiredNumberScheduled, d.Status.NumberReady, d.Spec.Selector
	updated := d.Status.UpdatedNumberScheduled
	if d.Spec.UpdateStrategy.Type == appsv1.OnDeleteDaemonSetStrategyType {
		updated = h.want
	}
	h.settled(d.ObjectMeta, d.Status.ObservedGeneration, updated)
}

// settled says where the cluster is not done with what was asked for.
func (h *health) settled(m metav1.ObjectMeta, observed int64, updated int32) {
	switch {
	case observed < m.Generation:
		h.trouble = "the cluster has not seen its newest version yet"
	case updated < h.want:
		h.trouble = fmt.Sprintf("%d of %d are of the newest version", updated, h.want)
	}
	if m.Annotations[sleepAnnotation] != "" {
		h.want, h.trouble = max(h.want, 1), "it is archived"
	}
}

func (h *health) ofJob(j *batchv1.Job) {
	h.want, h.ready = max(ptr.Deref(j.Spec.Completions, 1), 1), min(j.Status.Succeeded, ptr.Deref(j.Spec.Completions, 1))
	for _, c := range j.Status.Conditions {
		switch {
		case c.Type == batchv1.JobComplete && c.Status == corev1.ConditionTrue:
			h.ready = h.want
		case c.Type == batchv1.JobFailed && c.Status == corev1.ConditionTrue:
			h.trouble = "it failed: " + c.Message
		}
	}
	if j.Annotations[sleepAnnotation] != "" && h.ready < h.want {
		h.trouble = "it is archived"
	}
}

// checkImages compares the images of the pods that answer with those that the configuration asks for. If the release was made of other
// arguments (an update has failed), the chart says what they would be.
func (r *run) checkImages(ctx context.Context, list []unstructured.Unstructured, all []health, deployedConfig string) error {
	if deployedConfig != r.args.fingerprint() {
		fresh, err := r.rendered(ctx)
		if err != nil {
			return &exitError{exitTagMismatch, "what is deployed was made of another configuration than the present one, which cannot be rendered: " + explain(err)}
		}
		list = fresh
	}
	expected := map[string]map[string]string{} // workload, container: image
	for _, o := range list {
		byName := map[string]string{}
		for _, c := range containers(o) {
			byName[c.name] = c.image
		}
		expected[o.GetKind()+" "+o.GetName()] = byName
	}
	var wrong []string
	for _, h := range all {
		if h.pods == nil || h.ready == 0 {
			continue
		}
		found, err := r.connected.otherImages(ctx, r.args.Namespace, h, expected[h.what])
		if err != nil {
			return err
		}
		wrong = append(wrong, found...)
	}
	if len(wrong) > 0 {
		return &exitError{exitTagMismatch, "other images run than are configured\n" + strings.Join(wrong, "\n")}
	}
	return nil
}

// otherImages lists the ready pods of a workload whose images are not the expected ones. Containers that were added to a pod are nobody's
// business, and neither is a registry that was replaced by a mirror.
func (k *cluster) otherImages(ctx context.Context, namespace string, h health, expected map[string]string) ([]string, error) {
	selector, err := metav1.LabelSelectorAsSelector(h.pods)
	if err != nil {
		return nil, err
	}
	pods, err := k.client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector.String()})
	if err != nil {
		return nil, err
	}
	var wrong []string
	for _, p := range pods.Items {
		ready := slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
			return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
		})
		if !ready || p.DeletionTimestamp != nil {
			continue
		}
		for _, c := range p.Spec.Containers {
			if want, ok := expected[c.Name]; ok && !sameImage(want, c.Image) {
				wrong = append(wrong, fmt.Sprintf("%s: pod %s runs %s, configured is %s", h.what, p.Name, c.Image, want))
			}
		}
	}
	return wrong, nil
}

func sameImage(a, b string) bool { return a == b || path.Base(a) == path.Base(b) }
