package main

import (
	"cmp"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"atoll/internal/cloud"
)

func agentCommand() *cobra.Command {
	var cfg nodeConfig
	var tokenFile string
	var noMachines bool
	cmd := &cobra.Command{
		Use:   "agent --server URL --token-file F",
		Short: "Run the agent of this node",
		Long: "Run the agent of this node. The token file is needed for the first start only;\n" +
			"from then on the agent has its own certificate.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if cfg.token, err = readToken(tokenFile); err != nil {
				return err
			}
			if cfg.data, err = filepath.Abs(cfg.data); err != nil {
				return err
			}
			cfg.machines, cfg.servers = !noMachines, shuffled(cfg.servers)
			return runAgent(cmd.Context(), cfg, newLog(cmd))
		},
	}
	name, _ := os.Hostname() // "" makes --name required
	f := cmd.Flags()
	f.StringSliceVar(&cfg.servers, "server", nil, "URL of a controller's agent listener, https://HOST:8443 (several: one of them, and the next when it fails)")
	f.StringVar(&tokenFile, "token-file", "", "file with the token of 'atoll node token create'")
	f.StringVar(&cfg.data, "data", cmp.Or(os.Getenv("STATE_DIRECTORY"), "./atoll-agent"), "folder of the agent")
	f.StringVar(&cfg.name, "name", strings.ToLower(name), "name of the node, when it joins")
	f.BoolVar(&noMachines, "no-machines", false, "offer no compute and no network role")
	f.StringVar(&cfg.deployments, "deployments-listen", defaultDeployments, "address at which this node's deployments of the bundle builtin:process are reached, taken while there are any")
	f.StringVar(&cfg.public, "public-address", "", "address or host name at which this node's public ports are reached (default: the address of its default route)")
	f.Bool("debug", false, "log more")
	return cmd
}

// defaultDeployments is where deployments that are processes are reached.
const defaultDeployments = ":8880"

// shuffled spreads agents, which take the first controller that answers, over all.
func shuffled(servers []string) []string {
	out := slices.Clone(servers)
	rand.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// readToken reads a token file; a missing one is no error, for agents that have
// joined already.
func readToken(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	b, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return "", nil
	}
	if err != nil {
		return "", cloud.FieldErrorf("token-file", "cannot be read: %v", err)
	}
	token := strings.TrimSpace(string(b))
	if token == "" {
		return "", cloud.FieldErrorf("token-file", "%s is empty", file)
	}
	return token, nil
}

func requireToken(file string) (string, error) {
	token, err := readToken(file)
	if err == nil && token == "" {
		err = cloud.FieldErrorf("token-file", "is required: a file with the token of 'atoll node token create'")
	}
	return token, err
}
