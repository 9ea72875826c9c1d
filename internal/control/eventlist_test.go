package control

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
)

func addEvents(t *testing.T, c *Control, n int, e cloud.Event) {
	t.Helper()
	inTx(t, c, func(tx *store.Tx) error {
		for i := range n {
			one := e
			one.SubjectName = fmt.Sprint(i)
			if err := tx.AddEvent(&one); err != nil {
				return err
			}
		}
		return nil
	})
}

func numberAll(t *testing.T, c *Control) {
	t.Helper()
	for n := 1; n > 0; {
		inTx(t, c, func(tx *store.Tx) error {
			list, err := tx.NumberEvents(500)
			n = len(list)
			return err
		})
	}
	c.feed.numbered()
}

func TestEventsAfter(t *testing.T) {
	t.Parallel()
	eachCatalog(t, func(t *testing.T, c *Control) {
		ctx := t.Context()
		mine, me := newTenant(t, c, "mine")
		theirs, _ := newTenant(t, c, "theirs")
		addEvents(t, c, 3, cloud.Event{AccountID: mine, SubjectKind: cloud.KindMachine})
		addEvents(t, c, 700, cloud.Event{AccountID: theirs, SubjectKind: cloud.KindMachine})
		addEvents(t, c, 2, cloud.Event{SubjectKind: cloud.KindNode})
		addEvents(t, c, 1, cloud.Event{AccountID: mine, SubjectKind: cloud.KindImage})
		numberAll(t, c)
		for _, tt := range []struct {
			name  string
			r     *Request
			f     EventFilter
			limit int
			want  int
			next  int64
		}{
			{"mine", me, EventFilter{}, 0, 4, 706},
			{"mine, two", me, EventFilter{}, 2, 2, 2},
			{"mine, images", me, EventFilter{Kinds: []cloud.Kind{cloud.KindImage}}, 0, 1, 706},
			{"theirs, for me", me, EventFilter{Accounts: []cloud.AccountID{theirs}}, 0, 0, 706},
			{"nodes, for me", me, EventFilter{Kinds: []cloud.Kind{cloud.KindNode}}, 0, 0, 706},
			{"nodes, for staff", operator, EventFilter{Kinds: []cloud.Kind{cloud.KindNode}}, 0, 2, 706},
			{"a full page", operator, EventFilter{}, 0, eventPage, eventPage},
			{"theirs, for staff", operator, EventFilter{Accounts: []cloud.AccountID{theirs}}, 10, 10, 13},
		} {
			t.Run(tt.name, func(t *testing.T) {
				list, next, err := c.EventsAfter(ctx, tt.r, 0, tt.f, tt.limit)
				if err != nil || len(list) != tt.want || next != tt.next {
					t.Errorf("EventsAfter() = %d events, next %d, %v; want %d, %d", len(list), next, err, tt.want, tt.next)
				}
			})
		}
		list, _, err := c.Events(ctx, me, store.Query{Sort: "-seq"})
		if err != nil || len(list) != 4 || list[0].Seq != 706 {
			t.Errorf("Events() = %v, %v", list, err)
		}
	})
}

func TestFollowEvents(t *testing.T) {
	t.Parallel()
	eachCatalog(t, func(t *testing.T, c *Control) {
		mine, me := newTenant(t, c, "mine")
		addEvents(t, c, 5, cloud.Event{AccountID: mine})
		numberAll(t, c)
		runLoops(t, c.numberEvents)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var mu sync.Mutex
		seen := map[int64][]int64{} // by where the reader began
		count := func(after int64) int { mu.Lock(); defer mu.Unlock(); return len(seen[after]) }
		var wg sync.WaitGroup
		for _, after := range []int64{0, 3} {
			wg.Go(func() {
				err := c.FollowEvents(ctx, me, Following{After: after, Send: func(list []cloud.Event, _ []Notice) error {
					mu.Lock()
					defer mu.Unlock()
					for _, e := range list {
						seen[after] = append(seen[after], e.Seq)
					}
					return nil
				}, Recheck: func(context.Context) (*Request, error) { return me, nil }})
				if err != nil {
					t.Error(err)
				}
			})
		}
		until(t, "backlog", func() bool { return count(0) == 5 && count(3) == 2 })
		addEvents(t, c, 10, cloud.Event{AccountID: mine})
		addEvents(t, c, 10, cloud.Event{})
		until(t, "live events", func() bool { return count(0) == 15 && count(3) == 12 })
		cancel()
		wg.Wait()
		for i, seq := range seen[0] {
			if seq != int64(i)+1 {
				t.Fatalf("events came as %v", seen[0])
			}
		}
	})
}

func TestFollowEventsEndsWithTheRight(t *testing.T) {
	t.Parallel()
	c := newCatalog(t, storetest.SQLite(t), func(cfg *Config) { cfg.Pace.Rights = 50 * time.Millisecond })
	_, me := newTenant(t, c, "mine")
	revoked := cloud.Errorf(cloud.Unauthenticated, "the token was revoked")
	err := c.FollowEvents(t.Context(), me, Following{
		After: -1, Send: func([]cloud.Event, []Notice) error { return nil },
		Recheck: func(context.Context) (*Request, error) { return nil, revoked },
	})
	wantKind(t, "follow with a revoked token", err, cloud.Unauthenticated)
}

func TestVerifyEvents(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, statement string
		broken          int64
	}{
		{"whole", "", 0},
		{"changed", "UPDATE events SET message = 'nothing happened' WHERE seq = 4", 4},
		{"removed", "DELETE FROM events WHERE seq = 4", 4},
		{"removed first", "DELETE FROM events WHERE seq = 1", 1},
		{"other hash", "UPDATE events SET hash = 'x' WHERE seq = 4", 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachCatalog(t, func(t *testing.T, c *Control) {
				addEvents(t, c, 510, cloud.Event{Message: "x", Difference: []byte(`{"Name":["a","b"]}`)})
				numberAll(t, c)
				if tt.statement != "" {
					storetest.Exec(t, c.DB, tt.statement)
				}
				v, err := c.VerifyEvents(t.Context(), operator)
				if err != nil || v.OK != (tt.broken == 0) || v.Broken != tt.broken {
					t.Errorf("VerifyEvents() = %+v, %v, want broken at %d", v, err, tt.broken)
				}
				if tt.broken == 0 && v.Events != 510 {
					t.Errorf("%d events read", v.Events)
				}
			})
		})
	}
	c := newCatalog(t, storetest.SQLite(t))
	_, me := newTenant(t, c, "mine")
	_, err := c.VerifyEvents(t.Context(), me)
	wantKind(t, "verify by a tenant", err, cloud.Denied)
}
