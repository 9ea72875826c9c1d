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
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"atoll/api"
	"atoll/client"
	"atoll/internal/store/pgtest"
)

// Product is a running controller with its agents.
type Product struct {
	Client     *client.Client
	Dir        string
	Binary     string
	Controller *Process
	Ready      time.Duration // that the controller took to be ready
	database   string        // of the configuration; "" for SQLite in Dir
	people     string        // address of the controller's listener for people
	agents     string        // and for agents
	token      string        // file
	postgres   *pgtest.Server
	processes  []*Process
}

// Databases of Start: the file of the data folder, and a private PostgreSQL,
// which commits as durably as SQLite does.
const (
	SQLite   = "sqlite"
	Postgres = "postgres"
)

// Start builds the binary, starts a controller and waits until it is ready.
// Database is SQLite, Postgres or the URL of a PostgreSQL.
func Start(ctx context.Context, database string) (*Product, error) {
	dir, err := os.MkdirTemp("", "atoll-bench-")
	if err != nil {
		return nil, err
	}
	p := &Product{Dir: dir, Binary: filepath.Join(dir, "atoll")}
	if err := p.start(ctx, database); err != nil {
		p.Stop()
		return nil, err
	}
	return p, nil
}

func (p *Product) start(ctx context.Context, database string) (err error) {
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags", "grpcnotrace", "-ldflags", "-s -w", // as make build does
		"-o", p.Binary, "atoll/cmd/atoll")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w\n%s", err, out)
	}
	switch database {
	case SQLite:
	case Postgres:
		if p.postgres, err = pgtest.Start(pgtest.Config{Durable: true}); err != nil {
			return err
		}
		if p.database, err = p.postgres.Create(); err != nil {
			return err
		}
	default:
		p.database = database
	}
	if p.people, err = FreeAddress(); err != nil {
		return err
	}
	if p.agents, err = FreeAddress(); err != nil {
		return err
	}
	config := fmt.Sprintf("listen: %s\nagent-listen: %s\ndata: %s\n", p.people, p.agents, p.data())
	if p.database != "" {
		config += "database: " + strconv.Quote(p.database) + "\n"
	}
	if err := os.WriteFile(p.config(), []byte(config), 0o600); err != nil {
		return err
	}
	return p.StartController(ctx)
}

// joinToken makes a token for agents, unless there is one, and returns its file.
func (p *Product) joinToken(ctx context.Context) (file string, err error) {
	if p.token != "" {
		return p.token, nil
	}
	t, err := p.Client.JoinTokens().Create(ctx, api.JoinTokenCreate{Uses: 100000, TTL: "24h"})
	if err != nil {
		return "", err
	}
	file = filepath.Join(p.Dir, "join.token")
	if err := os.WriteFile(file, []byte(t.Object.Secret), 0o600); err != nil {
		return "", err
	}
	p.token = file
	return file, nil
}

func (p *Product) data() string   { return filepath.Join(p.Dir, "data") }
func (p *Product) config() string { return filepath.Join(p.Dir, "server.yaml") }

// Database is the URL of the controller's database.
func (p *Product) Database() string {
	if p.database != "" {
		return p.database
	}
	return "sqlite:" + filepath.Join(p.data(), "atoll.db")
}

// Empty removes all that the stopped controller keeps; no agent has joined it.
func (p *Product) Empty() error {
	p.token = ""
	return os.RemoveAll(p.data())
}

// StartController starts the controller, again if it was stopped, and waits until
// it is ready.
func (p *Product) StartController(ctx context.Context) (err error) {
	start := time.Now()
	if p.Controller, err = p.run("server", "--config", p.config()); err != nil {
		return err
	}
	err = p.Controller.until(ctx, "the controller is ready", func() error {
		res, err := http.Get("http://" + p.people + "/readyz")
		if err != nil {
			return err
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return errors.New(res.Status)
		}
		return nil
	})
	if err != nil {
		return err
	}
	p.Ready = time.Since(start)
	token, err := os.ReadFile(filepath.Join(p.data(), "admin.token"))
	if err != nil {
		return err
	}
	p.Client, err = p.As(strings.TrimSpace(string(token)))
	return err
}

// As returns a client with the token.
func (p *Product) As(token string) (*client.Client, error) {
	return client.New(client.Config{URL: "http://" + p.people, Token: token})
}

// AddAgent starts an agent with the options of `atoll agent` and waits until its
// node is online.
func (p *Product) AddAgent(ctx context.Context, name string, options ...string) (*Process, error) {
	token, err := p.joinToken(ctx)
	if err != nil {
		return nil, err
	}
	args := []string{"agent", "--server", p.agentURL(), "--token-file", token, "--data", filepath.Join(p.Dir, name), "--name", name}
	agent, err := p.run(append(args, options...)...)
	if err != nil {
		return nil, err
	}
	return agent, agent.until(ctx, "the agent is online", func() error {
		n, err := p.Client.Nodes().Get(ctx, name)
		if err == nil && n.State != "online" {
			err = errors.New("it is " + n.State)
		}
		return err
	})
}

// AddSimulated starts n simulated agents in one process. It does not wait for them.
func (p *Product) AddSimulated(ctx context.Context, n int) (*Process, error) {
	token, err := p.joinToken(ctx)
	if err != nil {
		return nil, err
	}
	return p.run("sim", "--server", p.agentURL(), "--token-file", token, "--nodes", strconv.Itoa(n))
}

func (p *Product) agentURL() string { return "https://" + p.agents }

// run starts the binary.
func (p *Product) run(args ...string) (*Process, error) {
	r, err := startProcess(p.Binary, filepath.Join(p.Dir, fmt.Sprintf("%d-%s.log", len(p.processes), args[0])), args...)
	if err == nil {
		p.processes = append(p.processes, r)
	}
	return r, err
}

// Stop ends all processes, the last one first, and removes the folder.
func (p *Product) Stop() {
	for i := len(p.processes) - 1; i >= 0; i-- {
		p.processes[i].Stop()
	}
	var err error
	if p.postgres != nil {
		err = p.postgres.Close()
	}
	if err = errors.Join(err, os.RemoveAll(p.Dir)); err != nil {
		fmt.Fprintln(os.Stderr, "clean up:", err)
	}
}

// FreeAddress returns an address of loopback at which nobody listens.
func FreeAddress() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}
