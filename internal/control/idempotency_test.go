package control

import (
	"strings"
	"sync"
	"testing"

	"atoll/internal/cloud"
)

// second returns another controller on the store of the first.
func second(t *testing.T, c *Control) *Control {
	t.Helper()
	cfg := c.Config
	cfg.ID = ""
	other, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return other
}

func TestOnceAcrossControllers(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		next := second(t, w.Control)
		ctx := t.Context()
		t.Cleanup(func() { w.Settle(); next.Settle() })
		begin := func(c *Control, key string) (*Request, *Answer, error) {
			r := *w.root
			r.User = &cloud.User{ID: "u", Role: cloud.InstallationAdmin}
			a, err := c.BeginOnce(ctx, &r, key, "hash")
			return &r, a, err
		}
		create := func(c *Control, r *Request, name string) error {
			return c.CreateLocation(ctx, r, &cloud.Location{Name: name})
		}

		// One was killed, or froze, before it changed anything: the next one does it,
		// and should the first wake, it changes nothing.
		frozen, a, err := begin(w.Control, "k1")
		if err != nil || a != nil {
			t.Fatalf("first = %v, %v", a, err)
		}
		r, a, err := begin(next, "k1")
		if err != nil || a != nil {
			t.Fatalf("second = %v, %v", a, err)
		}
		w.ok(create(next, r, "one"))
		w.fails("the frozen one's change", create(w.Control, frozen, "frozen"), cloud.Conflict)
		next.EndOnce(ctx, r, Answer{201, "one"})
		if _, a, err = begin(next, "k1"); err != nil || a == nil || a.Body != "one" {
			t.Errorf("answer on its way = %+v, %v", a, err)
		}
		next.Settle()
		if _, a, err = begin(w.Control, "k1"); err != nil || a == nil || a.Body != "one" {
			t.Errorf("stored answer = %+v, %v", a, err)
		}
		r2 := *r
		_, err = next.BeginOnce(ctx, &r2, "k1", "other hash")
		w.fails("another request", err, cloud.Invalid)

		// One was killed between its change and its answer: nobody does it twice.
		r, _, err = begin(w.Control, "k2")
		w.ok(err)
		w.ok(create(w.Control, r, "two"))
		w.ok(create(w.Control, r, "two-and-a-half")) // one request may make several
		_, _, err = begin(next, "k2")
		w.fails("a request that was done", err, cloud.Conflict)
		if !strings.Contains(err.Error(), "location.create two") {
			t.Errorf("%v does not say what was made", err)
		}

		// It failed before it changed anything: it may be sent again.
		r, _, err = begin(w.Control, "k3")
		w.ok(err)
		w.fails("a name that is taken", create(w.Control, r, "one"), cloud.Conflict)
		if _, a, err = begin(next, "k3"); err != nil || a != nil {
			t.Errorf("after a failure = %v, %v", a, err)
		}
	})
}

func TestOnceAtTheSameTime(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		next := second(t, w.Control)
		begun := make([]*Request, 8)
		for i := range begun {
			r := *w.root
			r.User = &cloud.User{ID: "u", Role: cloud.InstallationAdmin}
			_, err := []*Control{w.Control, next}[i%2].BeginOnce(t.Context(), &r, "k", "hash")
			w.ok(err)
			begun[i] = &r
		}
		var wg sync.WaitGroup
		errs := make([]error, len(begun))
		for i, r := range begun {
			wg.Go(func() {
				c := []*Control{w.Control, next}[i%2]
				errs[i] = c.CreateLocation(t.Context(), r, &cloud.Location{Name: "same-" + string(rune('a'+i))})
			})
		}
		wg.Wait()
		made := 0
		for _, err := range errs {
			if err == nil {
				made++
				continue
			}
			w.fails("the slower one", err, cloud.Conflict)
		}
		if made != 1 {
			t.Errorf("%d of 8 requests with one key were done", made)
		}
	})
}
