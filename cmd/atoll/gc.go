package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"syscall"
	"time"
)

// When garbage is collected, in percent of the memory in use.
//
// A busy controller has little in use and makes much garbage: by Go's own rule a
// sixth of its CPU time went into collecting it. Up to smallHeap in use it may have
// spareGarbage more. A controller with ten thousand agents that wait has hundreds
// of MiB in use and next to nothing to do: memory is dearer then than CPU time.
const (
	normalGarbage = 100 // Go's own
	quietGarbage  = 50
	smallHeap     = 64 << 20
	spareGarbage  = 32 << 20
	// quietLoad is how much of one processor a quiet controller takes at most.
	quietLoad = 0.25
	paceEvery = 5 * time.Second
)

// paceGC sets when garbage is collected until ctx ends, unless GOGC says it.
func paceGC(ctx context.Context) error {
	if os.Getenv("GOGC") != "" {
		return nil
	}
	defer debug.SetGCPercent(normalGarbage)
	tick := time.NewTicker(paceEvery)
	defer tick.Stop()
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	set, used := normalGarbage, processorTime()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		before := used
		used = processorTime()
		metrics.Read(live)
		percent := garbagePercent(live[0].Value.Uint64(), used-before < time.Duration(quietLoad*float64(paceEvery)))
		if percent < set*9/10 || percent > set*11/10 { // setting it stops the program for a moment
			debug.SetGCPercent(percent)
			set = percent
		}
	}
}

// garbagePercent is what paceGC sets with so many bytes in use.
func garbagePercent(live uint64, quiet bool) int {
	switch {
	case quiet:
		return quietGarbage
	case live > 0 && live < smallHeap:
		return normalGarbage + int(spareGarbage*normalGarbage/live)
	}
	return normalGarbage
}

// processorTime is what this process has used so far.
func processorTime() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
