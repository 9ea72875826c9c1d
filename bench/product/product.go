// Package product starts the real product for measurements: plain binaries, a
// controller and agents in processes of their own, on loopback and in a folder
// that goes with it.
//
// It must never be imported by the product.
package product

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"atoll/api"
	"atoll/client"
)

// Product is a running controller.
type Product struct {
	Client *client.Client
	Dir    string
	bin    string
	agents string // URL of the agents' endpoint
	token  string
	cmds   []*exec.Cmd
}

// Start builds the binary and starts a controller; database is "sqlite" or a
// postgres:// URL.
func Start(ctx context.Context, database string) (*Product, error) {
	dir, err := os.MkdirTemp("", "atoll-bench-")
	if err != nil {
		return nil, err
	}
	p := &Product{Dir: dir, bin: filepath.Join(dir, "atoll")}
	if err := p.start(ctx, database); err != nil {
		p.Stop()
		return nil, err
	}
	return p, nil
}

func (p *Product) start(ctx context.Context, database string) error {
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", p.bin, "atoll/cmd/atoll")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w\n%s", err, out)
	}
	people, err := freeAddress()
	if err != nil {
		return err
	}
	agents, err := freeAddress()
	if err != nil {
		return err
	}
	p.agents = "https://" + agents
	config := fmt.Sprintf("listen: %s\nagent-listen: %s\ndata: %s\n", people, agents, filepath.Join(p.Dir, "data"))
	if database != "sqlite" {
		config += "database: " + database + "\n"
	}
	file := filepath.Join(p.Dir, "server.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return err
	}
	if err := p.run("server", "--config", file); err != nil {
		return err
	}
	if err := p.connect(ctx, "http://"+people); err != nil {
		return err
	}
	t, err := p.Client.JoinTokens().Create(ctx, api.JoinTokenCreate{Uses: 100000, TTL: "24h"})
	if err != nil {
		return err
	}
	p.token = filepath.Join(p.Dir, "join.token")
	return os.WriteFile(p.token, []byte(t.Object.Secret), 0o600)
}

// connect waits until the controller is ready.
func (p *Product) connect(ctx context.Context, url string) error {
	return wait(ctx, "the controller is ready", func() error {
		token, err := os.ReadFile(filepath.Join(p.Dir, "data", "admin.token"))
		if err != nil {
			return err
		}
		if p.Client, err = client.New(client.Config{URL: url, Token: strings.TrimSpace(string(token))}); err != nil {
			return err
		}
		_, err = p.Client.Nodes().List(ctx, client.ListOptions{Limit: 1})
		return err
	})
}

// AddAgent starts an agent without machines and returns its node's name.
func (p *Product) AddAgent(ctx context.Context) (string, error) {
	const name = "bench-1"
	err := p.run("agent", "--server", p.agents, "--token-file", p.token, "--data", filepath.Join(p.Dir, name), "--name", name, "--no-machines")
	if err != nil {
		return "", err
	}
	return name, wait(ctx, "the agent is online", func() error {
		n, err := p.Client.Nodes().Get(ctx, name)
		if err == nil && n.State != "online" {
			err = errors.New("it is " + n.State)
		}
		return err
	})
}

// run starts the binary; what it logs is in a file of the folder.
func (p *Product) run(args ...string) error {
	log, err := os.Create(filepath.Join(p.Dir, args[0]+".log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(p.bin, args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	p.cmds = append(p.cmds, cmd)
	return nil
}

// Stop ends all processes and removes the folder.
func (p *Product) Stop() {
	for i := len(p.cmds) - 1; i >= 0; i-- {
		p.cmds[i].Process.Signal(syscall.SIGTERM) // it may have ended
		p.cmds[i].Wait()
	}
	os.RemoveAll(p.Dir)
}

func freeAddress() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}

func wait(ctx context.Context, what string, try func() error) error {
	var err error
	for range 600 {
		if err = try(); err == nil || ctx.Err() != nil {
			return err
		}
		time.Sleep(50 * time.Millisecond) // between two looks
	}
	return fmt.Errorf("not in time: %s: %w", what, err)
}
