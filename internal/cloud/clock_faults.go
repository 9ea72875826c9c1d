//go:build faults

package cloud

import (
	"os"
	"sync"
	"time"
)

// clock is wrong by what the environment says (ATOLL_FAULT_CLOCK=-10m), in the
// build that test/faults breaks things with.
func clock() time.Time { return time.Now().Add(wrongBy()) }

var wrongBy = sync.OnceValue(func() time.Duration {
	d, err := time.ParseDuration(os.Getenv("ATOLL_FAULT_CLOCK"))
	if err != nil {
		return 0
	}
	return d
})
