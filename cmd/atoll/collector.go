package main

import (
	"context"
	"os"
	"runtime/debug"
	"syscall"
	"time"
)

// How much garbage the heap may gather before it is collected, in percent of what
// is alive. A controller with ten thousand agents that wait has hundreds of MiB
// alive and next to nothing to do: memory is dearer then than processor time.
const (
	quietGarbage = 50
	busyGarbage  = 100 // Go's own
	// quietLoad is how much of one processor the process takes at most while it counts
	// as having little to do.
	quietLoad  = 0.25
	quietCheck = 5 * time.Second
)

// tuneCollector chooses how often garbage is collected, until ctx ends; GOGC in the
// environment does so for good.
func tuneCollector(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	tick := time.NewTicker(quietCheck)
	defer tick.Stop()
	now, used := busyGarbage, processorTime()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		before := used
		used = processorTime()
		next := busyGarbage
		if used-before < time.Duration(quietLoad*float64(quietCheck)) {
			next = quietGarbage
		}
		if next != now {
			now = next
			debug.SetGCPercent(now)
		}
	}
}

// processorTime is what this process has used so far.
func processorTime() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
