package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"go.yaml.in/yaml/v4"

	"atoll/internal/cloud"
	"atoll/internal/control"
	"atoll/internal/op"
	"atoll/internal/pki"
)

// serverConfig is the file of `atoll server --config`; `atoll up` fills it from
// its flags. deploy/server.yaml explains each key.
type serverConfig struct {
	Listen         string        `yaml:"listen"`
	AgentListen    string        `yaml:"agent-listen"`
	Advertise      string        `yaml:"advertise"`
	DrainTime      time.Duration `yaml:"drain-time"`
	Data           string        `yaml:"data"`
	KeyFile        string        `yaml:"key-file"`
	Database       string        `yaml:"database"`
	Blobs          string        `yaml:"blobs"`
	SharedBlobs    bool          `yaml:"blobs-shared"`
	PublicURL      string        `yaml:"public-url"`
	TrustedProxies []string      `yaml:"trusted-proxies"`
	ImageURLAllow  []string      `yaml:"image-url-allow"`
	Lease          time.Duration `yaml:"lease"`
	NodeOffline    time.Duration `yaml:"node-offline"`
	TLS            tlsConfig     `yaml:"tls"`

	SignIn    []signInConfig  `yaml:"sign-in"`
	Retention retentionConfig `yaml:"retention"`

	imageSources []netip.Prefix // ImageURLAllow
	proxies      []netip.Prefix // TrustedProxies
}

// tlsConfig is how people's listener gets its certificate.
type tlsConfig struct {
	Mode       string   `yaml:"mode"` // off, self-signed, file or acme
	Cert       string   `yaml:"cert"`
	Key        string   `yaml:"key"`
	Hosts      []string `yaml:"hosts"`
	Email      string   `yaml:"email"`
	Directory  string   `yaml:"directory"`
	RootCAFile string   `yaml:"root-ca-file"`
}

func readConfig(file string) (serverConfig, error) {
	var cfg serverConfig
	b, err := os.ReadFile(file)
	if err != nil {
		return cfg, err
	}
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&cfg); err != nil && !errors.Is(err, io.EOF) {
		return cfg, fmt.Errorf("%s: %w", file, err)
	}
	return cfg, cfg.complete()
}

// complete sets what was left out and makes paths absolute.
func (c *serverConfig) complete() (err error) {
	if c.Data == "" {
		return cloud.FieldErrorf("data", "is required: the folder of the database, blobs and keys")
	}
	if c.Data, err = filepath.Abs(c.Data); err != nil {
		return err
	}
	if c.Listen == "" {
		c.Listen = "127.0.0.1:8080"
	}
	if c.AgentListen == "" {
		c.AgentListen = "127.0.0.1:8443"
	}
	if c.KeyFile == "" {
		c.KeyFile = filepath.Join(c.Data, "master.key")
	}
	if c.Database == "" {
		c.Database = "sqlite:" + filepath.Join(c.Data, "atoll.db")
	}
	if c.Blobs == "" {
		c.Blobs = "file://" + filepath.Join(c.Data, "blobs")
	}
	if c.TLS.Mode == "" {
		c.TLS.Mode = "off"
	}
	if c.imageSources, err = networks("image-url-allow", c.ImageURLAllow); err != nil {
		return err
	}
	if c.proxies, err = networks("trusted-proxies", c.TrustedProxies); err != nil {
		return err
	}
	if c.Lease = cmp.Or(c.Lease, op.DefaultLease); c.Lease < time.Second {
		return cloud.FieldErrorf("lease", "must be at least 1s, not %s", c.Lease)
	}
	if c.NodeOffline = cmp.Or(c.NodeOffline, cloud.NodeOfflineAfter); c.NodeOffline < time.Second {
		return cloud.FieldErrorf("node-offline", "must be at least 1s, not %s", c.NodeOffline)
	}
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return cloud.FieldErrorf("listen", "%q is no address such as 127.0.0.1:8080", c.Listen)
	}
	if c.Advertise != "" {
		if _, _, err := net.SplitHostPort(c.Advertise); err != nil {
			return cloud.FieldErrorf("advertise", "%q is no address such as ctrl-01:8443", c.Advertise)
		}
	}
	if ip := net.ParseIP(host); c.TLS.Mode == "off" && (ip == nil || !ip.IsLoopback()) && host != "localhost" {
		return cloud.FieldErrorf("tls.mode", "must be self-signed, file or acme: without TLS the controller listens on 127.0.0.1 only, not on %q", c.Listen)
	}
	return nil
}

// networks reads a list of networks, or addresses of single hosts.
func networks(field string, texts []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if at, single := netip.ParseAddr(text); err != nil && single == nil {
			p, err = at.Prefix(at.BitLen())
		}
		if err != nil {
			return nil, cloud.FieldErrorf(field, "%q is no network such as 10.0.0.0/8", text)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// serving returns the certificate source, nil without TLS.
func (t tlsConfig) serving(c *control.Control, cfg serverConfig, log *slog.Logger) (*pki.Serving, error) {
	switch t.Mode {
	case "off":
		return nil, nil
	case "file":
		return pki.ServeFiles(t.Cert, t.Key, log)
	case "self-signed":
		hosts := t.Hosts
		if len(hosts) == 0 {
			hosts = []string{"localhost", "127.0.0.1"}
			if name, err := os.Hostname(); err == nil {
				hosts = append(hosts, name)
			}
		}
		return pki.ServeSelfSigned(pki.SelfSigned{CA: c.CA(), Dir: filepath.Join(cfg.Data, "tls"), Hosts: hosts}, log)
	case "acme":
		return pki.ServeACME(pki.ACME{
			DirectoryURL: t.Directory, Hosts: t.Hosts, Email: t.Email, RootCAFile: t.RootCAFile,
			Cache: autocertDir(filepath.Join(cfg.Data, "acme")),
		})
	}
	return nil, cloud.FieldErrorf("tls.mode", "%q is none of off, self-signed, file and acme", t.Mode)
}
