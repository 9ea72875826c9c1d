package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"atoll/internal/cloud"
	"atoll/internal/control"
	"atoll/internal/store"
)

func upCommand() *cobra.Command {
	var cfg serverConfig
	node := nodeConfig{name: hostname()}
	var sims int
	var noMachines bool
	var demo demoConfig
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run controller and agent on this machine",
		Long:  "Run controller, agent and if wanted simulated nodes on this machine, in one process.\nThe first start makes the admin, whose token is in DIR/admin.token.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cfg.complete(); err != nil {
				return err
			}
			if err := demo.check(&cfg, sims); err != nil {
				return err
			}
			node.machines = !noMachines && !demo.wanted
			node.public = cmp.Or(node.public, hostOf(cfg.Listen))
			return up(cmd.Context(), cfg, sims, node, demo, newLog(cmd))
		},
	}
	f := cmd.Flags()
	f.StringVar(&cfg.Data, "data", "./atoll-data", "folder of the data")
	f.StringVar(&cfg.Listen, "listen", "127.0.0.1:8080", "address for people")
	f.StringVar(&cfg.AgentListen, "agent-listen", "127.0.0.1:8443", "address for agents")
	f.StringVar(&cfg.Database, "database", "", "postgres://… instead of SQLite in the data folder")
	f.StringVar(&cfg.TLS.Mode, "tls", "off", "how people's listener is protected: off (on 127.0.0.1 only) or self-signed")
	f.StringSliceVar(&cfg.ImageURLAllow, "image-url-allow", nil, "let images be fetched from, and webhooks send to, a network `CIDR` that is not public; repeatable")
	f.StringVar(&node.deployments, "deployments-listen", "127.0.0.1"+defaultDeployments, "address at which deployments of the bundle builtin:process are reached, taken while there are any")
	f.StringVar(&node.public, "public-address", "", "address or host name at which the public ports of this node are reached (default: the host of --listen; of all addresses, that of the default route)")
	f.IntVar(&sims, "sim", 0, "number of simulated nodes")
	f.BoolVar(&noMachines, "no-machines", false, "the real agent offers no compute and no network role")
	demo.flags(f)
	f.Bool("debug", false, "log more")
	return cmd
}

func up(ctx context.Context, cfg serverConfig, sims int, node nodeConfig, demo demoConfig, log *slog.Logger) error {
	c, err := newController(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer c.close()
	token, _, err := c.control.CreateJoinToken(ctx, control.System("atoll up"), control.NewJoinToken{Uses: int64(sims) + 1, TTL: time.Hour})
	if err != nil {
		return err
	}
	// Whoever waits for /readyz finds the real node: without it, the first machine
	// would go to a simulated one.
	joined := make(chan struct{})
	c.ready = func() error {
		select {
		case <-joined:
			return nil
		default:
			return errors.New("the agent of this machine is not online yet")
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return c.run(ctx) })
	g.Go(func() error { defer close(joined); return c.awaitNode(ctx) })
	g.Go(func() error {
		node.servers, node.data, node.token = []string{c.agentURL()}, filepath.Join(cfg.Data, "agent"), token
		return runAgent(ctx, node, log.With("node", node.name))
	})
	if sims > 0 {
		g.Go(func() error {
			<-joined
			return runSim(ctx, simConfig{servers: []string{c.agentURL()}, token: token, nodes: sims, seed: 1, speed: 1, prefix: "sim-"}, quiet(log))
		})
	}
	if demo.wanted {
		g.Go(func() error {
			<-joined
			return demo.fill(ctx, c, sims, log)
		})
	}
	return g.Wait()
}

// awaitNode returns when a real node is online, or ctx ends.
func (c *controller) awaitNode(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		nodes, _, err := c.control.Nodes(ctx, control.System("atoll up"), store.Query{Limit: store.MaxLimit})
		online := func(n cloud.Node) bool { return !n.Simulated && n.State == cloud.NodeOnline }
		if err == nil && slices.ContainsFunc(nodes, online) || ctx.Err() != nil {
			return nil
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// hostOf returns the host of an address to listen on, "" if it is any of this host's.
func hostOf(listen string) string {
	host, _, err := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); err != nil || ip != nil && ip.IsUnspecified() {
		return ""
	}
	return host
}

// quiet keeps a hundred simulated nodes from telling each of their steps.
func quiet(log *slog.Logger) *slog.Logger {
	if log.Enabled(context.Background(), slog.LevelDebug) {
		return log
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// hostname is the host's name as a node's, or "node-1" if it does not fit.
func hostname() string {
	name, err := os.Hostname()
	name = strings.ToLower(name)
	if err != nil || cloud.ValidateName(cloud.KindNode, name) != nil {
		return "node-1"
	}
	return name
}
