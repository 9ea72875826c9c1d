package bundle

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"

	"helm.sh/helm/v4/pkg/action"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/kube"
	"helm.sh/helm/v4/pkg/release/common"
	release "helm.sh/helm/v4/pkg/release/v1"
	"helm.sh/helm/v4/pkg/storage/driver"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"
)

// configLabel is on the release and holds the fingerprint of the arguments that it was made of.
const configLabel = "atoll.dev/config"

// history is how many revisions of a release are kept.
const history = 5

// values returns the application configuration for a chart. The host is set where the chart has a key for it and the user has not.
func (r *run) values(c *chart.Chart) (map[string]any, error) {
	s := shapeOf(c)
	config := r.args.Application
	if _, ok := config.get(r.config.HostKey); !ok && r.args.BaseDomain != "" && (r.config.hostSet || s.has(r.config.HostKey)) {
		host := r.args.Name + "." + r.args.BaseDomain
		config = append(slices.Clone(config), Pair{r.config.HostKey, host})
		fmt.Fprintf(r.log, "%s is %s\n", r.config.HostKey, host)
	}
	return values(config, s)
}

// deploy installs or upgrades, which is safe to repeat: an attempt that was killed is given up first.
func (r *run) deploy(ctx context.Context) error {
	c, err := r.chart(ctx)
	if err != nil {
		return err
	}
	vals, err := r.values(c)
	if err != nil {
		return err
	}
	k, err := r.cluster(ctx)
	if err != nil {
		return err
	}
	last, err := k.release(r.args.Name)
	if err != nil {
		return err
	}
	label := map[string]string{configLabel: r.args.fingerprint()}
	if last != nil && (last.Info.Status == common.StatusUninstalling || last.Info.Status == common.StatusUninstalled) {
		if err := r.uninstall(k); err != nil { // a cleanup that was killed
			return err
		}
		last = nil
	}
	if last == nil {
		in := action.NewInstall(k.helm)
		in.ReleaseName, in.Namespace, in.Timeout, in.SkipCRDs = r.args.Name, r.args.Namespace, r.config.HookTimeout.Duration, r.config.SkipCRDs
		in.WaitStrategy, in.Labels, in.ForceConflicts = kube.HookOnlyStrategy, label, true
		if _, err := in.RunWithContext(ctx, c, vals); err != nil {
			return err
		}
		fmt.Fprintf(r.log, "installed %s with chart %s %s\n", r.args.Name, c.Name(), c.Metadata.Version)
		return nil
	}
	if last.Info.Status.IsPending() {
		last.SetStatus(common.StatusFailed, "given up: its operation ended before it was done")
		if err := k.helm.Releases.Update(last); err != nil {
			return err
		}
	}
	up := action.NewUpgrade(k.helm)
	up.Namespace, up.Timeout, up.SkipCRDs, up.MaxHistory = r.args.Namespace, r.config.HookTimeout.Duration, r.config.SkipCRDs, history
	up.WaitStrategy, up.Labels, up.ForceConflicts, up.ResetValues = kube.HookOnlyStrategy, label, true, true
	up.ServerSideApply = "true"
	if _, err := up.RunWithContext(ctx, r.args.Name, c, vals); err != nil {
		return err
	}
	fmt.Fprintf(r.log, "upgraded %s with chart %s %s\n", r.args.Name, c.Name(), c.Metadata.Version)
	return r.wake(ctx)
}

