package faults

import (
	"flag"
	"fmt"
	"iter"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"atoll/test/program"
)

var (
	oneSeed = flag.Uint64("seed", 0, "run this seed alone")
	nSeeds  = flag.Int("seeds", 50, "how many seeds")
	soak    = flag.Duration("soak", 0, "run new seeds for so long")
)

// TestSeeds runs the seeds, some at a time. A failing one tells its number, with
// which it is repeated: go test ./test/faults -run Seeds -seed N.
func TestSeeds(t *testing.T) {
	program.Alone(t)
	const atOnce = 3
	bin := program.Build(t, "-tags", "faults", "-ldflags", "-s -w")
	work := make(chan uint64)
	var all sync.WaitGroup
	for range atOnce {
		all.Go(func() {
			for n := range work {
				t.Run(fmt.Sprint(n), func(t *testing.T) { seed(t, bin, n) })
			}
		})
	}
	for n := range seeds() {
		work <- n
	}
	close(work)
	all.Wait()
}

func seeds() iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		if *oneSeed != 0 {
			yield(*oneSeed)
			return
		}
		if *soak == 0 {
			for n := range uint64(*nSeeds) {
				if !yield(n + 1) {
					return
				}
			}
			return
		}
		for end := time.Now().Add(*soak); time.Now().Before(end); {
			if !yield(rand.Uint64N(1e12)) {
				return
			}
		}
	}
}

func seed(t *testing.T, bin string, n uint64) {
	story, sound := Run(bin, n)
	if !sound {
		t.Errorf("seed %d: %s", n, story)
	} else if testing.Verbose() {
		t.Log(story)
	}
}
