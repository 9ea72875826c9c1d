package control

import (
	"context"
	"errors"
	"sync"
	"time"

	"atoll/internal/store"
)

// Run runs the controller's loops until ctx ends.
func (c *Control) Run(ctx context.Context) error {
	if err := c.arrive(ctx); err != nil {
		return err
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var all error
	for _, loop := range []func(context.Context) error{
		c.jobs.Run, c.ops.Run, c.numberEvents, c.watchNodes,
		c.keepCredentials, c.fetchImages, c.clearLeftovers, c.retain, c.fireSchedules,
		c.stayPresent, c.watchSoundness,
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

// loop calls fn every period while this controller has the lease of the name,
// until ctx ends. An error is logged; the next round tries again.
func (c *Control) loop(ctx context.Context, name string, period time.Duration, fn func(ctx context.Context) error) error {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		mine := false
		err := c.DB.Update(ctx, func(tx *store.Tx) (err error) {
			_, mine, err = tx.TakeLease(name, c.ID, 3*period+10*time.Second)
			return err
		})
		if err == nil && mine {
			err = fn(ctx)
		}
		if err != nil && ctx.Err() == nil {
			c.Log.Error("loop", "name", name, "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
