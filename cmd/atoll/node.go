package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"atoll/internal/agent"
	"atoll/internal/cloud"
	"atoll/internal/pki"
	"atoll/internal/process"
	"atoll/internal/sal"
	"atoll/internal/sal/host"
	"atoll/internal/sal/network"
	"atoll/internal/sal/qemu"
	"atoll/internal/sal/volume"
)

// nodeConfig is what makes this host a node.
type nodeConfig struct {
	servers  []string
	data     string
	name     string
	token    string // of the first start; "" once joined
	machines bool   // offer the compute and network roles
	// deployments is the address at which deployments that are processes are reached.
	deployments string
	// public is where the public ports of port forwards are reached; "" for the
	// address of the default route.
	public string
}

// realNode is this host with its drivers.
type realNode struct {
	sal       sal.Node
	processes *host.Processes
	machines  *qemu.Driver
	networks  *network.Driver
	services  *host.Services  // nil: this host runs no deployments
	bundle    *process.Bundle // as services
}

func openNode(cfg nodeConfig, log *slog.Logger) (n *realNode, err error) {
	if cfg.public != "" {
		if err := cloud.ValidateHost("public-address", cfg.public); err != nil {
			return nil, err
		}
	}
	for _, dir := range []string{cfg.data, filepath.Join(cfg.data, "storage")} {
		if err := os.MkdirAll(dir, 0o711); err != nil {
			return nil, err
		}
	}
	n = &realNode{}
	n.processes, err = host.New(host.Config{
		Parent: "atoll/" + pki.HashToken(cfg.data)[:8], Work: filepath.Join(cfg.data, "work"),
		Homes: filepath.Join(cfg.data, "homes"), Hide: []string{cfg.data, filepath.Dir(cfg.data)},
	})
	if err != nil {
		return nil, err
	}
	facts := &host.Host{Volumes: filepath.Join(cfg.data, "storage"), Public: cfg.public}
	n.sal = sal.Node{Host: facts, Processes: n.processes}
	if err := n.openServices(cfg, log); err != nil {
		return nil, err
	}
	if !cfg.machines || !n.canRunMachines(facts, log) {
		return n, nil
	}
	store, err := volume.New(filepath.Join(cfg.data, "storage"))
	if err != nil {
		return nil, err
	}
	if n.networks, err = network.New(network.Config{Data: cfg.data, Log: log}); err != nil {
		return nil, err
	}
	n.machines, err = qemu.New(qemu.Config{Dir: filepath.Join(cfg.data, "machines"), Disks: store.Volumes(), Taps: n.networks, Log: log})
	if err != nil {
		return nil, err
	}
	n.sal.Images, n.sal.Volumes, n.sal.Machines, n.sal.Networks = store.Images(), store.Volumes(), n.machines, n.networks
	return n, nil
}

// openServices takes over the deployments that run on this host.
func (n *realNode) openServices(cfg nodeConfig, log *slog.Logger) (err error) {
	if os.Geteuid() != 0 || len(n.processes.Lacks()) > 0 {
		return nil
	}
	if n.services, err = host.NewServices(n.processes, filepath.Join(cfg.data, "services"), log); err != nil {
		return err
	}
	n.sal.Services = n.services
	n.bundle = process.New(process.Config{
		Services: n.services, Homes: filepath.Join(cfg.data, "homes"), Listen: cfg.deployments, Log: log,
	})
	return nil
}

// canRunMachines looks for what the compute and network roles need, and says
// what is missing.
func (n *realNode) canRunMachines(facts *host.Host, log *slog.Logger) bool {
	facts.Programs = []string{"qemu-system-x86_64", "qemu-img", "nft", "dnsmasq"}
	var missing []string
	for _, p := range facts.Programs {
		if _, err := exec.LookPath(p); err != nil {
			missing = append(missing, p)
		}
	}
	missing = append(missing, network.Missing()...)
	slices.Sort(missing)
	missing = slices.Compact(missing)
	switch {
	case os.Geteuid() != 0:
		log.Warn("this host runs no machines: the agent is not root")
		return false
	case len(missing) > 0:
		log.Warn("this host runs no machines: programs are missing (Debian: qemu-system-x86 qemu-utils nftables dnsmasq-base)", "missing", missing)
		return false
	}
	return true
}

// runAgent joins the host if it has not joined yet, and serves until ctx ends.
func runAgent(ctx context.Context, cfg nodeConfig, log *slog.Logger) error {
	n, err := openNode(cfg, log)
	if err != nil {
		return fmt.Errorf("node: %w", err)
	}
	defer n.close(log)
	if n.networks != nil {
		if err := n.networks.Restore(ctx); err != nil {
			log.Error("make the networks of the cloudspaces again", "err", err)
		}
	}
	config := agent.Config{
		Servers: cfg.servers, DataDir: cfg.data, WorkDir: filepath.Join(cfg.data, "work"), Name: cfg.name,
		Node: n.sal, Roles: cloud.Roles, Version: version, Log: log,
	}
	if n.bundle != nil {
		config.Process = n.bundle
	}
	a, err := agent.New(config)
	if err != nil {
		return err
	}
	if !a.Joined() {
		if err := a.Join(ctx, cfg.token); err != nil {
			return fmt.Errorf("join: %w", err)
		}
	}
	return a.Run(ctx)
}

func (n *realNode) close(log *slog.Logger) {
	if n.machines != nil {
		if err := n.machines.Close(); err != nil {
			log.Warn("let go of the machines", "err", err)
		}
	}
	if n.services != nil {
		n.bundle.Close()
		n.services.Close()
	}
	if err := n.processes.Close(); err != nil {
		log.Warn("remove idle cgroups", "err", err)
	}
}
