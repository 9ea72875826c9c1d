package control

import (
	"context"
	"errors"
	"sync"
)

// Run runs the controller's loops until ctx ends.
func (c *Control) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var all error
	for _, loop := range []func(context.Context) error{
		c.jobs.Run, c.ops.Run, c.numberEvents,
	} {
		wg.Go(func() {
			if err := loop(ctx); err != nil {
				mu.Lock()
				all = errors.Join(all, err)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return all
}
