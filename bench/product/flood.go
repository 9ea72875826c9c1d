package product

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"atoll/api"
	"atoll/client"
)

// How Flood sends.
const (
	Batch   = 500
	senders = 4
)

// Flood sends n copies of the job as FloodAll does.
func Flood(ctx context.Context, c *client.Client, job api.JobCreate, n int) (time.Duration, error) {
	return FloodAll(ctx, c, slices.Repeat([]api.JobCreate{job}, n))
}

// FloodAll sends the jobs in batches and returns the time until all have succeeded
// and their results are stored.
func FloodAll(ctx context.Context, c *client.Client, jobs []api.JobCreate) (time.Duration, error) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var first error
	var last []string // job of each batch
	work := make(chan []api.JobCreate)
	start := time.Now()
	for range senders {
		wg.Go(func() {
			for part := range work {
				ids, err := c.Jobs().CreateBatch(ctx, part)
				mu.Lock()
				if err != nil {
					first = err
				} else {
					last = append(last, ids[len(ids)-1])
				}
				mu.Unlock()
			}
		})
	}
	for part := range slices.Chunk(jobs, Batch) {
		work <- part
	}
	close(work)
	wg.Wait()
	if first != nil {
		return 0, first
	}
	for _, id := range last {
		if _, err := ended(ctx, c, id); err != nil {
			return 0, err
		}
	}
	end := time.Now()
	stored, err := verify(ctx, c, len(jobs))
	if stored.After(end) {
		end = stored
	}
	return end.Sub(start), err
}

// ended waits until the job has ended.
func ended(ctx context.Context, c *client.Client, id string) (j api.Job, err error) {
	for {
		got, err := c.Jobs().Get(ctx, id, client.Hold(10*time.Second))
		if err != nil {
			return j, err
		}
		if client.Final(got.State) {
			return *got, nil
		}
	}
}

// verify reads the results of the newest n jobs back, and returns when the last
// one was stored, by the clock of the database, which is this host's.
func verify(ctx context.Context, c *client.Client, n int) (stored time.Time, err error) {
	seen := 0
	for j, err := range c.Jobs().All(ctx, client.ListOptions{Sort: "-created_at", Limit: 1000}) {
		if err == nil && !client.Final(j.State) { // the last of its batch has overtaken it
			j, err = ended(ctx, c, j.ID)
		}
		if err != nil {
			return stored, err
		}
		if j.State != "succeeded" || j.Attempt != 1 {
			return stored, fmt.Errorf("job %s is %s after %d attempts: %s", j.ID, j.State, j.Attempt, j.Error)
		}
		if j.FinishedAt.After(stored) {
			stored = j.FinishedAt
		}
		if seen++; seen == n {
			return stored, nil
		}
	}
	return stored, fmt.Errorf("%d of %d jobs are there", seen, n)
}
