//go:build !faults

package cloud

import "time"

func clock() time.Time { return time.Now() }
