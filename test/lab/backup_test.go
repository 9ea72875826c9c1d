package lab

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"path"
	"path/filepath"
	"sync"
	"testing"

	"atoll/internal/backup"
	"atoll/internal/blob"
	"atoll/internal/cloud"
	"atoll/internal/control"
	"atoll/internal/sal/sim"
	"atoll/internal/store"
)

// A backup that is taken while users make, change and delete machines as fast as
// they can is a sound cloud: nothing is stuck without an operation that goes on,
// ledger and objects agree, the chain of events holds, and each blob is there.
func TestBackupUnderLoadRestoresASoundCloud(t *testing.T) {
	dir := t.TempDir()
	cfg := backup.Config{Data: dir, Database: "sqlite:" + filepath.Join(dir, "atoll.db")}
	db, err := store.Open(t.Context(), cfg.Database, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	l := New(t, db, 3, sim.Config{Seed: 5})
	cfg.Blobs, cfg.KeyFile = l.blobs, l.key
	l.image("disk")
	var users sync.WaitGroup
	for w := range uint64(4) {
		users.Go(func() { l.user(rand.New(rand.NewPCG(5, w)), 30) })
	}
	l.Until("some machines", func() bool { return len(l.machines()) >= 3 })
	var files []string
	for range 3 {
		file := filepath.Join(t.TempDir(), "backup")
		if _, err := backup.Create(t.Context(), cfg, file, backup.Options{WithImages: true}); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	users.Wait()
	busy := 0
	for _, file := range files {
		busy += l.restoredIsSound(file)
	}
	if busy == 0 {
		t.Error("no operation was under way in any backup: the test proves nothing")
	}
}

// restoredIsSound restores a backup and returns how many machines were being
// changed in it.
func (l *Lab) restoredIsSound(file string) (busy int) {
	t := l.T
	dir := filepath.Join(t.TempDir(), "new")
	to := backup.Config{Data: dir, Database: "sqlite:" + filepath.Join(dir, "atoll.db"), Blobs: "file://" + filepath.Join(dir, "blobs"), KeyFile: l.key}
	r, err := backup.Restore(t.Context(), to, file)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Missing) > 0 {
		t.Errorf("blobs are missing: %v", r.Missing)
	}
	db, err := store.Open(t.Context(), to.Database, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	blobs, err := blob.Open(t.Context(), to.Blobs)
	if err != nil {
		t.Fatal(err)
	}
	defer blobs.Close() //nolint:errcheck // nothing is under way
	keys, err := control.OpenKeys(t.Context(), db, to.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	c, err := control.New(t.Context(), control.Config{DB: db, Blobs: blobs, Keys: keys, Log: l.Log})
	if err != nil {
		t.Fatal(err)
	}
	restored := &Lab{T: t, Admin: l.Admin, Controller: &Controller{DB: db, Control: c}}
	u, err := c.Soundness(t.Context())
	if err != nil || len(u.Stuck)+len(u.Unbalanced) > 0 {
		t.Errorf("%+v, %v; want nothing that is stuck, and balances that are what their entries sum up to", u, err)
	}
	for _, m := range restored.machines() {
		if m.State != cloud.MachineRunning && m.State != cloud.MachineStopped {
			busy++
			continue
		}
		restored.holds(&m)
	}
	image, err := c.Image(t.Context(), l.Admin, "", "disk")
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for e, err := range blobs.List(t.Context(), "") {
		if err != nil || e.Size == 0 {
			t.Errorf("blob %s: %d bytes, %v", e.Key, e.Size, err)
		}
		found = found || path.Base(e.Key) == image.SHA256
	}
	if !found {
		t.Error("the image has no file")
	}
	err = db.Update(context.WithoutCancel(t.Context()), func(tx *store.Tx) error { _, err := tx.NumberEvents(1 << 20); return err })
	if err != nil {
		t.Fatal(err)
	}
	if v, err := c.VerifyEvents(t.Context(), l.Admin); err != nil || !v.OK || v.Events == 0 {
		t.Errorf("events: %+v, %v", v, err)
	}
	return busy
}

// holds checks that the ledger has for a machine at rest what the machine has.
func (l *Lab) holds(m *cloud.Machine) {
	l.T.Helper()
	holds := map[cloud.Resource]int64{}
	err := l.DB.View(l.T.Context(), func(tx *store.Tx) error {
		entries, err := tx.Entries(string(m.ID))
		for _, e := range entries {
			if e.Scope.Kind == cloud.KindAccount {
				holds[e.Resource] += e.Delta
			}
		}
		return err
	})
	if err != nil {
		l.T.Fatal(err)
	}
	should := map[cloud.Resource]int64{cloud.ResourceMachines: 1, cloud.ResourceVCPUs: m.VCPUs, cloud.ResourceMemoryMiB: m.MemoryMiB, cloud.ResourceDiskGiB: m.DiskGiB}
	if m.State == cloud.MachineRunning {
		should[cloud.ResourceRunningVCPUs], should[cloud.ResourceRunningMemoryMiB] = m.VCPUs, m.MemoryMiB
	}
	for _, r := range cloud.Resources {
		if holds[r] != should[r] {
			l.T.Errorf("%s machine %s holds %d %s, want %d", m.State, m.Name, holds[r], r, should[r])
		}
	}
}
