package store_test

import (
	"context"
	"testing"

	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
)

// BenchmarkView reads one job in a transaction of its own.
func BenchmarkView(b *testing.B) {
	db := storetest.SQLite(b)
	j := &cloud.Job{ID: cloud.NewID[cloud.JobID](), Action: cloud.ActionNoop, TargetNode: "n"}
	j.Normalise()
	if err := db.Update(context.Background(), func(tx *store.Tx) error { return tx.InsertJobs([]*cloud.Job{j}) }); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := db.View(context.Background(), func(tx *store.Tx) error { _, err := tx.Job(j.ID); return err }); err != nil {
			b.Fatal(err)
		}
	}
}
