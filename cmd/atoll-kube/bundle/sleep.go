package bundle

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	gv "k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
)

// sleepAnnotation is on each object that archive put to sleep and holds, as JSON, what its field was before.
const sleepAnnotation = "atoll.dev/archived"

// sleeper is a kind of object that can be put to sleep: one field of it, and the value with which it runs nothing.
type sleeper struct {
	resource gv.GroupVersionResource
	field    []string
	asleep   any
	running  []string // the field of its status that counts what still runs
}

// sleepers are the kinds that archive knows, and the database operator's that the original's scripts knew.
var sleepers = map[string]sleeper{
	"Deployment.apps":  {gvr("apps", "v1", "deployments"), []string{"spec", "replicas"}, int64(0), []string{"status", "replicas"}},
	"StatefulSet.apps": {gvr("apps", "v1", "statefulsets"), []string{"spec", "replicas"}, int64(0), []string{"status", "replicas"}},
	"DaemonSet.apps": {
		gvr("apps", "v1", "daemonsets"),
		[]string{"spec", "template", "spec", "nodeSelector", sleepAnnotation},
		"true", // a label that no node has
		[]string{"status", "currentNumberScheduled"},
	},
	"Job.batch":     {gvr("batch", "v1", "jobs"), []string{"spec", "suspend"}, true, []string{"status", "active"}},
	"CronJob.batch": {gvr("batch", "v1", "cronjobs"), []string{"spec", "suspend"}, true, nil},
	"postgresql.acid.zalan.do": {
		gvr("acid.zalan.do", "v1", "postgresqls"), []string{"spec", "numberOfInstances"}, int64(0), nil,
	},
}

func gvr(group, version, resource string) gv.GroupVersionResource {
	return gv.GroupVersionResource{Group: group, Version: version, Resource: resource}
}

// archive puts all workloads to sleep; volumes stay. It is safe to repeat: what sleeps keeps what it remembers.
func (r *run) archive(ctx context.Context) error {
	return r.eachSleeper(ctx, func(s sleeper, at dynamic.ResourceInterface, o *unstructured.Unstructured) error {
		if _, asleep := o.GetAnnotations()[sleepAnnotation]; asleep || finished(o) {
			return nil
		}
		before, _, err := unstructured.NestedFieldNoCopy(o.Object, s.field...)
		if err != nil {
			return err
		}
		memory, err := json.Marshal(before)
		if err != nil {
			return err
		}
		fmt.Fprintf(r.log, "%s %s sleeps; %s was %s\n", o.GetKind(), o.GetName(), strings.Join(s.field, "."), memory)
		return patch(ctx, at, o.GetName(), s.field, s.asleep, string(memory))
	})
}

// restore wakes what archive put to sleep. If somebody removed the release meanwhile, it is deployed anew.
func (r *run) restore(ctx context.Context) error {
	_, rel, err := r.deployed(ctx)
	if err != nil {
		return err
	}
	if rel == nil {
		fmt.Fprintf(r.log, "there is no release %s: deploying it anew\n", r.args.Name)
		return r.deploy(ctx)
	}
	return r.wake(ctx)
}

// wake gives each sleeping object its field back, unless it has got another value since.
func (r *run) wake(ctx context.Context) error {
	return r.eachSleeper(ctx, func(s sleeper, at dynamic.ResourceInterface, o *unstructured.Unstructured) error {
		memory, asleep := o.GetAnnotations()[sleepAnnotation]
		if !asleep {
			return nil
		}
		var before any
		if err := json.Unmarshal([]byte(memory), &before); err != nil {
			return fmt.Errorf("%s %s: annotation %s: %w", o.GetKind(), o.GetName(), sleepAnnotation, err)
		}
		now, _, err := unstructured.NestedFieldNoCopy(o.Object, s.field...)
		if err != nil {
			return err
		}
		if now != s.asleep {
			before = now
		}
		fmt.Fprintf(r.log, "%s %s wakes\n", o.GetKind(), o.GetName())
		return patch(ctx, at, o.GetName(), s.field, before, nil)
	})
}

// archiveCheck succeeds when all sleeps and nothing runs any more.
func (r *run) archiveCheck(ctx context.Context) error {
	var awake []string
	err := r.eachSleeper(ctx, func(s sleeper, _ dynamic.ResourceInterface, o *unstructured.Unstructured) error {
		now, _, err := unstructured.NestedFieldNoCopy(o.Object, s.field...)
		if err != nil {
			return err
		}
		var left int64
		if s.running != nil {
			left, _, _ = unstructured.NestedInt64(o.Object, s.running...)
		}
		switch {
		case finished(o):
		case now != s.asleep:
			awake = append(awake, fmt.Sprintf("%s %s is not archived", o.GetKind(), o.GetName()))
		case left > 0:
			awake = append(awake, fmt.Sprintf("%s %s has %d pods left", o.GetKind(), o.GetName(), left))
		}
		return nil
	})
	if err == nil && len(awake) > 0 {
		err = &exitError{exitFailure, strings.Join(awake, "\n")}
	}
	return err
}

// finished tells whether an object is a Job that has ended, well or not: there is nothing to put to sleep.
func finished(o *unstructured.Unstructured) bool {
	return o.GetKind() == "Job" && slices.ContainsFunc(items(o.Object, "status", "conditions"), func(c map[string]any) bool {
		return (c["type"] == "Complete" || c["type"] == "Failed") && c["status"] == "True"
	})
}

// eachSleeper calls do with each object of the release that can sleep, as it is in the cluster. One that is gone is passed over.
func (r *run) eachSleeper(ctx context.Context, do func(sleeper, dynamic.ResourceInterface, *unstructured.Unstructured) error) error {
	list, rel, err := r.deployed(ctx)
	if err != nil {
		return err
	}
	if rel == nil {
		return fmt.Errorf("there is no release %s in namespace %s", r.args.Name, r.args.Namespace)
	}
	for _, o := range list {
		s, ok := sleepers[o.GroupVersionKind().GroupKind().String()]
		if !ok {
			continue
		}
		at := r.connected.dynamic.Resource(s.resource).Namespace(o.GetNamespace())
		live, err := at.Get(ctx, o.GetName(), metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			continue
		}
		if err == nil {
			err = do(s, at, live)
		}
		if err != nil {
			return fmt.Errorf("%s %s: %w", o.GetKind(), o.GetName(), err)
		}
	}
	return nil
}

// patch sets an object's field and what it remembers, both or none of them; nil removes.
func patch(ctx context.Context, at dynamic.ResourceInterface, name string, field []string, value, memory any) error {
	change := map[string]any{"metadata": map[string]any{"annotations": map[string]any{sleepAnnotation: memory}}}
	if err := unstructured.SetNestedField(change, value, field...); err != nil {
		return err
	}
	body, err := json.Marshal(change)
	if err != nil {
		return err
	}
	_, err = at.Patch(ctx, name, types.MergePatchType, body, metav1.PatchOptions{FieldManager: "atoll-kube"})
	return err
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
