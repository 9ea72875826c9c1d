package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// A busy controller has little in use and makes much garbage: collected as soon as
// there is as much garbage as memory in use, a sixth of its CPU time went into that.
// Up to smallHeap in use it may have spareGarbage more.
const (
	smallHeap    = 64 << 20
	spareGarbage = 32 << 20
)

// paceGC sets when garbage is collected until ctx ends, unless GOGC says it.
func paceGC(ctx context.Context) error {
	if os.Getenv("GOGC") != "" {
		return nil
	}
	const normal = 100 // Go's own: as much garbage as is in use
	defer debug.SetGCPercent(normal)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	for set := normal; ; {
		percent := normal
		metrics.Read(live)
		if n := live[0].Value.Uint64(); n > 0 && n < smallHeap {
			percent += int(spareGarbage * normal / n)
		}
		if percent < set*9/10 || percent > set*11/10 { // setting it stops the program for a moment
			debug.SetGCPercent(percent)
			set = percent
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
