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
		c.jobs.Run, c.ops.Run, c.heedOthers, c.numberEvents, c.watchNodes,
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

// With several controllers: how often one looks at what the others did without a
// notice, and how long it lets notices gather.
const (
	othersLook = 10 * time.Second
	othersGap  = 20 * time.Millisecond
)

// heedOthers looks at what other controllers on the same database committed, when
// it says so and from time to time, until ctx ends.
func (c *Control) heedOthers(ctx context.Context) error {
	if !c.DB.Shared() {
		return nil
	}
	news := make(chan struct{}, 1)
	var listener sync.WaitGroup
	listener.Go(func() { c.DB.Listen(ctx, func() { signal(news) }) })
	defer listener.Wait()
	tick, gap := time.NewTicker(othersLook), time.NewTicker(othersGap)
	defer tick.Stop()
	defer gap.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-news:
		case <-tick.C:
		}
		if err := errors.Join(c.jobs.Reload(ctx), c.ops.Look(ctx)); err != nil && ctx.Err() == nil {
			c.Log.Error("look at what other controllers did", "err", err)
		}
		c.feed.numbered()
		select {
		case <-ctx.Done():
			return nil
		case <-gap.C:
		}
	}
}
