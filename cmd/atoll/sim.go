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
	speed     float64
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
	f.Float64Var(&cfg.speed, "speed", 1, "how many times faster than real nodes they are")
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
	if cfg.speed <= 0 {
		return cloud.FieldErrorf("speed", "must be above 0, not %g", cfg.speed)
	}
	h := &harness{}
	nodes, err := sim.NewFleet(sim.Config{Seed: cfg.seed, Profile: sim.Typical().Faster(cfg.speed), Faults: sim.Faults{Rate: cfg.faultRate}, Harness: h})
	if err != nil {
		return err
	}
	all := make([]*sim.Node, cfg.nodes)
	configs := make([]agent.Config, cfg.nodes)
	for i := range configs {
		name := fmt.Sprintf("%s%d", cfg.prefix, i+1)
		all[i] = nodes.Node(name)
		configs[i] = agent.Config{
			Servers: shuffled(cfg.servers), Name: name, Node: all[i].SAL(), Roles: cloud.Roles, Version: version, Log: log.With("node", name),
		}
	}
	if h.fleet, err = agent.NewFleet(log, cfg.token, configs); err != nil {
		return err
	}
	defer tellHoldings(all, log)
	return h.fleet.Run(ctx)
}

// tellHoldings says what goes with the simulated nodes: nothing, if all that was
// made on them was deleted.
func tellHoldings(nodes []*sim.Node, log *slog.Logger) {
	var sum sim.Holdings
	for _, n := range nodes {
		h := n.Holds()
		sum.Machines += h.Machines
		sum.Volumes += h.Volumes
		sum.Networks += h.Networks
		sum.Taps += h.Taps
		sum.Commands += h.Commands
	}
	log.Info("simulated nodes end", "machines", sum.Machines, "volumes", sum.Volumes, "networks", sum.Networks, "taps", sum.Taps, "commands", sum.Commands)
}
