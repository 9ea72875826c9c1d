package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"atoll/internal/blob"
	"atoll/internal/cloud"
	"atoll/internal/control"
	"atoll/internal/exchange"
	"atoll/internal/pki"
	"atoll/internal/rest"
	"atoll/internal/store"
)

// controller is one running controller.
type controller struct {
	cfg     serverConfig
	log     *slog.Logger
	db      *store.DB
	blobs   *blob.Store
	control *control.Control
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
	if c.agents, err = net.Listen("tcp", cfg.AgentListen); err != nil {
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
	c.control, err = control.New(ctx, control.Config{
		DB: c.db, Blobs: c.blobs, Keys: keys, Passwords: pki.NewPasswords(2), Log: log,
		PublicURL: cmp.Or(cfg.PublicURL, c.url()), ImageURLAllow: cfg.imageSources, SharedBlobs: cfg.SharedBlobs,
		Retention: cfg.Retention.control(cfg.JobDays),
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

// run serves until ctx ends.
func (c *controller) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	ex, err := exchange.New(ctx, c.control, c.agentHosts(), c.log)
	if err != nil {
		return err
	}
	handler, err := rest.New(c.control, rest.Config{Log: c.log, PublicURL: c.cfg.PublicURL, Version: version, Ready: c.ready})
	if err != nil {
		return err
	}
	api := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 15 * time.Second, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(c.log.Handler(), slog.LevelDebug),
	}
	g.Go(func() error { return c.control.Run(ctx) })
	g.Go(func() error { return ex.Serve(c.agents) })
	g.Go(func() error { return c.servePeople(api) })
	g.Go(func() error {
		<-ctx.Done()
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := api.Shutdown(end); err != nil { // streams that stay open are cut
			return api.Close()
		}
		return nil
	})
	c.log.Info("controller ready", "people", c.url(), "agents", c.agentURL())
	return g.Wait()
}

func (c *controller) servePeople(api *http.Server) (err error) {
	if c.serving == nil {
		err = api.Serve(c.people)
	} else {
		api.TLSConfig = c.serving.TLSConfig()
		err = api.ServeTLS(c.people, "", "")
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
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
