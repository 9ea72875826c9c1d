package bundle

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/cli"
	"helm.sh/helm/v4/pkg/downloader"
	"helm.sh/helm/v4/pkg/getter"
	"helm.sh/helm/v4/pkg/registry"
	"helm.sh/helm/v4/pkg/repo/v1"
)

// fetchTimeout bounds how long a chart, its dependencies included, may take to arrive.
const fetchTimeout = 60 * time.Second

// chart fetches the deployment's chart.
func (r *run) chart(ctx context.Context) (*chart.Chart, error) {
	src, err := r.config.chartFor(r.args.Deployment)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	type result struct {
		chart *chart.Chart
		err   error
	}
	done := make(chan result, 1)
	go func() { // Helm's downloads take no context; one that hangs ends with the process
		c, err := r.fetch(ctx, src)
		done <- result{c, err}
	}()
	select {
	case res := <-done:
		if res.err != nil {
			return nil, fmt.Errorf("chart %s: %w", src, res.err)
		}
		return res.chart, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("chart %s: it did not arrive within %s", src, fetchTimeout)
	}
}

// String names a chart's place for people, without credentials.
func (c ChartConfig) String() string {
	place := c.Repository
	if u, err := url.Parse(place); err == nil {
		place = u.Redacted()
	}
	name := strings.TrimSpace(c.Name + " " + c.Version)
	if name == "" {
		return place
	}
	return name + " of " + place
}

func (r *run) fetch(ctx context.Context, src ChartConfig) (*chart.Chart, error) {
	switch {
	case isGit(src.Repository):
		return r.fetchGit(ctx, src)
	case registry.IsOCI(src.Repository):
		return r.fetchOCI(src)
	case strings.HasPrefix(src.Repository, "http://"), strings.HasPrefix(src.Repository, "https://"):
		return r.fetchRepository(src)
	case strings.Contains(src.Repository, "://"):
		return nil, errors.New("this is no address of charts: use https://, oci://, git+https://, git+ssh:// or a folder")
	}
	return r.fetchFolder(src)
}

// fetchFolder loads a chart of the machine. Users may name what is in the bundle's folder, the operator anything.
func (r *run) fetchFolder(src ChartConfig) (*chart.Chart, error) {
	folder := filepath.Join(r.config.path(src.Repository), src.Name)
	if !src.local {
		inside, err := filepath.Rel(r.config.dir, folder)
		if err != nil || !filepath.IsLocal(inside) {
			return nil, fmt.Errorf("a deployment can only name a chart in the bundle's folder; others stand in %s", ConfigFile)
		}
	}
	return r.load(folder, src)
}

// load reads a chart's folder and, where it names dependencies that are not in it, gets those, in a copy.
func (r *run) load(folder string, src ChartConfig) (*chart.Chart, error) {
	c, err := loader.Load(folder)
	if err != nil || len(c.Dependencies()) >= len(c.Metadata.Dependencies) {
		return c, err
	}
	client, err := r.registryClient(src)
	if err != nil {
		return nil, err
	}
	tmp, err := os.MkdirTemp("", "atoll-kube-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	if err := os.CopyFS(tmp, os.DirFS(folder)); err != nil {
		return nil, err
	}
	settings := cli.New()
	m := downloader.Manager{
		Out: io.Discard, ChartPath: tmp, Getters: getters(false), RegistryClient: client, RepositoryConfig: settings.RepositoryConfig,
		RepositoryCache: settings.RepositoryCache, ContentCache: settings.ContentCache,
	}
	if err := m.Build(); err != nil {
		return nil, fmt.Errorf("its dependencies: %w", err)
	}
	return loader.Load(tmp)
}

// getters is how Helm gets files, with limits that its own have not.
func getters(insecure bool) getter.Providers {
	return getter.Getters(getter.WithTransport(newTransport(insecure)), getter.WithTimeout(fetchTimeout))
}

func (r *run) fetchRepository(src ChartConfig) (*chart.Chart, error) {
	if src.Name == "" {
		return nil, fmt.Errorf("which of the repository's charts? set %s", keyName)
	}
	u, err := url.Parse(src.Repository)
	if err != nil {
		return nil, errors.New("the repository's address is not valid")
	}
	cfg, _ := r.config.registry(u.Host)
	at, err := repo.FindChartInRepoURL(src.Repository, src.Name, getters(cfg.Insecure), repo.WithChartVersion(src.Version),
		repo.WithUsernamePassword(src.Username, src.Password))
	if err != nil {
		return nil, err
	}
	var options []getter.Option
	if to, err := url.Parse(at); err == nil && to.Scheme == u.Scheme && to.Host == u.Host { // elsewhere the password is nobody's business
		options = append(options, getter.WithBasicAuth(src.Username, src.Password))
	}
	return r.download(at, src.Version, nil, getters(cfg.Insecure), options)
}

func (r *run) fetchOCI(src ChartConfig) (*chart.Chart, error) {
	client, err := r.registryClient(src)
	if err != nil {
		return nil, err
	}
	ref := strings.TrimSuffix(src.Repository, "/")
	if src.Name != "" && !strings.HasSuffix(ref, "/"+src.Name) {
		ref += "/" + src.Name
	}
	return r.download(ref, src.Version, client, getters(false), []getter.Option{getter.WithRegistryClient(client)})
}

// download gets a chart's archive by way of Helm's cache.
func (r *run) download(ref, version string, client *registry.Client, by getter.Providers, options []getter.Option) (*chart.Chart, error) {
	settings := cli.New()
	if err := os.MkdirAll(settings.RepositoryCache, 0o700); err != nil {
		return nil, err
	}
	d := downloader.ChartDownloader{
		Out: io.Discard, Getters: by, Options: options, RegistryClient: client, RepositoryConfig: settings.RepositoryConfig,
		RepositoryCache: settings.RepositoryCache, ContentCache: settings.ContentCache,
	}
	file, _, err := d.DownloadToCache(ref, version)
	if err != nil {
		return nil, err
	}
	return loader.Load(file)
}

// registryClient returns a client for charts in a registry, with the deployment's credentials or the bundle's; else those that helm or
// docker keep for the user.
func (r *run) registryClient(src ChartConfig) (*registry.Client, error) {
	u, err := url.Parse(src.Repository)
	if err != nil {
		return nil, errors.New("the registry's address is not valid")
	}
	cfg, known := r.config.registry(u.Host)
	options := []registry.ClientOption{
		registry.ClientOptEnableCache(true), registry.ClientOptHTTPClient(&http.Client{Transport: newTransport(cfg.Insecure)}),
	}
	switch {
	case src.Username != "":
		options = append(options, registry.ClientOptBasicAuth(src.Username, src.Password))
	case known && cfg.Username != "":
		options = append(options, registry.ClientOptBasicAuth(cfg.Username, cfg.Password))
	}
	if cfg.Insecure {
		options = append(options, registry.ClientOptPlainHTTP())
	}
	return registry.NewClient(options...)
}

// newTransport connects and gets its first answer in bounded time.
func newTransport(insecure bool) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DialContext = (&net.Dialer{Timeout: 5 * time.Second}).DialContext
	t.DisableCompression = true // a chart is what it is, whatever a server calls it
	t.ResponseHeaderTimeout = 10 * time.Second
	if insecure {
		t.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} // the operator says so, by the registry's name
	}
	return t
}
