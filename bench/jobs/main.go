// Command jobs measures how many jobs a second Atoll runs, and how long one
// takes: a controller and an agent in processes of their own, jobs in by REST,
// the exchange over TLS, each job committed and each result stored and read
// back. The job is the built-in no-op, so that what is measured is Atoll. With
// -history it measures again when so many finished jobs are stored.
//
// It calls what users can call, and never the code behind it; the history alone
// is written into the database of a stopped controller.
package main

import (
	"context"
	"flag"
	"fmt"
	"time"

	"atoll/api"
	"atoll/bench/product"
	"atoll/bench/report"
	"atoll/client"
)

// figures are the result. With a history they are those with it, and Empty is
// the throughput of the same run without.
type figures struct {
	JobsPerSecond float64 `json:"jobs_per_s"`
	IdleP50       float64 `json:"idle_p50_ms"`
	IdleP99       float64 `json:"idle_p99_ms"`
	History       int     `json:"history,omitempty"`
	Empty         float64 `json:"empty_jobs_per_s,omitempty"`
}

// String tells the figures.
func (f *figures) String() string {
	s := fmt.Sprintf("no-op jobs: %.0f jobs/s; submit to stored result when idle: p50 %.2f ms, p99 %.2f ms", f.JobsPerSecond, f.IdleP50, f.IdleP99)
	if f.History > 0 {
		s += fmt.Sprintf("; with %d finished jobs stored, and %.0f jobs/s without", f.History, f.Empty)
	}
	return s
}

const (
	idle = 1000 // single calls for the latency
	// idlePause is between two single calls.
	idlePause = 2 * time.Millisecond
	node      = "bench-1"
)

var noop = api.JobCreate{Action: "noop", Node: node, Idempotent: true}

func main() {
	n := flag.Int("n", 40000, "number of jobs")
	store := flag.String("store", product.SQLite, "sqlite, postgres (a private server), or a postgres:// URL")
	history := flag.Int("history", 0, "measure again with so many finished jobs stored")
	report.Main(func(ctx context.Context) (*figures, error) { return measure(ctx, *n, *store, *history) })
}

func measure(ctx context.Context, n int, store string, history int) (*figures, error) {
	p, err := product.Start(ctx, store)
	if err != nil {
		return nil, err
	}
	defer p.Stop()
	if _, err := p.AddAgent(ctx, node, "--no-machines"); err != nil {
		return nil, err
	}
	f, err := once(ctx, p.Client, n)
	if err != nil || history == 0 {
		return f, err
	}
	job, err := p.Client.Jobs().List(ctx, client.ListOptions{Limit: 1})
	if err != nil {
		return nil, err
	}
	p.Controller.Stop()
	if err := p.FillHistory(ctx, job.Items[0].ID, history); err != nil {
		return nil, err
	}
	if err := p.StartController(ctx); err != nil {
		return nil, err
	}
	after, err := once(ctx, p.Client, n)
	if err != nil {
		return nil, err
	}
	after.History, after.Empty = history, f.JobsPerSecond
	return after, nil
}

func once(ctx context.Context, c *client.Client, n int) (*figures, error) {
	if _, err := product.Flood(ctx, c, noop, product.Batch); err != nil { // so that everything is loaded
		return nil, err
	}
	took, err := product.Flood(ctx, c, noop, n)
	if err != nil {
		return nil, err
	}
	waits, err := singles(ctx, c)
	if err != nil {
		return nil, err
	}
	return &figures{
		JobsPerSecond: report.Round(float64(n)/took.Seconds(), 0),
		IdleP50:       report.Percentile(waits, 0.5), IdleP99: report.Percentile(waits, 0.99),
	}, nil
}

// singles measures single jobs on an idle system.
func singles(ctx context.Context, c *client.Client) ([]time.Duration, error) {
	waits := make([]time.Duration, idle)
	for i := range waits {
		time.Sleep(idlePause)
		start := time.Now()
		r, err := c.Jobs().Create(ctx, noop, client.Hold(10*time.Second))
		if err != nil {
			return nil, err
		}
		if r.Object.State != "succeeded" {
			return nil, fmt.Errorf("job %s is %s", r.Object.ID, r.Object.State)
		}
		waits[i] = time.Since(start)
	}
	return waits, nil
}
