package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"atoll/internal/store/pgtest"
)

// riverBatch is how many jobs one call of River inserts.
const riverBatch = 1000

// noop is a job of River.
type noop struct {
	Payload int64 `json:"payload"`
}

// Kind names the job.
func (noop) Kind() string { return "noop" }

type riverWorker struct {
	river.WorkerDefaults[noop]
	ran func(int64)
}

// Work runs the job.
func (w riverWorker) Work(_ context.Context, j *river.Job[noop]) error {
	w.ran(j.Args.Payload)
	return nil
}

// startRiver uses the server that Atoll is measured on, with the same settings.
func startRiver(ctx context.Context, ran func(int64)) (*system, error) {
	pg, err := pgtest.Start(pgtest.Config{Durable: true})
	if err != nil {
		return nil, err
	}
	s, err := riverOn(ctx, pg, ran)
	if err != nil {
		pg.Close()
	}
	return s, err
}

func riverOn(ctx context.Context, pg *pgtest.Server, ran func(int64)) (*system, error) {
	dsn, err := pg.Create()
	if err != nil {
		return nil, err
	}
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	cfg.MaxConns = 20
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	m, err := rivermigrate.New(riverpgxv5.New(pool), nil)
	if err != nil {
		return nil, err
	}
	if _, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return nil, err
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, &riverWorker{ran: ran})
	c, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		Queues: map[string]river.QueueConfig{"default": {MaxWorkers: 500}}, Workers: workers,
		FetchCooldown: time.Millisecond, FetchPollInterval: 50 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, err
	}
	if err := c.Start(ctx); err != nil {
		return nil, err
	}
	return &system{
		one: func(ctx context.Context, payload int64) error {
			_, err := c.Insert(ctx, noop{payload}, nil)
			return err
		},
		many: func(ctx context.Context, n int) error {
			for sent := 0; sent < n; sent += riverBatch {
				batch := make([]river.InsertManyParams, min(riverBatch, n-sent))
				for i := range batch {
					batch[i].Args = noop{}
				}
				if _, err := c.InsertManyFast(ctx, batch); err != nil {
					return err
				}
			}
			return nil
		},
		stop: func() {
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			c.StopAndCancel(end) //nolint:errcheck // its server goes with it
			pool.Close()
			pg.Close()
		},
	}, nil
}
