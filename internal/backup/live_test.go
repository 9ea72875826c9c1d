package backup

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"atoll/internal/blob"
	"atoll/internal/cloud"
	"atoll/internal/store"
)

// TestMain lets the test program be the other process: one that makes a backup
// beside a controller, or a controller that is killed.
func TestMain(m *testing.M) {
	cfg := configFor(os.Getenv("ATOLL_BACKUP_TEST_DATA"))
	var err error
	switch os.Getenv("ATOLL_BACKUP_TEST") {
	case "":
		os.Exit(m.Run())
	case "backup":
		_, err = Create(context.Background(), cfg, os.Getenv("ATOLL_BACKUP_TEST_FILE"), Options{})
	case "controller":
		err = writeForever(cfg)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func child(t *testing.T, what, data, file string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "ATOLL_BACKUP_TEST="+what, "ATOLL_BACKUP_TEST_DATA="+data, "ATOLL_BACKUP_TEST_FILE="+file)
	return cmd
}

var scope = cloud.Scope{Kind: cloud.KindAccount, ID: "somebody"}

// change is one change as control makes them: a blob first, then ledger, event
// and a row that refers to the blob in one transaction.
func change(db *store.DB, blobs *blob.Store, n int64) error {
	ctx := context.Background()
	key := fmt.Sprintf("logs/%06d/0", n)
	if err := blobs.Write(ctx, key, bytes.NewReader([]byte(key))); err != nil {
		return err
	}
	return db.Update(ctx, func(tx *store.Tx) error {
		if err := tx.Post(cloud.Entry{Scope: scope, Resource: cloud.Resources[0], Delta: n, SubjectID: "x", Reason: "test"}); err != nil {
			return err
		}
		if err := tx.AddEvent(&cloud.Event{Action: "test", Message: key}); err != nil {
			return err
		}
		return tx.SetSetting(key, key)
	})
}

func number(db *store.DB) error {
	return db.Update(context.Background(), func(tx *store.Tx) error { _, err := tx.NumberEvents(10); return err })
}

// writeForever makes changes and prints the number of each that was committed.
func writeForever(cfg Config) error {
	db, err := store.Open(context.Background(), cfg.Database, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	blobs, err := blob.Open(context.Background(), cfg.Blobs)
	if err != nil {
		return err
	}
	for n := int64(1); ; n++ {
		if err := change(db, blobs, n); err != nil {
			return err
		}
		if n%3 == 0 {
			if err := number(db); err != nil {
				return err
			}
		}
		fmt.Println(n)
	}
}

// wantConsistent checks a restored installation and returns how many changes it has.
func wantConsistent(t *testing.T, cfg Config) (n int64) {
	t.Helper()
	i := &installation{cfg: cfg}
	i.open(t)
	has := map[string]bool{}
	for e, err := range i.blobs.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		has[e.Key] = true
	}
	for number(i.db) == nil { // what was not numbered yet goes on in the same chain
		left, err := unnumbered(t, i.db)
		if err != nil {
			t.Fatal(err)
		}
		if left == 0 {
			break
		}
	}
	err := i.db.View(t.Context(), func(tx *store.Tx) error {
		bad, err := tx.Unbalanced()
		if err != nil || len(bad) > 0 {
			t.Errorf("balances that differ from their entries: %v, %v", bad, err)
		}
		posted, err := tx.Entries("x")
		if err != nil {
			return err
		}
		events, err := tx.EventsAfter(0, store.Everything, 1<<20)
		if err != nil {
			return err
		}
		if len(events) != len(posted) || len(events) == 0 {
			t.Errorf("%d events and %d entries, want as many", len(events), len(posted))
		}
		prev := ""
		for k := range events {
			e := &events[k]
			if e.Seq != int64(k+1) || e.PrevHash != prev || e.Hash != store.EventHash(e) {
				t.Fatalf("the chain of events breaks at %d: %+v", k+1, e)
			}
			prev = e.Hash
			if v, err := tx.Setting(e.Message); err != nil || v != e.Message || !has[e.Message] {
				t.Errorf("change %s: setting %q, %v, blob %v", e.Message, v, err, has[e.Message])
			}
		}
		n = int64(len(events))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func unnumbered(t *testing.T, db *store.DB) (n int64, err error) {
	err = db.View(t.Context(), func(tx *store.Tx) error {
		posted, err := tx.Entries("x")
		if err != nil {
			return err
		}
		last, err := tx.LastEvent()
		n = int64(len(posted)) - last
		return err
	})
	return n, err
}

func TestBackupWhileTheControllerWrites(t *testing.T) {
	i := newInstallation(t)
	var committed, next atomic.Int64
	stop := make(chan struct{})
	enough := make(chan struct{}) // closed when there is something to back up
	var once sync.Once
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := change(i.db, i.blobs, next.Add(1)); err != nil {
					t.Error(err)
					return
				}
				if committed.Add(1) > 100 {
					once.Do(func() { close(enough) })
				}
			}
		})
	}
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if err := number(i.db); err != nil {
				t.Error(err)
				return
			}
		}
	})
	<-enough
	before := committed.Load()
	file := filepath.Join(t.TempDir(), "backup")
	out, err := child(t, "backup", i.cfg.Data, file).CombinedOutput()
	after := next.Load()
	close(stop)
	wg.Wait()
	if err != nil {
		t.Fatalf("backup: %v\n%s", err, out)
	}
	if after <= before {
		t.Errorf("nothing was written during the backup: the test proves nothing")
	}

	to := configFor(t.TempDir())
	copyKey(t, i.cfg, to)
	r, err := Restore(t.Context(), to, file)
	if err != nil {
		t.Fatal(err)
	}
	if r.KeyUnused || len(r.Missing) != 0 {
		t.Errorf("key unused %v, missing %v", r.KeyUnused, r.Missing)
	}
	if n := wantConsistent(t, to); n < before || n > after {
		t.Errorf("the backup has %d changes, want %d to %d", n, before, after)
	}
}

func TestBackupAfterTheControllerWasKilled(t *testing.T) {
	dir := t.TempDir()
	cmd := child(t, "controller", dir, "")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var committed int64
	for s := bufio.NewScanner(out); committed < 50 && s.Scan(); {
		if _, err := fmt.Sscan(s.Text(), &committed); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait() // says that it was killed
	if info, err := os.Stat(filepath.Join(dir, "atoll.db-wal")); err != nil || info.Size() == 0 {
		t.Fatalf("there is no write-ahead log: %v; the test proves nothing", err)
	}
	i := &installation{cfg: configFor(dir)}
	file, _ := i.backup(t, Options{})
	to := configFor(t.TempDir())
	if _, err := Restore(t.Context(), to, file); err != nil {
		t.Fatal(err)
	}
	if n := wantConsistent(t, to); n < committed || committed < 50 {
		t.Errorf("the backup has %d changes, %d were committed", n, committed)
	}
	if n := wantConsistent(t, i.cfg); n < committed { // the backup took nothing from the original
		t.Errorf("the original has %d changes, %d were committed", n, committed)
	}
}
