package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
)

func update(t *testing.T, db *store.DB, fn func(tx *store.Tx) error) {
	t.Helper()
	if err := db.Update(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func TestUpdateUndoesOnlyTheFailedCaller(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		var wg sync.WaitGroup
		errs := make([]error, 60)
		for i := range errs {
			wg.Go(func() {
				errs[i] = db.Update(context.Background(), func(tx *store.Tx) error {
					if err := tx.SetSetting(fmt.Sprint("k", i), "v"); err != nil {
						return err
					}
					if i%3 == 0 {
						return errors.New("no")
					}
					return nil
				})
			})
		}
		wg.Wait()
		err := db.View(t.Context(), func(tx *store.Tx) error {
			for i := range errs {
				v, err := tx.Setting(fmt.Sprint("k", i))
				if err != nil {
					return err
				}
				if failed := i%3 == 0; (v == "") != failed || (errs[i] != nil) != failed {
					t.Errorf("setting %d = %q with error %v", i, v, errs[i])
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestUpdatePanicReachesItsCaller(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		func() {
			defer func() {
				if r := recover(); r != "boom" {
					t.Errorf("recover() = %v, want boom", r)
				}
			}()
			db.Update(t.Context(), func(tx *store.Tx) error {
				if err := tx.SetSetting("a", "1"); err != nil {
					return err
				}
				panic("boom")
			})
		}()
		update(t, db, func(tx *store.Tx) error {
			v, err := tx.Setting("a")
			if v != "" {
				t.Errorf("the panicking caller's write stayed: %q", v)
			}
			return err
		})
	})
}

func TestNamesAreUniqueAmongLiveRows(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		add := func() error {
			return db.Update(t.Context(), func(tx *store.Tx) error {
				return tx.CreateLocation(&cloud.Location{ID: cloud.NewID[cloud.LocationID](), Name: "home"})
			})
		}
		if err := add(); err != nil {
			t.Fatal(err)
		}
		if err := add(); !store.IsTaken(err, "name") {
			t.Fatalf("second create = %v, want a conflict on name", err)
		}
		update(t, db, func(tx *store.Tx) error {
			l, err := tx.LocationNamed("home")
			if err != nil {
				return err
			}
			l.DeletedAt = cloud.Now()
			return tx.UpdateLocation(l)
		})
		if err := add(); err != nil {
			t.Fatalf("create after delete: %v", err)
		}
	})
}

func TestUpdateRefusesAStaleVersion(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		l := &cloud.Location{ID: cloud.NewID[cloud.LocationID](), Name: "home"}
		update(t, db, func(tx *store.Tx) error { return tx.CreateLocation(l) })
		stale := *l
		update(t, db, func(tx *store.Tx) error { l.Description = "first"; return tx.UpdateLocation(l) })
		err := db.Update(t.Context(), func(tx *store.Tx) error { stale.Description = "second"; return tx.UpdateLocation(&stale) })
		if !cloud.Is(err, cloud.Conflict) {
			t.Fatalf("stale update = %v, want a conflict", err)
		}
	})
}

func TestListPagesAreCompleteInBothOrders(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		var want []string
		update(t, db, func(tx *store.Tx) error {
			loc := &cloud.Location{ID: cloud.NewID[cloud.LocationID](), Name: "home"}
			if err := tx.CreateLocation(loc); err != nil {
				return err
			}
			for i := range 25 {
				n := &cloud.Node{ID: cloud.NewID[cloud.NodeID](), Name: fmt.Sprintf("n-%02d", (i*7)%25), LocationID: loc.ID, CPUOvercommit: 100}
				if err := tx.CreateNode(n); err != nil {
					return err
				}
			}
			return nil
		})
		for i := range 25 {
			want = append(want, fmt.Sprintf("n-%02d", i))
		}
		for _, sort := range []string{"name", "-name"} {
			var got []string
			q := store.Query{Limit: 4, Sort: sort, Visible: store.Everything}
			for {
				var page []cloud.Node
				update(t, db, func(tx *store.Tx) (err error) { page, q.Cursor, err = tx.Nodes(q); return err })
				for _, n := range page {
					got = append(got, n.Name)
				}
				if q.Cursor == "" {
					break
				}
			}
			expect := append([]string(nil), want...)
			if sort == "-name" {
				for i, j := 0, len(expect)-1; i < j; i, j = i+1, j-1 {
					expect[i], expect[j] = expect[j], expect[i]
				}
			}
			if d := cmp.Diff(expect, got); d != "" {
				t.Errorf("sort %s (-want +got):\n%s", sort, d)
			}
		}
	})
}

func TestListRefusesWhatIsNotDeclared(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for _, q := range []store.Query{
			{Sort: "facts"},
			{Filter: []string{"version=1"}},
			{Filter: []string{"name"}},
			{Limit: -1},
			{Limit: store.MaxLimit + 1},
			{Cursor: "nonsense"},
			{Cursor: "e30"},
		} {
			err := db.View(t.Context(), func(tx *store.Tx) error { _, _, err := tx.Nodes(q); return err })
			if !cloud.Is(err, cloud.Invalid) {
				t.Errorf("Nodes(%+v) = %v, want invalid", q, err)
			}
		}
	})
}

