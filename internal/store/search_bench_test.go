package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
)

// searched is a store with 20,000 machines, each with a disk, in 200 accounts.
func searched(b *testing.B) (*store.DB, cloud.AccountID) {
	b.Helper()
	db := storetest.SQLite(b)
	var one cloud.AccountID
	ok := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	home := &cloud.Location{ID: cloud.NewID[cloud.LocationID](), Name: "home"}
	ok(db.Update(context.Background(), func(tx *store.Tx) error { return tx.CreateLocation(home) }))
	for i := range 200 {
		ok(db.Update(context.Background(), func(tx *store.Tx) error {
			a := &cloud.Account{ID: cloud.NewID[cloud.AccountID](), Name: fmt.Sprintf("account-%03d", i), State: cloud.AccountActive}
			one = a.ID
			s := &cloud.Cloudspace{ID: cloud.NewID[cloud.CloudspaceID](), AccountID: a.ID, LocationID: home.ID, Name: "prod", NetworkNum: int64(i)}
			errs := []error{tx.CreateAccount(a), tx.CreateCloudspace(s)}
			for j := range 100 {
				m := &cloud.Machine{
					ID: cloud.NewID[cloud.MachineID](), AccountID: a.ID, CloudspaceID: s.ID, Name: fmt.Sprintf("web-%03d-%02d", i, j),
					State: cloud.MachineRunning, Address: fmt.Sprintf("10.0.0.%d", j+2), MAC: fmt.Sprintf("02:00:00:00:%02x:%02x", i, j),
				}
				d := &cloud.Disk{ID: cloud.NewID[cloud.DiskID](), AccountID: a.ID, CloudspaceID: s.ID, MachineID: m.ID, Name: m.Name + "-boot"}
				errs = append(errs, tx.CreateMachine(m), tx.CreateDisk(d))
			}
			return errors.Join(errs...)
		}))
	}
	return db, one
}

// BenchmarkSearch searches 20,000 machines and as many disks: as an operator, and as
// somebody who sees one account of 200.
func BenchmarkSearch(b *testing.B) {
	db, account := searched(b)
	for who, v := range map[string]store.Visibility{"operator": store.Everything, "tenant": {Accounts: []cloud.AccountID{account}}} {
		kinds := map[cloud.Kind]store.Visibility{}
		for _, k := range store.SearchKinds() {
			kinds[k] = v
		}
		for _, tt := range []struct{ name, text string }{
			{"prefix", "web-1"}, {"all", "web"}, {"middle", "199-42"}, {"nothing", "nowhere"}, {"id", string(cloud.NewID[cloud.MachineID]())},
		} {
			b.Run(who+"/"+tt.name, func(b *testing.B) {
				for b.Loop() {
					err := db.View(context.Background(), func(tx *store.Tx) error {
						_, _, err := tx.Search(store.Search{Text: tt.text, Limit: 8, Kinds: kinds})
						return err
					})
					if err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
