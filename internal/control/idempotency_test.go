package control

import (
	"strings"
	"testing"

	"atoll/internal/cloud"
	"atoll/internal/store"
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

func TestOnceOfAKilledController(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		next := second(t, w.Control)
		ctx := t.Context()
		req := func() *Request { r := *w.root; r.User = &cloud.User{ID: "u", Role: cloud.InstallationAdmin}; return &r }
		begin := func(c *Control, key string) (*Request, *Answer, error) {
			r := req()
			a, err := c.BeginOnce(ctx, r, key, "hash")
			return r, a, err
		}
		create := func(c *Control, r *Request, name string) error {
			return c.CreateLocation(ctx, r, &cloud.Location{Name: name})
		}
		seen := func() {
			t.Helper()
			inTx(t, w.Control, func(tx *store.Tx) error { return tx.SeenController(w.ID, "") })
		}

		// It was killed before it changed anything: the next one does it. If it was
		// only frozen and wakes, it changes nothing.
		seen()
		frozen, a, err := begin(w.Control, "k1")
		if err != nil || a != nil {
			t.Fatalf("first = %v, %v", a, err)
		}
		_, _, err = begin(w.Control, "k1")
		w.fails("the same at the same controller", err, cloud.Conflict)
		if next.DB.Shared() {
			_, _, err = begin(next, "k1")
			w.fails("the same while the controller lives", err, cloud.Conflict)
			w.exec("DELETE FROM controllers")
		}
		r, a, err := begin(next, "k1")
		if err != nil || a != nil {
			t.Fatalf("taken over = %v, %v", a, err)
		}
		w.fails("the frozen one's change", create(w.Control, frozen, "frozen"), cloud.Conflict)
		w.ok(create(next, r, "one"))
		w.ok(w.EndOnce(ctx, frozen, "k1", Answer{201, "frozen"}))
		w.ok(next.EndOnce(ctx, r, "k1", Answer{201, "one"}))
		if _, a, err = begin(next, "k1"); err != nil || a == nil || a.Body != "one" {
			t.Fatalf("answer = %+v, %v", a, err)
		}

		// It was killed between its change and its answer: nobody does it twice.
		seen()
		r, _, err = begin(w.Control, "k2")
		w.ok(err)
		w.ok(create(w.Control, r, "two"))
		w.exec("DELETE FROM controllers")
		_, _, err = begin(next, "k2")
		w.fails("a request that was done", err, cloud.Conflict)
		if !strings.Contains(err.Error(), "location.create two") {
			t.Errorf("%v does not say what was made", err)
		}

		// It failed after a change.
		r, _, err = begin(w.Control, "k3")
		w.ok(err)
		w.ok(create(w.Control, r, "three"))
		w.ok(w.EndOnce(ctx, r, "k3", Answer{}))
		_, _, err = begin(w.Control, "k3")
		w.fails("a request that was done in part", err, cloud.Conflict)

		// It failed before: it may be sent again.
		r, _, err = begin(w.Control, "k4")
		w.ok(err)
		w.ok(w.EndOnce(ctx, r, "k4", Answer{}))
		if _, a, err = begin(next, "k4"); err != nil || a != nil {
			t.Fatalf("after a failure = %v, %v", a, err)
		}
	})
}
