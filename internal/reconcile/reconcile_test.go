package reconcile

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestLoopRunsOnTimerAndOnSignalWhileItHasTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mine atomic.Bool
		mine.Store(true)
		r := New(func(context.Context, string, time.Duration) (bool, error) { return mine.Load(), nil }, slog.New(slog.DiscardHandler))
		var runs atomic.Int64
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			r.Run(ctx, Loop{Name: "a", Period: time.Minute, Do: func(context.Context) error {
				if runs.Add(1) == 2 {
					return errors.New("no")
				}
				return nil
			}})
		})
		synctest.Wait()
		for i, step := range []func(){
			func() {},
			func() { time.Sleep(time.Minute) },
			func() { r.Signal("a") },
			func() { r.Signal("unknown") },
		} {
			step()
			synctest.Wait()
			if want := []int64{1, 2, 3, 3}[i]; runs.Load() != want {
				t.Errorf("after step %d: %d runs, want %d", i, runs.Load(), want)
			}
		}
		s := r.States()
		if len(s) != 1 || s[0].Runs != 3 || s[0].Errors != 1 || s[0].LastErr != "" {
			t.Errorf("states = %+v", s)
		}
		mine.Store(false)
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if runs.Load() != 3 {
			t.Errorf("it ran without the lease")
		}
		cancel()
		wg.Wait()
	})
}
