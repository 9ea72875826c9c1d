// Command fanout measures one command on very many nodes: simulated agents in a
// process of their own, each with its connection, certificate and held exchange;
// how long they take to connect, what the controller keeps in memory for each,
// and the time from the request for a no-op on all of them until the last result
// is stored; and the same for a command, as an operation with a job for each.
//
// Nothing of what it asks for is executed on the host.
package main

import (
	"context"
	"flag"
	"fmt"
	"syscall"
	"time"

	"atoll/api"
	"atoll/bench/product"
	"atoll/bench/report"
	"atoll/client"
)

type figures struct {
	Agents   int     `json:"agents"`
	Connect  float64 `json:"connect_s"`
	Fanout   float64 `json:"fanout_s"`
	RSS      float64 `json:"controller_rss_mb"`
	PerAgent float64 `json:"kb_per_agent"`
	Run      float64 `json:"run_s"`
}

// String tells the figures.
func (f *figures) String() string {
	return fmt.Sprintf("%d agents connected in %.1f s; %.0f MiB resident in the controller, %.1f KiB more for each agent; a no-op on all of them in %.2f s; `true` as a run in %.2f s",
		f.Agents, f.Connect, f.RSS, f.PerAgent, f.Fanout, f.Run)
}

const (
	// settle is how long the agents only wait before the controller's memory
	// counts: longer than an exchange is held.
	settle = 45 * time.Second
	runs   = 3 // the median counts
)

func main() {
	n := flag.Int("nodes", 10000, "number of simulated nodes")
	database := flag.String("store", product.SQLite, "sqlite, postgres (a private server), or a postgres:// URL")
	report.Main(func(ctx context.Context) (*figures, error) { return measure(ctx, *n, *database) })
}

func measure(ctx context.Context, n int, database string) (*figures, error) {
	if err := files(n); err != nil {
		return nil, err
	}
	p, err := product.Start(ctx, database)
	if err != nil {
		return nil, err
	}
	defer p.Stop()
	before, err := p.Controller.Resident()
	if err != nil {
		return nil, err
	}
	f := &figures{Agents: n}
	start := time.Now()
	if _, err := p.AddSimulated(ctx, n); err != nil {
		return nil, err
	}
	if err := connected(ctx, p.Client, n); err != nil {
		return nil, err
	}
	jobs, err := noops(ctx, p.Client)
	if err != nil {
		return nil, err
	}
	f.Connect = report.Round(time.Since(start).Seconds(), 1)
	select {
	case <-time.After(settle):
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	after, err := p.Controller.Resident()
	if err != nil {
		return nil, err
	}
	f.RSS, f.PerAgent = report.MiB(after), report.Round(float64(after-before)/float64(n)/1024, 1)
	var noop, command []time.Duration
	for range runs {
		d, err := product.FloodAll(ctx, p.Client, jobs)
		if err != nil {
			return nil, err
		}
		noop = append(noop, d)
		if d, err = run(ctx, p.Client, n); err != nil {
			return nil, err
		}
		command = append(command, d)
	}
	f.Fanout, f.Run = report.Round(report.Percentile(noop, 0.5)/1000, 2), report.Round(report.Percentile(command, 0.5)/1000, 2)
	return f, nil
}

// files checks that the two processes may have a connection for each agent.
func files(n int) error {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return err
	}
	if need := uint64(n) + 200; l.Max < need {
		return fmt.Errorf("%d nodes need %d open files, and ulimit -n allows %d", n, need, l.Max)
	}
	return nil
}

// connected waits until all nodes are online.
func connected(ctx context.Context, c *client.Client, n int) error {
	return report.Until(ctx, "all agents are connected", 10*time.Minute, func() error {
		time.Sleep(time.Second) // looking costs the controller, which is busy
		online := 0
		for node, err := range c.Nodes().All(ctx, client.ListOptions{Limit: 1000, Filter: []string{"state=online"}}) {
			if err != nil {
				return err
			}
			if node.State == "online" {
				online++
			}
		}
		if online < n {
			return fmt.Errorf("%d of %d are", online, n)
		}
		return nil
	})
}

// noops returns a no-op for each node.
func noops(ctx context.Context, c *client.Client) (jobs []api.JobCreate, err error) {
	for node, err := range c.Nodes().All(ctx, client.ListOptions{Limit: 1000}) {
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, api.JobCreate{Action: "noop", Node: node.ID, Idempotent: true})
	}
	return jobs, nil
}

// run runs a command on all nodes and returns when the last result is stored.
func run(ctx context.Context, c *client.Client, n int) (time.Duration, error) {
	start := time.Now()
	r, err := c.StartRun(ctx, api.RunCreate{All: true, Command: []string{"true"}}, client.Hold(time.Minute))
	if err != nil {
		return 0, err
	}
	if _, err := c.Operations().Wait(ctx, r.Operation.ID, nil); err != nil {
		return 0, err
	}
	took := time.Since(start)
	done := 0
	for j, err := range c.Jobs().All(ctx, client.ListOptions{Limit: 1000, Filter: []string{"operation=" + r.Operation.ID}}) {
		if err != nil {
			return 0, err
		}
		if j.State == "succeeded" && j.Attempt == 1 {
			done++
		}
	}
	if done != n {
		return 0, fmt.Errorf("%d of %d nodes have their result", done, n)
	}
	return took, nil
}
