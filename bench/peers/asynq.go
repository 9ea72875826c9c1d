package main

import (
	"context"
	"strconv"
	"time"

	"github.com/hibiken/asynq"
	"golang.org/x/sync/errgroup"
)

// asynqSenders submit at the same time: asynq has no call for many jobs.
const asynqSenders = 16

// startAsynq starts Redis with the setting of appendfsync.
func startAsynq(sync string) func(context.Context, func(int64)) (*system, error) {
	return func(ctx context.Context, ran func(int64)) (*system, error) {
		redis, err := startServer(ctx, "redis-server", func(dir, port string) []string {
			return []string{"--bind", "127.0.0.1", "--port", port, "--dir", dir, "--save", "", "--appendonly", "yes", "--appendfsync", sync}
		})
		if err != nil {
			return nil, err
		}
		opt := asynq.RedisClientOpt{Addr: redis.address}
		worker := asynq.NewServer(opt, asynq.Config{Concurrency: 64, LogLevel: asynq.FatalLevel})
		err = worker.Start(asynq.HandlerFunc(func(_ context.Context, t *asynq.Task) error {
			payload, err := strconv.ParseInt(string(t.Payload()), 10, 64)
			ran(payload)
			return err
		}))
		if err != nil {
			redis.stop()
			return nil, err
		}
		c := asynq.NewClient(opt)
		one := func(ctx context.Context, payload int64) error {
			task := asynq.NewTask("noop", strconv.AppendInt(nil, payload, 10))
			_, err := c.EnqueueContext(ctx, task, asynq.Retention(time.Hour)) // so that a result is stored
			return err
		}
		return &system{
			one: one,
			many: func(ctx context.Context, n int) error {
				g, ctx := errgroup.WithContext(ctx)
				for w := range asynqSenders {
					g.Go(func() error {
						for i := w; i < n; i += asynqSenders {
							if err := one(ctx, 0); err != nil {
								return err
							}
						}
						return nil
					})
				}
				return g.Wait()
			},
			stop: func() {
				worker.Shutdown()
				c.Close()
				redis.stop()
			},
		}, nil
	}
}