// release returns the newest revision of a release, or nil if there is none.
func (k *cluster) release(name string) (*release.Release, error) {
	last, err := k.helm.Releases.Last(name)
	if errors.Is(err, driver.ErrReleaseNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	rel, ok := last.(*release.Release)
	if !ok {
		return nil, fmt.Errorf("release %s has a format that this version does not read", name)
	}
	return rel, nil
}

// rendered returns the objects that the arguments would deploy, hooks included. It asks the cluster what it has, and changes nothing.
func (r *run) rendered(ctx context.Context) ([]unstructured.Unstructured, error) {
	c, err := r.chart(ctx)
	if err != nil {
		return nil, err
	}
	vals, err := r.values(c)
	if err != nil {
		return nil, err
	}
	k, err := r.cluster(ctx)
	if err != nil {
		return nil, err
	}
	in := action.NewInstall(k.helm)
	in.ReleaseName, in.Namespace, in.DryRunStrategy, in.SkipCRDs = r.args.Name, r.args.Namespace, action.DryRunServer, r.config.SkipCRDs
	in.WaitStrategy = kube.HookOnlyStrategy
	got, err := in.RunWithContext(ctx, c, vals)
	if err != nil {
		return nil, err
	}
	rel := got.(*release.Release)
	var text strings.Builder
	text.WriteString(rel.Manifest)
	for _, h := range rel.Hooks {
		if !slices.Contains(h.Events, release.HookTest) {
			text.WriteString("\n---\n" + h.Manifest)
		}
	}
	return objects(text.String(), r.args.Namespace)
}

// objects reads a manifest. Objects without a namespace are in the given one.
func objects(manifest, namespace string) ([]unstructured.Unstructured, error) {
	var list []unstructured.Unstructured
	for doc := range strings.SplitSeq("\n"+manifest, "\n---") {
		var o unstructured.Unstructured
		if err := yaml.Unmarshal([]byte(doc), &o.Object); err != nil {
			return nil, fmt.Errorf("manifest: %w", err)
		}
		if len(o.Object) == 0 {
			continue
		}
		if o.GetNamespace() == "" {
			o.SetNamespace(namespace)
		}
		list = append(list, o)
	}
	return list, nil
}

// deployed returns the objects of the release, or nil if there is none.
func (r *run) deployed(ctx context.Context) ([]unstructured.Unstructured, *release.Release, error) {
	k, err := r.cluster(ctx)
	if err != nil {
		return nil, nil, err
	}
	rel, err := k.release(r.args.Name)
	if err != nil || rel == nil {
		return nil, nil, err
	}
	list, err := objects(rel.Manifest, r.args.Namespace)
	return list, rel, err
}

// cleanup uninstalls the release and deletes the volumes that its StatefulSets left. It is safe to repeat.
func (r *run) cleanup(ctx context.Context) error {
	list, _, err := r.deployed(ctx)
	if err != nil {
		return err
	}
	if err := r.uninstall(r.connected); err != nil {
		return err
	}
	selectors := []labels.Set{{"app.kubernetes.io/instance": r.args.Name}, {"release": r.args.Name}}
	for _, o := range list {
		match, ok, _ := unstructured.NestedStringMap(o.Object, "spec", "selector", "matchLabels")
		if o.GetKind() == "StatefulSet" && ok && len(match) > 0 {
			selectors = append(selectors, match)
		}
	}
	claims := r.connected.client.CoreV1().PersistentVolumeClaims(r.args.Namespace)
	deleted := map[string]bool{}
	for _, s := range selectors {
		found, err := claims.List(ctx, metav1.ListOptions{LabelSelector: s.String()})
		if err != nil {
			return err
		}
		for _, claim := range found.Items {
			if deleted[claim.Name] || claim.DeletionTimestamp != nil {
				continue
			}
			if err := claims.Delete(ctx, claim.Name, metav1.DeleteOptions{}); ignoreNotFound(err) != nil {
				return err
			}
			deleted[claim.Name] = true
		}
	}
	fmt.Fprintf(r.log, "removed %s and its volumes: %s\n", r.args.Name, orNone(slices.Sorted(maps.Keys(deleted))))
	return nil
}

// uninstall removes the release with its objects, if it is there.
func (r *run) uninstall(k *cluster) error {
	un := action.NewUninstall(k.helm)
	un.IgnoreNotFound, un.WaitStrategy, un.Timeout = true, kube.HookOnlyStrategy, r.config.HookTimeout.Duration
	un.DeletionPropagation = "background"
	_, err := un.Run(r.args.Name)
	return err
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// ownFolder tells whether a folder is the user's and nobody else's.
func ownFolder(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || !info.IsDir() || info.Mode().Perm()&0o077 != 0 {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Getuid()
}
