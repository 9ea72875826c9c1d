package bundle

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// ConfigFile is the bundle's configuration, in its folder.
const ConfigFile = "helm.yaml"

// Config is helm.yaml. Paths in it are relative to the bundle's folder.
type Config struct {
	Chart       ChartConfig      `json:"chart"`
	Values      map[string]any   `json:"values"`      // the default application configuration
	HostKey     string           `json:"hostKey"`     // the chart's key for the host, set to NAME.BASE-DOMAIN unless the user sets it
	RouteScheme string           `json:"routeScheme"` // of links made of HTTPRoutes, which do not say: https (default) or http
	Kubeconfig  string           `json:"kubeconfig"`  // else as kubectl finds it, or the pod's service account
	Context     string           `json:"context"`
	Registries  []RegistryConfig `json:"registries"`
	CheckImages *bool            `json:"checkImages"` // whether config_check looks for the images; default true
	SkipCRDs    bool             `json:"skipCRDs"`    // do not install the chart's crds folder, which needs rights in the whole cluster
	HookTimeout metav1.Duration  `json:"hookTimeout"` // how long a chart's hook may take; default 5m

	dir     string
	hostSet bool // somebody named the host key, so it is set even if the chart does not know it
}

// ChartConfig says where the chart is from, unless the deployment's configuration does.
type ChartConfig struct {
	Repository   string `json:"repository"`
	Name         string `json:"name"`
	Version      string `json:"version"`
	Username     string `json:"username"`
	Password     string `json:"password"`
	PasswordFile string `json:"passwordFile"`

	local bool // the operator chose it: it may be a folder anywhere
}

// RegistryConfig says how to talk to a registry, of images or of charts.
type RegistryConfig struct {
	Host         string `json:"host"` // with its port, if it is not the usual one
	Username     string `json:"username"`
	Password     string `json:"password"`
	PasswordFile string `json:"passwordFile"`
	Insecure     bool   `json:"insecure"` // HTTP, or a certificate that nobody vouches for
}

// defaultHostKey is the original's; it is used if the chart has such a key.
const defaultHostKey = "ingress.hostname"

// loadConfig reads helm.yaml of the bundle's folder, or the file that ATOLL_KUBE_CONFIG names, and puts the variables of the original's
// scripts over it: DEFAULTS, HELM_USER, HELM_PASS and INGRESS_HOST_KEY.
func loadConfig(dir string) (*Config, error) {
	c := &Config{dir: dir}
	file := filepath.Join(dir, ConfigFile)
	named := os.Getenv("ATOLL_KUBE_CONFIG")
	if named != "" {
		file = named
	}
	body, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && named == "":
	case err != nil:
		return nil, err
	default:
		if err := yaml.UnmarshalStrict(body, c); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	c.Chart.local = true
	if err := c.readEnvironment(); err != nil {
		return nil, err
	}
	if err := c.readPasswords(); err != nil {
		return nil, err
	}
	c.hostSet = c.HostKey != ""
	if !c.hostSet {
		c.HostKey = defaultHostKey
	}
	if c.RouteScheme == "" {
		c.RouteScheme = "https"
	}
	if c.HookTimeout.Duration == 0 {
		c.HookTimeout.Duration = 5 * time.Minute
	}
	return c, nil
}

func (c *Config) readEnvironment() error {
	if text := os.Getenv("DEFAULTS"); text != "" {
		var d struct {
			URL       string   `json:"chart_repo_url"`
			Version   string   `json:"chart_version"`
			Name      string   `json:"chart_name"`
			Overrides []string `json:"default_overrides"`
		}
		if err := json.Unmarshal([]byte(text), &d); err != nil {
			return fmt.Errorf("variable DEFAULTS: %w", err)
		}
		c.Chart.Repository, c.Chart.Version, c.Chart.Name = d.URL, d.Version, d.Name
		var pairs Pairs
		for _, o := range d.Overrides {
			key, value, ok := strings.Cut(o, "=")
			if !ok {
				return fmt.Errorf("variable DEFAULTS: default_overrides: %q is not KEY=VALUE", o)
			}
			pairs.add(key, value)
		}
		var err error
		if c.Values, err = values(pairs, shape{}); err != nil {
			return fmt.Errorf("variable DEFAULTS: %w", err)
		}
	}
	for name, field := range map[string]*string{
		"HELM_USER": &c.Chart.Username, "HELM_PASS": &c.Chart.Password, "INGRESS_HOST_KEY": &c.HostKey,
	} {
		if v := os.Getenv(name); v != "" {
			*field = v
		}
	}
	return nil
}

func (c *Config) readPasswords() error {
	read := func(file string, into *string) error {
		if file == "" {
			return nil
		}
		body, err := os.ReadFile(c.path(file))
		*into = strings.TrimRight(string(body), "\r\n")
		return err
	}
	if err := read(c.Chart.PasswordFile, &c.Chart.Password); err != nil {
		return fmt.Errorf("chart.passwordFile: %w", err)
	}
	for i := range c.Registries {
		c.Registries[i].Host = registryHost(c.Registries[i].Host)
		if err := read(c.Registries[i].PasswordFile, &c.Registries[i].Password); err != nil {
			return fmt.Errorf("registries: passwordFile of %s: %w", c.Registries[i].Host, err)
		}
	}
	return nil
}

func (c *Config) path(p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(c.dir, p)
}

func (c *Config) registry(host string) (RegistryConfig, bool) {
	for _, r := range c.Registries {
		if r.Host == host {
			return r, true
		}
	}
	return RegistryConfig{}, false
}

// The keys of a deployment's configuration, as the original has them.
const (
	keyName    = "chart_name"
	keyPass    = "chart_repo_pass"
	keyURL     = "chart_repo_url"
	keyUser    = "chart_repo_user"
	keyVersion = "chart_version"
)

// chartFor returns where the chart of a deployment is from: its own configuration over the bundle's. A place that a deployment names gets
// no credentials of the bundle.
func (c *Config) chartFor(deployment Pairs) (ChartConfig, error) {
	chart := c.Chart
	for _, p := range deployment {
		switch p.Key {
		case keyURL:
			if p.Value != c.Chart.Repository {
				chart.Repository, chart.local = p.Value, false
				chart.Username, chart.Password = "", ""
			}
		case keyName:
			chart.Name = p.Value
		case keyVersion:
			chart.Version = p.Value
		case keyUser, keyPass:
		default:
			return chart, fmt.Errorf("deployment configuration: unknown key %s; known are %s",
				p.Key, strings.Join(deploymentKeys(), ", "))
		}
	}
	if v, ok := deployment.get(keyUser); ok {
		chart.Username = v
	}
	if v, ok := deployment.get(keyPass); ok {
		chart.Password = v
	}
	if chart.Repository == "" {
		return chart, fmt.Errorf("no chart: set %s in the deployment's configuration, or chart.repository in %s", keyURL, ConfigFile)
	}
	return chart, nil
}

func deploymentKeys() []string { return []string{keyName, keyPass, keyURL, keyUser, keyVersion} }
