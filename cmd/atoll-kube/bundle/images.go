package bundle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// container is a container that an object will run.
type container struct {
	object, name, image string
}

// containers finds all containers of an object, init containers too, of any kind of object that has some: Deployments, Jobs, CronJobs, and
// those of operators.
func containers(o unstructured.Unstructured) (found []container) {
	switch o.GetKind() {
	case "CustomResourceDefinition", "ConfigMap", "Secret":
		return nil
	}
	walk(o.Object["spec"], func(m map[string]any) {
		for _, c := range append(items(m, "containers"), items(m, "initContainers")...) {
			name, _ := c["name"].(string)
			if image, _ := c["image"].(string); image != "" {
				found = append(found, container{o.GetKind() + " " + o.GetName(), name, image})
			}
		}
	})
	return found
}

// walk visits all objects of a tree, in the order of their keys.
func walk(v any, visit func(map[string]any)) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			walk(e, visit)
		}
	case map[string]any:
		visit(v)
		for _, k := range sortedKeys(v) {
			walk(v[k], visit)
		}
	}
}

// imageTimeout bounds how long all registries together may take: config_check has 30 s for everything.
const imageTimeout = 15 * time.Second

// configCheck tells whether a configuration can be deployed: the chart renders, the cluster accepts its objects, and every image exists.
func (r *run) configCheck(ctx context.Context) error {
	list, err := r.rendered(ctx)
	if err != nil {
		return err
	}
	if r.config.CheckImages != nil && !*r.config.CheckImages {
		return nil
	}
	keys, err := r.keychain(ctx, list)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, imageTimeout)
	defer cancel()
	users := map[string][]string{} // image: who runs it
	for _, o := range list {
		for _, c := range containers(o) {
			users[c.image] = append(users[c.image], fmt.Sprintf("container %s of %s", c.name, c.object))
		}
	}
	images := sortedKeys(users)
	missing := make([]string, len(images))
	var g errgroup.Group
	g.SetLimit(8)
	for i, image := range images {
		g.Go(func() error {
			if err := r.imageExists(ctx, image, keys); err != nil {
				missing[i] = fmt.Sprintf("image %s (%s): %v", image, strings.Join(users[image], ", "), err)
			}
			return nil
		})
	}
	_ = g.Wait() // they report in missing
	missing = slices.DeleteFunc(missing, func(s string) bool { return s == "" })
	if len(missing) > 0 {
		return errors.New(strings.Join(missing, "\n"))
	}
	return nil
}

// imageExists asks the image's registry for it, without getting it.
func (r *run) imageExists(ctx context.Context, image string, keys authn.Keychain) error {
	ref, err := name.ParseReference(image)
	if err != nil {
		return errors.New("this is no name of an image")
	}
	host := ref.Context().RegistryStr()
	cfg, _ := r.config.registry(host)
	if cfg.Insecure {
		if ref, err = name.ParseReference(image, name.Insecure); err != nil {
			return err
		}
	}
	options := []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(keys), remote.WithTransport(newTransport(cfg.Insecure))}
	if _, err = remote.Head(ref, options...); err == nil {
		return nil
	}
	if _, err = remote.Get(ref, options...); err == nil { // registries without HEAD, and errors with a text
		return nil
	}
	var refused *transport.Error
	switch {
	case errors.As(err, &refused) && refused.StatusCode == http.StatusNotFound:
		return fmt.Errorf("registry %s does not have it", host)
	case errors.As(err, &refused) && (refused.StatusCode == http.StatusUnauthorized || refused.StatusCode == http.StatusForbidden):
		return fmt.Errorf("registry %s does not let us see it, or does not have it: its credentials belong into registries in %s, "+
			"or into an imagePullSecret of the chart", host, ConfigFile)
	case ctx.Err() != nil:
		return fmt.Errorf("registry %s did not answer in time", host)
	}
	return fmt.Errorf("registry %s: %w", host, err)
}

// keychain knows the credentials of registries: those of helm.yaml, of the imagePullSecrets that the objects name, and of docker's login.
func (r *run) keychain(ctx context.Context, list []unstructured.Unstructured) (authn.Keychain, error) {
	own := keys{}
	for _, c := range r.config.Registries {
		if c.Username != "" {
			own[c.Host] = authn.AuthConfig{Username: c.Username, Password: c.Password}
		}
	}
	pull := keys{}
	for _, secret := range pullSecrets(list) {
		got, err := r.connected.client.CoreV1().Secrets(r.args.Namespace).Get(ctx, secret, metav1.GetOptions{})
		if ignoreNotFound(err) != nil {
			return nil, err
		}
		var docker struct {
			Auths map[string]authn.AuthConfig `json:"auths"`
		}
		if err == nil && json.Unmarshal(got.Data[".dockerconfigjson"], &docker) == nil {
			for host, auth := range docker.Auths {
				pull[registryHost(host)] = auth
			}
		}
	}
	return authn.NewMultiKeychain(own, pull, authn.DefaultKeychain), nil
}

// keys are credentials by registry.
type keys map[string]authn.AuthConfig

// Resolve implements authn.Keychain.
func (k keys) Resolve(r authn.Resource) (authn.Authenticator, error) {
	if auth, ok := k[r.RegistryStr()]; ok {
		return authn.FromConfig(auth), nil
	}
	return authn.Anonymous, nil
}

// registryHost reads the many ways in which docker's configuration names a registry.
func registryHost(s string) string {
	s = strings.TrimPrefix(strings.TrimPrefix(s, "https://"), "http://")
	s, _, _ = strings.Cut(s, "/")
	if s == "docker.io" || s == "registry-1.docker.io" {
		return name.DefaultRegistry
	}
	return s
}

// pullSecrets lists the imagePullSecrets of all objects.
func pullSecrets(list []unstructured.Unstructured) []string {
	found := map[string]bool{}
	for _, o := range list {
		walk(o.Object, func(m map[string]any) {
			for _, s := range items(m, "imagePullSecrets") {
				if name, _ := s["name"].(string); name != "" {
					found[name] = true
				}
			}
		})
	}
	return sortedKeys(found)
}
