package store_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
)

var errTakenBack = errors.New("taken back")

// sequence numbers events as a controller does, but with a lease that changes
// hands all the time, until nothing is left after all was written.
func sequence(ctx context.Context, db *store.DB, me cloud.ControllerID, wrote *atomic.Bool) error {
	for n, last := 0, false; n > 0 || !last; {
		last = wrote.Load()
		err := db.Update(ctx, func(tx *store.Tx) error {
			n = 0
			_, mine, err := tx.TakeLease("sequencer", me, time.Millisecond)
			if err != nil || !mine {
				last = false
				return err
			}
			list, err := tx.NumberEvents(7)
			n = len(list)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Writers commit events in an order that nobody knows, some late and some never;
// two sequencers compete for the lease. Each reader that goes on from the last
// number it saw gets every event once, in order, and no gap.
func TestEventSequenceForConcurrentReaders(t *testing.T) {
	const writers, each, readers = 8, 25, 3
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var mu sync.Mutex
		committed := map[cloud.EventID]bool{}
		var writing, numbering, reading sync.WaitGroup
		for w := range writers {
			random := rand.New(rand.NewPCG(7, uint64(w)))
			writing.Go(func() {
				for range each {
					var ids []cloud.EventID
					back := random.IntN(5) == 0
					err := db.Update(ctx, func(tx *store.Tx) error {
						ids = nil
						for range 1 + random.IntN(3) {
							e := &cloud.Event{Class: cloud.ClassAPI, Action: "x", Outcome: cloud.OutcomeOK, Message: fmt.Sprint(w)}
							if err := tx.AddEvent(e); err != nil {
								return err
							}
							ids = append(ids, e.ID)
							for range random.IntN(8) { // meanwhile others commit newer ids
								if _, err := tx.Setting("x"); err != nil {
									return err
								}
							}
						}
						if back {
							return errTakenBack
						}
						return nil
					})
					if back && errors.Is(err, errTakenBack) {
						continue
					}
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					for _, id := range ids {
						committed[id] = true
					}
					mu.Unlock()
				}
			})
		}
		var wrote, numbered atomic.Bool
		for range 2 {
			me := cloud.NewID[cloud.ControllerID]()
			numbering.Go(func() {
				if err := sequence(ctx, db, me, &wrote); err != nil {
					t.Errorf("number: %v", err)
				}
			})
		}
		seen := make([][]cloud.Event, readers)
		for r := range readers {
			reading.Go(func() {
				for last := int64(0); ; {
					ended := numbered.Load()
					var page []cloud.Event
					err := db.View(ctx, func(tx *store.Tx) (err error) {
						page, err = tx.EventsAfter(last, store.Everything, 5+r)
						return err
					})
					if err != nil {
						t.Error(err)
						return
					}
					for _, e := range page {
						if e.Seq != last+1 {
							t.Errorf("reader %d got %d after %d", r, e.Seq, last)
							return
						}
						last = e.Seq
					}
					seen[r] = append(seen[r], page...)
					if len(page) == 0 && ended {
						return
					}
				}
			})
		}
		writing.Wait()
		wrote.Store(true)
		numbering.Wait()
		numbered.Store(true)
		reading.Wait()
		for r, list := range seen {
			if len(list) != len(committed) || len(list) == 0 {
				t.Errorf("reader %d saw %d events of %d", r, len(list), len(committed))
			}
			wantChain(t, list, committed)
		}
	})
}

// wantChain checks that the events are chained and were all committed.
func wantChain(t *testing.T, list []cloud.Event, committed map[cloud.EventID]bool) {
	t.Helper()
	prev := ""
	for i := range list {
		e := &list[i]
		if !committed[e.ID] || e.PrevHash != prev || e.Hash != store.EventHash(e) {
			t.Fatalf("event %d: committed %v, chained to %q after %q", e.Seq, committed[e.ID], e.PrevHash, prev)
		}
		prev = e.Hash
	}
}
