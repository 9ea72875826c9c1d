// Command peers measures job systems that a user could pick instead of Atoll's
// jobs, with servers from Debian's packages: asynq on Redis, River on PostgreSQL,
// NATS JetStream. Their workers run in this process, so that the figures favour
// them: no agent on another host, no HTTP between, no result to read back.
//
// It is a module of its own, so that the product never depends on them.
package main

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"atoll/bench/report"
)

// figures are those of one peer.
type figures struct {
	Peer          string  `json:"peer"`
	Durability    string  `json:"durability"`
	JobsPerSecond float64 `json:"jobs_per_s"`
	IdleP50       float64 `json:"idle_p50_ms"`
	IdleP99       float64 `json:"idle_p99_ms"`
}

type table []figures

// String tells the figures, one peer a line.
func (t table) String() string {
	var b strings.Builder
	for _, f := range t {
		fmt.Fprintf(&b, "%s (%s): %.0f jobs/s; idle p50 %.2f ms, p99 %.2f ms\n", f.Peer, f.Durability, f.JobsPerSecond, f.IdleP50, f.IdleP99)
	}
	return strings.TrimSpace(b.String())
}

// system is a running peer. Its worker calls ran with the payload of each job.
type system struct {
	// many submits n jobs as fast as the peer allows, one a single job with the payload.
	many func(ctx context.Context, n int) error
	one  func(ctx context.Context, payload int64) error
	stop func()
}

// peer starts a peer.
type peer struct {
	name, system, durability string
	start                    func(ctx context.Context, ran func(payload int64)) (*system, error)
}

var peers = []peer{
	{"river", "River on PostgreSQL", "fsync, synchronous_commit=on", startRiver},
	{"asynq", "asynq on Redis", "appendfsync everysec", startAsynq("everysec")},
	{"asynq-always", "asynq on Redis", "appendfsync always", startAsynq("always")},
	{"nats", "NATS JetStream, no stored results", "written, synced every 2 minutes", startNATS},
}

const (
	idle      = 200 // single jobs for the latency, or as many as fit into idleTime
	idleTime  = 20 * time.Second
	idlePause = 2 * time.Millisecond
)

func main() {
	n := flag.Int("n", 40000, "number of jobs")
	only := flag.String("only", "", "measure only these, by commas: river, asynq, asynq-always, nats")
	report.Main(func(ctx context.Context) (table, error) {
		var t table
		for _, p := range peers {
			if *only != "" && !slices.Contains(strings.Split(*only, ","), p.name) {
				continue
			}
			f, err := p.measure(ctx, *n)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", p.system, err)
			}
			t = append(t, *f)
		}
		return t, nil
	})
}

func (p *peer) measure(ctx context.Context, n int) (*figures, error) {
	var done atomic.Int64
	sent := make(chan int64, idle) // payloads of single jobs that have run
	s, err := p.start(ctx, func(payload int64) {
		done.Add(1)
		if payload != 0 {
			sent <- payload
		}
	})
	if err != nil {
		return nil, err
	}
	defer s.stop()
	start := time.Now()
	if err := s.many(ctx, n); err != nil {
		return nil, err
	}
	for done.Load() < int64(n) {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		time.Sleep(time.Millisecond) // between two looks
	}
	f := &figures{Peer: p.system, Durability: p.durability, JobsPerSecond: report.Round(float64(n)/time.Since(start).Seconds(), 0)}
	var waits []time.Duration
	for end := time.Now().Add(idleTime); len(waits) < idle && time.Now().Before(end); {
		time.Sleep(idlePause)
		start := time.Now()
		if err := s.one(ctx, start.UnixNano()); err != nil {
			return nil, err
		}
		select {
		case <-sent:
			waits = append(waits, time.Since(start))
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	f.IdleP50, f.IdleP99 = report.Percentile(waits, 0.5), report.Percentile(waits, 0.99)
	return f, nil
}
