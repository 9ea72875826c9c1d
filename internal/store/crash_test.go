package store

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/store/pgtest"
)

// TestMain lets the test program be a controller's process that is killed.
func TestMain(m *testing.M) {
	url := os.Getenv("ATOLL_STORE_TEST_URL")
	if url == "" {
		os.Exit(m.Run())
	}
	if err := writeForever(url); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// writeForever commits numbered changes and prints "NUMBER SIZE" after each, with
// the size of SQLite's log, which only grows in the lives of these tests.
func writeForever(url string) error {
	db, err := Open(context.Background(), url, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	var writers, first int64
	if _, err := fmt.Sscan(os.Getenv("ATOLL_STORE_TEST_WRITERS"), &writers, &first); err != nil {
		return err
	}
	file, _ := SQLiteFile(url)
	var mu sync.Mutex // of standard output
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for n := first + w; err == nil; n += writers {
				if change := db.Update(context.Background(), func(tx *Tx) error { return numbered(tx, n) }); change != nil {
					err = change
					return
				}
				var size int64
				if info, err := os.Stat(file + "-wal"); err == nil {
					size = info.Size()
				}
				mu.Lock()
				fmt.Println(n, size)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return err
}

var crashScope = cloud.Scope{Kind: cloud.KindAccount, ID: "somebody"}

// numbered is a change in four tables, some pages long.
func numbered(tx *Tx, n int64) error {
	name := fmt.Sprint("change ", n)
	return errors.Join(
		tx.SetSetting(name, name+strings.Repeat(" and more", int(n*37%1500))),
		tx.Post(cloud.Entry{Scope: crashScope, Resource: cloud.ResourceVCPUs, Delta: 1, SubjectID: name, Reason: "test"}),
		tx.AddEvent(&cloud.Event{Action: "test", Message: name}),
	)
}

// changes returns the numbers of the changes that are in the database, each of
// which must be there in whole.
func changes(t *testing.T, db *DB) map[int64]bool {
	t.Helper()
	found := map[string]int{}
	for _, query := range []string{
		"SELECT substr(value, 1, length(key)) FROM settings WHERE key LIKE 'change %'",
		"SELECT subject_id FROM entries WHERE subject_id LIKE 'change %'",
		"SELECT message FROM events WHERE message LIKE 'change %'",
	} {
		for _, name := range scanStrings(t, db, query) {
			found[name]++
		}
	}
	out := map[int64]bool{}
	for name, n := range found {
		var number int64
		if _, err := fmt.Sscanf(name, "change %d", &number); err != nil || n != 3 {
			t.Errorf("%q is in %d of 3 tables, %v", name, n, err)
		}
		out[number] = true
	}
	err := db.View(t.Context(), func(tx *Tx) error {
		b, err := tx.Balance(crashScope, cloud.ResourceVCPUs)
		if err == nil && b.Amount != int64(len(out)) {
			t.Errorf("balance %d after %d changes", b.Amount, len(out))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if db.d.sqlite {
		if err := db.Verify(t.Context()); err != nil {
			t.Error(err)
		}
	}
	return out
}

// commit is a change that was acknowledged, and the size of the log then.
type commit struct{ number, size int64 }

// kill runs a process that writes, kills it at a random moment after it
// acknowledged some changes, and returns all that it acknowledged.
func kill(t *testing.T, url string, writers int, first int64, acknowledged int, after time.Duration) (list []commit) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "ATOLL_STORE_TEST_URL="+url, fmt.Sprint("ATOLL_STORE_TEST_WRITERS=", writers, " ", first))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var c commit
		if _, err := fmt.Sscan(lines.Text(), &c.number, &c.size); err != nil {
			t.Fatalf("%q: %v", lines.Text(), err)
		}
		if list = append(list, c); len(list) == acknowledged {
			time.AfterFunc(after, func() { cmd.Process.Kill() })
		}
	}
	cmd.Wait()
	if cmd.ProcessState.ExitCode() != -1 {
		t.Fatalf("the writer ended: %v", cmd.ProcessState)
	}
	return list
}

func TestKillDuringCommit(t *testing.T) {
	for name, tt := range map[string]struct {
		url   string
		lives int
	}{
		"sqlite":   {"sqlite:" + t.TempDir() + "/atoll.db", 20},
		"postgres": {pgtest.DSN(t), 10},
	} {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, 2))
			acknowledged := map[int64]bool{}
			for life := range tt.lives {
				list := kill(t, tt.url, 8, int64(life+1)*1_000_000, 1+random.IntN(60), time.Duration(random.IntN(5000))*time.Microsecond)
				for _, c := range list {
					acknowledged[c.number] = true
				}
				if life%2 == 0 {
					continue // the next life finds the log as it was left
				}
				db, err := Open(t.Context(), tt.url, slog.New(slog.DiscardHandler))
				if err != nil {
					t.Fatalf("life %d: %v", life, err)
				}
				has := changes(t, db)
				for n := range acknowledged {
					if !has[n] {
						t.Fatalf("life %d: change %d was acknowledged and is lost", life, n)
					}
				}
				db.Close()
			}
			t.Logf("%d lives, %d changes acknowledged", tt.lives, len(acknowledged))
		})
	}
}

