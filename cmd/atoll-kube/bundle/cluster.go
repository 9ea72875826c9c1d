package bundle

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/cli"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// cluster is the connection to the project's cluster.
type cluster struct {
	host, version string
	client        kubernetes.Interface
	dynamic       dynamic.Interface
	helm          *action.Configuration
}

// reachTimeout bounds how long a cluster may take to answer at all.
const reachTimeout = 10 * time.Second

// cluster connects once. It asks for the version first, so that a cluster that is away is told from one that refuses, within seconds.
func (r *run) cluster(ctx context.Context) (*cluster, error) {
	if r.connected != nil {
		return r.connected, nil
	}
	settings := cli.New()
	if r.config.Kubeconfig != "" {
		settings.KubeConfig = r.config.path(r.config.Kubeconfig)
	}
	if r.config.Context != "" {
		settings.KubeContext = r.config.Context
	}
	settings.SetNamespace(r.args.Namespace)
	config, err := settings.RESTClientGetter().ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("no cluster: %w; set kubeconfig in %s, or KUBECONFIG", err, ConfigFile)
	}
	k := &cluster{host: config.Host}
	if k.client, err = kubernetes.NewForConfig(config); err != nil {
		return nil, err
	}
	if k.dynamic, err = dynamic.NewForConfig(config); err != nil {
		return nil, err
	}
	if k.version, err = version(ctx, config); err != nil {
		return nil, fmt.Errorf("the cluster %s does not answer: %w", k.host, err)
	}
	k.helm = action.NewConfiguration(action.ConfigurationSetLogger(slog.DiscardHandler)) // what it says is in its errors too
	if err := k.helm.Init(settings.RESTClientGetter(), r.args.Namespace, os.Getenv("HELM_DRIVER")); err != nil {
		return nil, err
	}
	r.connected = k
	return k, nil
}

// version asks the API server who it is, with one try and in bounded time.
func version(ctx context.Context, config *rest.Config) (string, error) {
	quick := rest.CopyConfig(config)
	quick.Timeout = reachTimeout
	quick.Dial = (&net.Dialer{Timeout: reachTimeout / 2}).DialContext
	client, err := kubernetes.NewForConfig(quick)
	if err != nil {
		return "", err
	}
	body, err := client.RESTClient().Get().AbsPath("/version").Do(ctx).Raw()
	if err != nil {
		return "", err
	}
	var v struct {
		GitVersion string `json:"gitVersion"`
	}
	err = json.Unmarshal(body, &v)
	return v.GitVersion, err
}

// homeOfCaches gives Helm and client-go a place for their caches also where the user has no home that he may write to.
func homeOfCaches() error {
	base, err := os.UserCacheDir()
	if err == nil {
		err = os.MkdirAll(base, 0o700)
	}
	if err != nil {
		base = filepath.Join(os.TempDir(), fmt.Sprintf("atoll-kube-%d", os.Getuid()))
		if err := os.Mkdir(base, 0o700); err != nil && !ownFolder(base) {
			return fmt.Errorf("no place for caches: set XDG_CACHE_HOME: %w", err)
		}
	}
	for name, folder := range map[string]string{"HELM_CACHE_HOME": "helm", "KUBECACHEDIR": "kube"} {
		if os.Getenv(name) == "" {
			if err := os.Setenv(name, filepath.Join(base, "atoll-kube", folder)); err != nil {
				return err
			}
		}
	}
	return nil
}
