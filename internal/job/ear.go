package job

import (
	"time"

	"atoll/internal/cloud"
)

// Ear tells how long its controller has listened to nodes without a break. Nobody
// is silent to one that was not there: not after its start, not after it was
// frozen or its database was away, and not after its clock was set. The zero value
// begins with its first use.
type Ear struct {
	at    cloud.Time // by the database's clock, which may be set
	began time.Time  // the same moment by one that goes on
	last  time.Time  // when it was used
}

// clockSlack is by how much the two clocks may differ before one was set.
const clockSlack = 5 * time.Second

// Listened returns for how long it has listened, at the database's time now. It is
// called again and again; longer than gap between two calls is a break.
func (e *Ear) Listened(now cloud.Time, gap time.Duration) time.Duration {
	off := now.Sub(e.at) - time.Since(e.began)
	if time.Since(e.last) > gap || off > clockSlack || off < -clockSlack {
		e.at, e.began = now, time.Now()
	}
	e.last = time.Now()
	return time.Since(e.began)
}