// copyTorn copies a database with its log damaged.
func copyTorn(t *testing.T, file string, log []byte) (url string) {
	t.Helper()
	to := filepath.Join(t.TempDir(), "atoll.db")
	body, err := os.ReadFile(file)
	if err == nil {
		err = errors.Join(os.WriteFile(to, body, 0o600), os.WriteFile(to+"-wal", log, 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
	return "sqlite:" + to
}

// damage returns the log damaged at the place, and how many of its first bytes
// are as they were.
func damage(log []byte, how string, at int64, random *rand.Rand) (torn []byte, good int64) {
	if how == "cut" {
		return log[:at], at
	}
	torn, good = append([]byte(nil), log...), at
	if how == "flipped" {
		torn[at] ^= 1 << random.IntN(8)
		return torn, good
	}
	end := min(int64(len(torn)), at+1+random.Int64N(8192))
	for i := at; i < end; i++ {
		if torn[i] != 0 {
			torn[i] = 0
		} else if good == i {
			good = i + 1
		}
	}
	if good == end { // all of it was zero before
		good = int64(len(torn))
	}
	return torn, good
}

// What is written below is what docs/backup.md promises: from the first damaged
// byte of the log on nothing is there, everything before it is, and never a part
// of a change.
func TestTornLog(t *testing.T) {
	const header, frameHeader = 32, 24
	file := filepath.Join(t.TempDir(), "atoll.db")
	db, err := Open(t.Context(), "sqlite:"+file, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil { // the schema is in the file; the log begins with the first change
		t.Fatal(err)
	}
	list := kill(t, "sqlite:"+file, 1, 1, 120, time.Millisecond)
	log, err := os.ReadFile(file + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	frame := frameHeader + int64(binary.BigEndian.Uint32(log[8:]))
	last := list[len(list)-1]
	for _, c := range list {
		if (c.size-header)%frame != 0 || c.size > int64(len(log)) {
			t.Fatalf("the log had %d bytes after change %d, which is not a number of frames of %d", c.size, c.number, frame)
		}
	}
	random := rand.New(rand.NewPCG(3, 4))
	for try := range 60 {
		at := random.Int64N(last.size)
		if try < 3 {
			at = int64(try) * 13 // in the header
		}
		how := []string{"cut", "flipped", "zeroed"}[try%3]
		torn, good := damage(log, how, at, random)
		var want int64
		for _, c := range list {
			if c.size <= good-max(0, good-header)%frame && good >= header {
				want = c.number
			}
		}
		t.Run(fmt.Sprintf("%s at %d", how, at), func(t *testing.T) {
			url := copyTorn(t, file, torn)
			db, err := Open(t.Context(), url, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			has := changes(t, db)
			for n := int64(1); n <= last.number; n++ {
				if has[n] != (n <= want) && good < last.size {
					t.Fatalf("change %d: there %v; those up to %d are intact", n, has[n], want)
				}
			}
			// It goes on from there.
			if err := db.Update(t.Context(), func(tx *Tx) error { return numbered(tx, 1_000_000) }); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			if db, err = Open(t.Context(), url, slog.New(slog.DiscardHandler)); err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if again := changes(t, db); len(again) != len(has)+1 || !again[1_000_000] {
				t.Errorf("%d changes after the next one, before %d", len(again), len(has))
			}
		})
	}
	t.Run("rubbish behind it", func(t *testing.T) {
		rubbish := make([]byte, 3*frame+17)
		for i := range rubbish {
			rubbish[i] = byte(random.Uint32())
		}
		db, err := Open(t.Context(), copyTorn(t, file, append(append([]byte(nil), log...), rubbish...)), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		has := changes(t, db)
		for _, c := range list {
			if !has[c.number] {
				t.Errorf("change %d was acknowledged and is lost", c.number)
			}
		}
	})
}

// The server of PostgreSQL dies while controllers commit, in the two ways in which
// it can: every commit that was acknowledged is there when it is back, none by half,
// and the controllers go on.
func TestDatabaseDiesDuringCommit(t *testing.T) {
	server, err := pgtest.Start(pgtest.Config{Durable: true})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	url, err := server.Create()
	if err != nil {
		t.Fatal(err)
	}
	db, err := Open(t.Context(), url, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	random := rand.New(rand.NewPCG(5, 6))
	acknowledged := map[int64]bool{}
	const writers = 8
	for life := range int64(6) {
		die, enough := server.Crash, 1+random.IntN(200)
		if life%2 == 0 {
			die = server.Kill
		}
		var mu sync.Mutex // of acknowledged and enough
		var wg sync.WaitGroup
		now := make(chan struct{})
		for w := range int64(writers) {
			wg.Go(func() {
				for n := (life+1)*1_000_000 + w; ; n += writers {
					if db.Update(t.Context(), func(tx *Tx) error { return numbered(tx, n) }) != nil {
						return
					}
					mu.Lock()
					acknowledged[n] = true
					if enough--; enough == 0 {
						close(now)
					}
					mu.Unlock()
				}
			})
		}
		<-now
		if err := die(); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		if err := server.Recover(); err != nil {
			t.Fatal(err)
		}
		has := changes(t, db)
		for n := range acknowledged {
			if !has[n] {
				t.Errorf("life %d: change %d was acknowledged and is lost", life, n)
			}
		}
	}
	t.Logf("%d changes acknowledged", len(acknowledged))
}
