package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"

	"atoll/client"
	"atoll/internal/cloud"
	"atoll/internal/control"
	"atoll/internal/demo"
	"atoll/internal/store"
)

// demoConfig says whether a new installation is filled with demo data.
type demoConfig struct{ wanted, anyway bool }

func (d *demoConfig) flags(f *pflag.FlagSet) {
	f.BoolVar(&d.wanted, "demo-data", false, "fill a new installation with accounts, machines, deployments and runbooks on the simulated nodes; the real agent offers no machines then")
	f.BoolVar(&d.anyway, "demo-data-anyway", false, "with --demo-data: also fill an installation that is in use")
}

// minDemoNodes is how many simulated nodes the demo data needs.
const minDemoNodes = 5

func (d *demoConfig) check(cfg *serverConfig, sims int) error {
	switch {
	case !d.wanted:
		return nil
	case sims < minDemoNodes:
		return cloud.FieldErrorf("sim", "demo data needs at least %d simulated nodes: --sim 20", minDemoNodes)
	case cfg.TLS.Mode != "off":
		return cloud.FieldErrorf("tls", "demo data is for an installation on 127.0.0.1, with --tls off")
	}
	return nil
}

// fill waits for the simulated nodes and makes the data. That it failed ends the
// program, which has nothing else to do then.
func (d *demoConfig) fill(ctx context.Context, c *controller, sims int, log *slog.Logger) error {
	if err := c.awaitSims(ctx, sims); err != nil || ctx.Err() != nil {
		return err
	}
	token, err := os.ReadFile(filepath.Join(c.cfg.Data, "admin.token"))
	if err != nil {
		return err
	}
	api, err := client.New(client.Config{URL: c.url(), Token: string(token), UserAgent: "atoll-demo/" + version})
	if err != nil {
		return err
	}
	f := demo.Filler{Client: api, Log: log, Force: d.anyway}
	err = f.Fill(ctx)
	if ctx.Err() != nil {
		return nil
	}
	if err == nil {
		log.Info("demo data ready")
	}
	return err
}

// awaitSims returns when so many simulated nodes are online, or ctx ends.
func (c *controller) awaitSims(ctx context.Context, n int) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		nodes, _, err := c.control.Nodes(ctx, control.System("atoll up"), store.Query{Limit: store.MaxLimit, Filter: []string{"state=" + string(cloud.NodeOnline)}})
		if err != nil {
			return err
		}
		if len(nodes) > n { // with the real one
			return nil
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	return nil
}
