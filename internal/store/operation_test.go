package store_test

import (
	"testing"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
)

// A wake that comes while the operation's step runs, in another controller's
// transaction, must not be lost by the step's own time to wake.
func TestWakeDuringAStep(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		o := &cloud.Operation{ID: cloud.NewID[cloud.OperationID](), Kind: "x", State: cloud.OperationRunning}
		update(t, db, func(tx *store.Tx) error { return tx.CreateOperation(o) })
		set := func(read, next cloud.Time) (at cloud.Time) {
			update(t, db, func(tx *store.Tx) (err error) { at, err = tx.SetWake(o.ID, read, next); return err })
			return at
		}
		if at := set(0, 1000); at != 1000 {
			t.Errorf("it wakes at %d, want 1000", at)
		}
		update(t, db, func(tx *store.Tx) error { return tx.WakeOperation(o.ID) })
		woken := set(1000, 2000)
		if woken == 2000 || woken > cloud.Now().Add(time.Second) {
			t.Errorf("it wakes at %s although it was woken meanwhile", woken.Time())
		}
		if at := set(woken, 3000); at != 3000 {
			t.Errorf("it wakes at %d although the step has seen that it was woken", at)
		}
	})
}

// SQLite's clock is the controller's, which may be set back.
func TestEndLeasesOfOthers(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		dead, me := cloud.NewID[cloud.ControllerID](), cloud.NewID[cloud.ControllerID]()
		far := cloud.Now().Add(time.Hour)
		for _, owner := range []cloud.ControllerID{dead, me} {
			o := &cloud.Operation{ID: cloud.NewID[cloud.OperationID](), Kind: "x", State: cloud.OperationRunning, Owner: owner, Epoch: 1, LeaseUntil: far}
			update(t, db, func(tx *store.Tx) error {
				if err := tx.CreateOperation(o); err != nil {
					return err
				}
				if err := tx.SeenController(owner, ""); err != nil {
					return err
				}
				_, _, err := tx.TakeLease("of "+string(owner), owner, time.Hour)
				return err
			})
		}
		update(t, db, func(tx *store.Tx) error {
			if err := tx.EndLeasesOfOthers(me); err != nil {
				return err
			}
			ops, err := tx.ClaimOperations(me, cloud.Now(), far, 10)
			if err != nil || len(ops) != 1 {
				t.Errorf("claimed %d operations, %v; want the dead controller's", len(ops), err)
			}
			if _, mine, err := tx.TakeLease("of "+string(dead), me, time.Hour); err != nil || !mine {
				t.Errorf("the dead controller's lease: %v, %v", mine, err)
			}
			list, err := tx.ControllersSince(0)
			if err != nil || len(list) != 1 || list[0] != me {
				t.Errorf("controllers %v, %v", list, err)
			}
			return nil
		})
		update(t, db, func(tx *store.Tx) error {
			if _, mine, err := tx.TakeLease("of "+string(me), dead, time.Hour); err != nil || mine {
				t.Errorf("somebody else has my lease: %v, %v", mine, err)
			}
			return nil
		})
	})
}
