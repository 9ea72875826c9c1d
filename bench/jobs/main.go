// Command jobs measures how many jobs a second Atoll runs, and how long one
// takes: a controller and an agent in processes of their own, jobs in by REST,
// the exchange over TLS, each job committed and each result stored and read
// back. The job is the built-in no-op, so that what is measured is Atoll.
//
// It only calls what users can call, and never the code behind it.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"atoll/api"
	"atoll/bench/product"
	"atoll/client"
)

// figures are the result.
type figures struct {
	JobsPerSecond float64 `json:"jobs_per_s"`
	IdleP50       float64 `json:"idle_p50_ms"`
	IdleP99       float64 `json:"idle_p99_ms"`
}

const (
	batch   = 500
	senders = 4
	idle    = 300 // single calls for the latency
)

func main() {
	n := flag.Int("n", 40000, "number of jobs")
	asJSON := flag.Bool("json", false, "print one line of JSON")
	store := flag.String("store", "sqlite", "sqlite, or a postgres:// URL")
	flag.Parse()
	f, err := measure(*n, *store)
	if err != nil {
		fmt.Fprintln(os.Stderr, "jobs:", err)
		os.Exit(1)
	}
	if *asJSON {
		if err := json.NewEncoder(os.Stdout).Encode(f); err != nil {
			os.Exit(1)
		}
		return
	}
	fmt.Printf("%d no-op jobs: %.0f jobs/s; submit to stored result when idle: p50 %.2f ms, p99 %.2f ms\n", *n, f.JobsPerSecond, f.IdleP50, f.IdleP99)
}

func measure(n int, store string) (*figures, error) {
	ctx := context.Background()
	p, err := product.Start(ctx, store)
	if err != nil {
		return nil, err
	}
	defer p.Stop()
	node, err := p.AddAgent(ctx)
	if err != nil {
		return nil, err
	}
	job := api.JobCreate{Action: "noop", Node: node, Idempotent: true}
	took, err := flood(ctx, p.Client, job, n)
	if err != nil {
		return nil, err
	}
	waits, err := singles(ctx, p.Client, job)
	if err != nil {
		return nil, err
	}
	return &figures{
		JobsPerSecond: float64(n) / took.Seconds(),
		IdleP50:       ms(waits[len(waits)/2]), IdleP99: ms(waits[len(waits)*99/100]),
	}, nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// flood sends n jobs in batches and returns the time until all results are stored.
func flood(ctx context.Context, c *client.Client, job api.JobCreate, n int) (time.Duration, error) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var first error
	work := make(chan int)
	start := time.Now()
	for range senders {
		wg.Go(func() {
			for size := range work {
				if _, err := c.Jobs().CreateBatch(ctx, slices.Repeat([]api.JobCreate{job}, size)); err != nil {
					mu.Lock()
					first = err
					mu.Unlock()
				}
			}
		})
	}
	for sent := 0; sent < n; sent += batch {
		work <- min(batch, n-sent)
	}
	close(work)
	wg.Wait()
	if first != nil {
		return 0, first
	}
	if err := drained(ctx, c); err != nil {
		return 0, err
	}
	took := time.Since(start)
	return took, verify(ctx, c, n)
}

// drained waits until no job is on its way.
func drained(ctx context.Context, c *client.Client) error {
	for _, state := range []string{"queued", "leased", "running"} {
		for {
			page, err := c.Jobs().List(ctx, client.ListOptions{Filter: []string{"state=" + state}, Limit: 1})
			if err != nil {
				return err
			}
			if len(page.Items) == 0 {
				break
			}
			time.Sleep(5 * time.Millisecond) // between two looks
		}
	}
	return nil
}

// verify reads every result back.
func verify(ctx context.Context, c *client.Client, n int) error {
	good := 0
	for j, err := range c.Jobs().All(ctx, client.ListOptions{Filter: []string{"action=noop"}, Limit: 1000}) {
		if err != nil {
			return err
		}
		if j.State == "succeeded" && j.Attempt == 1 {
			good++
		}
	}
	if good != n {
		return fmt.Errorf("%d of %d jobs have their result", good, n)
	}
	return nil
}

// singles measures single jobs on an idle system, sorted.
func singles(ctx context.Context, c *client.Client, job api.JobCreate) ([]time.Duration, error) {
	waits := make([]time.Duration, idle)
	for i := range waits {
		start := time.Now()
		r, err := c.Jobs().Create(ctx, job, client.Hold(10*time.Second))
		if err != nil {
			return nil, err
		}
		if r.Object.State != "succeeded" {
			return nil, fmt.Errorf("job %s is %s", r.Object.ID, r.Object.State)
		}
		waits[i] = time.Since(start)
	}
	slices.Sort(waits)
	return waits, nil
}
