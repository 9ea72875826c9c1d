package rest

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"atoll/internal/cloud"
)

// limiter is a token bucket for each key. Its memory is bounded.
type limiter struct {
	rate Rate
	mu   sync.Mutex
	keys map[string]*rate.Limiter
}

// maxLimited is how many keys are remembered.
const maxLimited = 20_000

func newLimiter(r Rate) *limiter { return &limiter{rate: r, keys: map[string]*rate.Limiter{}} }

// take takes one from the key's bucket; RateLimited if it is empty.
func (l *limiter) take(key, whose string) error {
	res := l.bucket(key).Reserve()
	wait := res.Delay()
	if wait == 0 {
		return nil
	}
	res.Cancel()
	e := cloud.Errorf(cloud.RateLimited, "too many requests %s: %g per second are allowed", whose, l.rate.PerSecond)
	e.RetryAfter = max(wait, time.Second)
	return e
}

func (l *limiter) bucket(key string) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b := l.keys[key]; b != nil {
		return b
	}
	if len(l.keys) >= maxLimited {
		l.shrink()
	}
	b := rate.NewLimiter(rate.Limit(l.rate.PerSecond), l.rate.Burst)
	l.keys[key] = b
	return b
}

// shrink forgets the buckets that are full again; if there are too many others,
// some of them.
func (l *limiter) shrink() {
	for k, b := range l.keys {
		if b.Tokens() >= float64(l.rate.Burst) {
			delete(l.keys, k)
		}
	}
	for k := range l.keys {
		if len(l.keys) < maxLimited*3/4 {
			return
		}
		delete(l.keys, k)
	}
}