func TestLedgerNeverPassesTheLimit(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		scope := cloud.Scope{Kind: cloud.KindAccount, ID: "a"}
		update(t, db, func(tx *store.Tx) error { return tx.SetLimit(scope, cloud.ResourceVCPUs, 10) })
		var wg sync.WaitGroup
		var mu sync.Mutex
		taken := 0
		for range 30 {
			wg.Go(func() {
				err := db.Update(context.Background(), func(tx *store.Tx) error {
					return tx.Post(cloud.Entry{Scope: scope, Resource: cloud.ResourceVCPUs, Delta: 1, Reason: "create"})
				})
				if err == nil {
					mu.Lock()
					taken++
					mu.Unlock()
				} else if !cloud.Is(err, cloud.Quota) {
					t.Errorf("Post = %v, want quota", err)
				}
			})
		}
		wg.Wait()
		update(t, db, func(tx *store.Tx) error {
			b, err := tx.Balance(scope, cloud.ResourceVCPUs)
			if err != nil {
				return err
			}
			if b.Amount != 10 || taken != 10 {
				t.Errorf("balance %d after %d successes, want 10", b.Amount, taken)
			}
			bad, err := tx.Unbalanced()
			if len(bad) > 0 {
				t.Errorf("unbalanced: %+v", bad)
			}
			return err
		})
	})
}

func TestEventsAreNumberedWithoutGapsAndChained(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for range 7 {
			update(t, db, func(tx *store.Tx) error {
				return tx.AddEvent(&cloud.Event{Class: cloud.ClassAPI, Action: "x", Outcome: cloud.OutcomeOK, AccountID: "a"})
			})
		}
		for range 3 {
			update(t, db, func(tx *store.Tx) error { _, err := tx.NumberEvents(3); return err })
		}
		update(t, db, func(tx *store.Tx) error {
			list, err := tx.EventsAfter(0, store.Everything, 100)
			if len(list) != 7 {
				t.Fatalf("%d events, want 7", len(list))
			}
			prev := ""
			for i, e := range list {
				if e.Seq != int64(i+1) || e.PrevHash != prev || e.Hash != store.EventHash(&e) {
					t.Errorf("event %d: seq %d, chain broken", i, e.Seq)
				}
				prev = e.Hash
			}
			return err
		})
	})
}

func TestJobsAreLeasedOnceAndFenced(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		j := &cloud.Job{ID: cloud.NewID[cloud.JobID](), Action: cloud.ActionNoop, TargetNode: "n", Key: "k"}
		j.Normalise()
		other := *j
		other.ID = cloud.NewID[cloud.JobID]()
		update(t, db, func(tx *store.Tx) error { return tx.InsertJobs([]*cloud.Job{j, &other}) })
		lease := func(id cloud.JobID) bool {
			var got map[cloud.JobID]bool
			update(t, db, func(tx *store.Tx) (err error) {
				got, err = tx.LeaseJobs([]store.Lease{{ID: id, NodeID: "n", Token: 1, Attempt: 1, At: 1, Keyed: true}})
				return err
			})
			return got[id]
		}
		if !lease(j.ID) || lease(j.ID) {
			t.Fatal("a job must be leased exactly once")
		}
		if lease(other.ID) {
			t.Fatal("a job was leased while another of its key is held")
		}
		finish := func(token int64) int {
			var done []cloud.Job
			update(t, db, func(tx *store.Tx) (err error) {
				done, err = tx.FinishJobs([]store.Finish{{JobRef: store.JobRef{ID: j.ID, Token: token}, NodeID: "n", State: cloud.JobSucceeded, Output: "hi", FinishedAt: 5}})
				return err
			})
			return len(done)
		}
		if finish(0) != 0 {
			t.Error("a stale token was taken")
		}
		update(t, db, func(tx *store.Tx) error { return tx.AckJobs([]store.JobRef{{ID: j.ID, Token: 1}}, 3) })
		if finish(1) != 1 || finish(1) != 0 {
			t.Error("a result must be taken exactly once")
		}
		if !lease(other.ID) {
			t.Error("the key is free again and the job was not leased")
		}
		update(t, db, func(tx *store.Tx) error {
			got, err := tx.Job(j.ID)
			if got.State != cloud.JobSucceeded || got.Output != "hi" || got.StartedAt != 3 {
				t.Errorf("job = %+v", got)
			}
			return err
		})
	})
}

func TestOpenRefusesANewerSchemaAndASecondController(t *testing.T) {
	file := t.TempDir() + "/atoll.db"
	db, err := store.Open(t.Context(), "sqlite:"+file, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(t.Context(), "sqlite:"+file, nil); !cloud.Is(err, cloud.Conflict) {
		t.Errorf("second open = %v, want a conflict", err)
	}
	storetest.Exec(t, db, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)")
	db.Close()
	if _, err := store.Open(t.Context(), "sqlite:"+file, nil); err == nil {
		t.Error("a newer schema was opened")
	}
}

func TestNodesByRole(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		update(t, db, func(tx *store.Tx) error {
			err := tx.CreateLocation(&cloud.Location{ID: "here", Name: "here"})
			for name, roles := range map[string][]cloud.Role{"both": {cloud.RoleCompute, cloud.RoleNetwork}, "one": {cloud.RoleNetwork}} {
				n := &cloud.Node{ID: cloud.NewID[cloud.NodeID](), Name: name, LocationID: "here", Roles: roles, State: cloud.NodeOnline}
				err = errors.Join(err, tx.CreateNode(n))
			}
			return err
		})
		for filter, want := range map[string]string{"role=compute": "both", "role!=compute": "one", "role=comp": "", "role=network": "both one"} {
			var names []string
			err := db.View(t.Context(), func(tx *store.Tx) error {
				list, _, err := tx.Nodes(store.Query{Visible: store.Everything, Filter: []string{filter}, Sort: "name"})
				for _, n := range list {
					names = append(names, n.Name)
				}
				return err
			})
			if got := strings.Join(names, " "); err != nil || got != want {
				t.Errorf("%s: %q, %v, want %q", filter, got, err, want)
			}
		}
	})
}
