package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"atoll/internal/agent"
	"atoll/internal/cloud"
	"atoll/internal/sal/sim"
)

// simConfig is a fleet of simulated nodes.
type simConfig struct {
	servers   []string
	token     string
	nodes     int
	seed      uint64
	faultRate float64
	prefix    string
}

func simCommand() *cobra.Command {
	var cfg simConfig
	var tokenFile string
	cmd := &cobra.Command{
		Use:   "sim --server URL --token-file F --nodes N",
		Short: "Join simulated nodes to a controller",
		Long:  "Join simulated nodes to a controller: they behave like nodes and execute nothing on\nthis host. docs/simulated-nodes.md says what they can do.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if cfg.token, err = requireToken(tokenFile); err != nil {
				return err
			}
			return runSim(cmd.Context(), cfg, newLog(cmd))
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&cfg.servers, "server", nil, "URL of a controller's agent listener, https://HOST:8443 (several: one of them for each node, and the next when it fails)")
	f.StringVar(&tokenFile, "token-file", "", "file with the token of 'atoll node token create'")
	f.IntVar(&cfg.nodes, "nodes", 10, "how many nodes")
	f.Uint64Var(&cfg.seed, "seed", 1, "what the nodes are and which faults they have follows from it")
	f.Float64Var(&cfg.faultRate, "fault-rate", 0, "share of calls that go wrong, 0 to 1")
	f.StringVar(&cfg.prefix, "prefix", "sim-", "beginning of the nodes' names")
	f.Bool("debug", false, "log more")
	return cmd
}

// harness does to the agents what happens to their simulated nodes.
type harness struct{ fleet *agent.Fleet }

func (h *harness) Crashed(n *sim.Node, o sim.Outage) { h.fleet.Crash(n.Name(), o.Away) }
func (h *harness) Lost(n *sim.Node, o sim.Outage)    { h.fleet.Lose(n.Name(), o.Away) }

func runSim(ctx context.Context, cfg simConfig, log *slog.Logger) error {
	if cfg.nodes < 1 || cfg.nodes > 20000 {
		return cloud.FieldErrorf("nodes", "must be 1 to 20000, not %d", cfg.nodes)
	}
	h := &harness{}
	nodes, err := sim.NewFleet(sim.Config{Seed: cfg.seed, Profile: sim.Typical(), Faults: sim.Faults{Rate: cfg.faultRate}, Harness: h})
	if err != nil {
		return err
	}
	configs := make([]agent.Config, cfg.nodes)
	for i := range configs {
		name := fmt.Sprintf("%s%d", cfg.prefix, i+1)
		configs[i] = agent.Config{
			Servers: shuffled(cfg.servers), Name: name, Node: nodes.Node(name).SAL(), Roles: cloud.Roles, Version: version, Log: log.With("node", name),
		}
	}
	if h.fleet, err = agent.NewFleet(log, cfg.token, configs); err != nil {
		return err
	}
	return h.fleet.Run(ctx)
}
