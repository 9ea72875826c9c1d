package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"atoll/internal/blob"
	"atoll/internal/cloud"
	"atoll/internal/control"
	"atoll/internal/oidc"
	"atoll/internal/pki"
	"atoll/internal/store"
	"atoll/internal/wire"
)

// controller is one running controller.
type controller struct {
	cfg     serverConfig
	log     *slog.Logger
	db      *store.DB
	blobs   *blob.Store
	control *control.Control
	signIn  []*oidc.Provider
	people  net.Listener
	agents  net.Listener
	serving *pki.Serving // nil: people's listener speaks plain HTTP
	ready   func() error // what /readyz asks beside the store; nil for nothing
}

// newController opens everything that a controller needs, in the order in which
// errors help most: folders and addresses before databases.
func newController(ctx context.Context, cfg serverConfig, log *slog.Logger) (*controller, error) {
	c := &controller{cfg: cfg, log: log}
	if err := c.open(ctx); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *controller) open(ctx context.Context) (err error) {
	cfg, log := c.cfg, c.log
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	if c.people, err = net.Listen("tcp", cfg.Listen); err != nil {
		return fmt.Errorf("listen for people (--listen): %w", err)
	}
	if c.agents, err = wire.Listener().Listen(ctx, "tcp", cfg.AgentListen); err != nil {
		return fmt.Errorf("listen for agents (--agent-listen): %w", err)
	}
	if c.db, err = store.Open(ctx, cfg.Database, log); err != nil {
		return err
	}
	keys, err := control.OpenKeys(ctx, c.db, cfg.KeyFile)
	if err != nil {
		return err
	}
	if c.blobs, err = blob.Open(ctx, cfg.Blobs); err != nil {
		return err
	}
	rules, providers, err := cfg.signIn()
	if err != nil {
		return err
	}
	c.signIn = providers
	c.control, err = control.New(ctx, control.Config{
		SignIn: rules,
		DB:     c.db, Blobs: c.blobs, Keys: keys, Passwords: pki.NewPasswords(2), Log: log,
		PublicURL: cmp.Or(cfg.PublicURL, c.url()), Advertise: cmp.Or(cfg.Advertise, c.advertised()), ImageURLAllow: cfg.imageSources, SharedBlobs: cfg.SharedBlobs,
		Retention: cfg.Retention.control(),
		Lease:     cfg.Lease, NodeOffline: cfg.NodeOffline,
	})
	if err != nil {
		return err
	}
	if err := c.bootstrap(ctx); err != nil {
		return err
	}
	c.serving, err = cfg.TLS.serving(c.control, cfg, log)
	return err
}

// bootstrap makes what the first start makes and leaves the admin's token in a
// file that only its owner can read.
func (c *controller) bootstrap(ctx context.Context) error {
	_, err := c.control.Bootstrap(ctx, c.keepToken)
	return err
}

// keepToken returns when the token is safe on the disk.
func (c *controller) keepToken(token string) error {
	f, err := os.OpenFile(filepath.Join(c.cfg.Data, "admin.token"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(token + "\n")
	return errors.Join(err, f.Sync(), f.Close())
}

func (c *controller) url() string {
	scheme := "http"
	if c.cfg.TLS.Mode != "" && c.cfg.TLS.Mode != "off" {
		scheme = "https"
	}
	return scheme + "://" + c.people.Addr().String()
}

// agentURL is where an agent on this host reaches the controller.
func (c *controller) agentURL() string {
	addr := c.agents.Addr().(*net.TCPAddr)
	if addr.IP.IsUnspecified() {
		return fmt.Sprintf("https://127.0.0.1:%d", addr.Port)
	}
	return "https://" + addr.String()
}

// advertised is where other controllers reach the agents' listener unless the
// configuration says it: its address, or this host's name if it has all addresses.
func (c *controller) advertised() string {
	addr := c.agents.Addr().(*net.TCPAddr)
	if name, err := os.Hostname(); addr.IP.IsUnspecified() && err == nil {
		return net.JoinHostPort(name, strconv.Itoa(addr.Port))
	}
	return addr.String()
}

// agentHosts are the names under which agents reach the listener.
func (c *controller) agentHosts() []string {
	hosts := []string{"localhost", "127.0.0.1"}
	if name, err := os.Hostname(); err == nil && cloud.ValidateName(cloud.KindNode, name) == nil {
		hosts = append(hosts, name)
	}
	if host, _, err := net.SplitHostPort(c.cfg.AgentListen); err == nil && host != "" && host != "127.0.0.1" {
		if ip := net.ParseIP(host); ip == nil || !ip.IsUnspecified() {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

func (c *controller) close() {
	for _, l := range []net.Listener{c.people, c.agents} {
		if l != nil {
			l.Close()
		}
	}
	if c.control != nil {
		c.control.Settle()
	}
	if c.blobs != nil {
		c.blobs.Close()
	}
	if c.db != nil {
		c.db.Close()
	}
}
