package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	coordination "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
)

// Behave is the annotation by which a pod on a fake node says what becomes of it.
const Behave = "atoll.test/behave"

// What pods on fake nodes do. Without the annotation they become ready at once; those that should end (of Jobs) succeed.
const (
	Pending = "pending" // the image cannot be pulled
	Crash   = "crash"   // the container ends again and again
	Fail    = "fail"    // it ends with an error, for good
	Run     = "run"     // it goes on, even if it should end
)

// fakeLabel says what a node is, so that pods can choose.
const fakeLabel = "atoll.test/node"

// FakeNodes adds nodes that run nothing, but report as if they did, until the cluster stops.
func (c *Cluster) FakeNodes(n int) error {
	for i := range n {
		if err := c.fakeNode(fmt.Sprintf("fake-%d", i)); err != nil {
			return err
		}
	}
	factory := informers.NewSharedInformerFactory(c.Client, 0)
	pods := factory.Core().V1().Pods()
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[cache.ObjectName]())
	enqueue := func(o any) {
		if pod, ok := o.(*corev1.Pod); ok && strings.HasPrefix(pod.Spec.NodeName, "fake-") {
			queue.Add(cache.MetaObjectToName(pod))
		}
	}
	_, err := pods.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: enqueue, UpdateFunc: func(_, now any) { enqueue(now) },
	})
	if err != nil {
		return err
	}
	factory.Start(c.ctx.Done())
	cache.WaitForCacheSync(c.ctx.Done(), pods.Informer().HasSynced)
	for range 8 {
		c.workers.Go(func() {
			for {
				key, ended := queue.Get()
				if ended {
					return
				}
				pod, err := pods.Lister().Pods(key.Namespace).Get(key.Name)
				if err == nil {
					err = c.play(c.ctx, pod)
				}
				if err == nil || apierrors.IsNotFound(err) {
					queue.Forget(key)
				} else {
					queue.AddRateLimited(key)
				}
				queue.Done(key)
			}
		})
	}
	c.workers.Go(func() {
		c.heartbeats(n)
		queue.ShutDown()
		factory.Shutdown()
	})
	return nil
}

// fakeNode registers a node as its kubelet would.
func (c *Cluster) fakeNode(name string) error {
	nodes := c.Client.CoreV1().Nodes()
	node, err := nodes.Create(c.ctx, &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{
			fakeLabel: "fake", corev1.LabelHostname: name, corev1.LabelOSStable: "linux", corev1.LabelArchStable: "amd64",
		}},
	}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	now := metav1.Now()
	node.Status.Conditions = []corev1.NodeCondition{{
		Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady", LastHeartbeatTime: now, LastTransitionTime: now,
	}}
	node.Status.Capacity = corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("64"), corev1.ResourceMemory: resource.MustParse("256Gi"), corev1.ResourcePods: resource.MustParse("500"),
	}
	node.Status.Allocatable = node.Status.Capacity
	body, err := json.Marshal(map[string]any{"status": node.Status})
	if err != nil {
		return err
	}
	if _, err := nodes.Patch(c.ctx, name, types.MergePatchType, body, metav1.PatchOptions{}, "status"); err != nil {
		return err
	}
	micro := metav1.NowMicro()
	seconds := int32(40)
	_, err = c.Client.CoordinationV1().Leases(corev1.NamespaceNodeLease).Create(c.ctx, &coordination.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       coordination.LeaseSpec{HolderIdentity: &name, RenewTime: &micro, LeaseDurationSeconds: &seconds},
	}, metav1.CreateOptions{})
	return err
}

// heartbeats renews the nodes' leases, so that the node controller believes in them.
func (c *Cluster) heartbeats(n int) {
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	leases := c.Client.CoordinationV1().Leases(corev1.NamespaceNodeLease)
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-tick.C:
		}
		for i := range n {
			lease, err := leases.Get(c.ctx, fmt.Sprintf("fake-%d", i), metav1.GetOptions{})
			if err == nil {
				now := metav1.NowMicro()
				lease.Spec.RenewTime = &now
				_, _ = leases.Update(c.ctx, lease, metav1.UpdateOptions{}) // the next one is in time too
			}
		}
	}
}

// play lets a pod be what it says.
func (c *Cluster) play(ctx context.Context, pod *corev1.Pod) error {
	pods := c.Client.CoreV1().Pods(pod.Namespace)
	if pod.DeletionTimestamp != nil {
		now := int64(0)
		return pods.Delete(ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: &now, Preconditions: &metav1.Preconditions{UID: &pod.UID}})
	}
	if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed || slices.ContainsFunc(pod.Status.Conditions,
		func(c corev1.PodCondition) bool { return c.Type == corev1.PodReady }) {
		return nil // it has been played
	}
	status := statusOf(pod)
	update := pod.DeepCopy()
	update.Status.Phase, update.Status.ContainerStatuses, update.Status.PodIP = status.Phase, status.ContainerStatuses, "192.0.2.1"
	update.Status.PodIPs = []corev1.PodIP{{IP: "192.0.2.1"}}
	update.Status.Conditions = append(update.Status.Conditions, status.Conditions...)
	now := metav1.Now()
	update.Status.StartTime = &now
	_, err := pods.UpdateStatus(ctx, update, metav1.UpdateOptions{})
	return err
}

func statusOf(pod *corev1.Pod) corev1.PodStatus {
	now := metav1.Now()
	ready := corev1.ConditionFalse
	var state corev1.ContainerState
	phase := corev1.PodRunning
	ends := pod.Spec.RestartPolicy != corev1.RestartPolicyAlways
	switch behave := pod.Annotations[Behave]; {
	case behave == Pending:
		phase = corev1.PodPending
		state.Waiting = &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "no such image"}
	case behave == Crash:
		state.Waiting = &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}
	case behave == Fail:
		phase = corev1.PodFailed
		state.Terminated = &corev1.ContainerStateTerminated{ExitCode: 1, Reason: "Error", StartedAt: now, FinishedAt: now}
	case ends && behave != Run:
		phase = corev1.PodSucceeded
		state.Terminated = &corev1.ContainerStateTerminated{Reason: "Completed", StartedAt: now, FinishedAt: now}
	default:
		ready = corev1.ConditionTrue
		state.Running = &corev1.ContainerStateRunning{StartedAt: now}
	}
	status := corev1.PodStatus{Phase: phase, Conditions: []corev1.PodCondition{
		{Type: corev1.PodReady, Status: ready, LastTransitionTime: now},
		{Type: corev1.ContainersReady, Status: ready, LastTransitionTime: now},
	}}
	for _, container := range pod.Spec.Containers {
		started := state.Running != nil
		status.ContainerStatuses = append(status.ContainerStatuses, corev1.ContainerStatus{
			Name: container.Name, Image: container.Image, Ready: ready == corev1.ConditionTrue, Started: &started, State: state,
		})
	}
	return status
}
