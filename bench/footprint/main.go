// Command footprint measures what Atoll takes when it has nothing to do: the size
// of the stripped binary, the time from its start on an empty folder until it is
// ready, and the controller's resident memory with one agent connected.
//
// It never measures a warmed-up start: each one has a folder of its own.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"atoll/bench/product"
	"atoll/bench/report"
)

type figures struct {
	Ready  float64 `json:"ready_ms"`
	RSS    float64 `json:"idle_rss_mb"`
	Binary float64 `json:"binary_mb"`
}

// String tells the figures.
func (f *figures) String() string {
	return fmt.Sprintf("ready on an empty folder in %.0f ms; %.1f MiB resident when idle with one agent; binary %.1f MiB", f.Ready, f.RSS, f.Binary)
}

const (
	starts = 5
	// settle is how long the controller has nothing to do before its memory counts.
	settle = 20 * time.Second
)

func main() { report.Main(measure) }

func measure(ctx context.Context) (*figures, error) {
	p, err := product.Start(ctx, product.SQLite)
	if err != nil {
		return nil, err
	}
	defer p.Stop()
	st, err := os.Stat(p.Binary)
	if err != nil {
		return nil, err
	}
	f := &figures{Binary: report.MiB(st.Size())}
	ready := []time.Duration{p.Ready}
	for len(ready) < starts {
		p.Controller.Stop()
		if err := p.Empty(); err != nil {
			return nil, err
		}
		if err := p.StartController(ctx); err != nil {
			return nil, err
		}
		ready = append(ready, p.Ready)
	}
	f.Ready = report.Percentile(ready, 0.5)
	if _, err := p.AddAgent(ctx, "bench-1", "--no-machines"); err != nil {
		return nil, err
	}
	select {
	case <-time.After(settle):
	case <-ctx.Done():
		return nil, errors.New("ended")
	}
	bytes, err := p.Controller.Resident()
	f.RSS = report.MiB(bytes)
	return f, err
}
