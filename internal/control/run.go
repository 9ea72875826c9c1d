package control

import (
	"context"
	"errors"
	"sync"
	"time"

	"atoll/internal/reconcile"
	"atoll/internal/store"
)

// Run runs the controller's loops until ctx ends.
func (c *Control) Run(ctx context.Context) error {
	if err := c.arrive(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var all error
	for _, loop := range []func(context.Context) error{
		c.jobs.Run, c.ops.Run, c.heedOthers, c.numberEvents, c.tellChanges, c.watchNodes,
		c.keepCredentials, c.fetchImages, c.clearLeftovers, c.retain, c.fireSchedules,
		c.stayPresent, c.watchSoundness, c.rotateKeys, c.checkDeployments, c.keepDeployments,
		c.queueWebhooks, c.sendWebhooks,
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

// loop runs fn every period on the one controller that has the lease of the name.
func (c *Control) loop(ctx context.Context, name string, period time.Duration, fn func(ctx context.Context) error) error {
	c.loops.Run(ctx, reconcile.Loop{Name: name, Period: period, Do: fn})
	return nil
}

// takeLease takes the lease of a loop for this controller.
func (c *Control) takeLease(ctx context.Context, name string, ttl time.Duration) (mine bool, err error) {
	err = c.DB.Update(ctx, func(tx *store.Tx) (err error) {
		_, mine, err = tx.TakeLease(name, c.ID, ttl)
		return err
	})
	return mine, err
}

// Loops returns how this controller's loops fare.
func (c *Control) Loops() []reconcile.State { return c.loops.States() }

// With several controllers: how often one looks at what the others did without a
// notice, and after a look that failed, and how long it lets notices gather.
const (
	othersLook = 10 * time.Second
	othersWait = time.Second
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
	listener.Go(func() {
		c.DB.Listen(ctx, store.Listener{
			Heard: func() { signal(news) }, Told: c.notices.heard,
			Joined: func() { signal(news); c.notices.missed() },
		})
	})
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
			tick.Reset(othersWait)
		} else {
			tick.Reset(othersLook)
		}
		c.feed.numbered()
		select {
		case <-ctx.Done():
			return nil
		case <-gap.C:
		}
	}
}
