package control

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"atoll/internal/blob"
	"atoll/internal/cloud"
	"atoll/internal/pki"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
)

// TestMain lets the test program be a process that changes the master key until
// it is killed.
func TestMain(m *testing.M) {
	dir := os.Getenv("ATOLL_CONTROL_TEST_ROTATE")
	if dir == "" {
		os.Exit(m.Run())
	}
	if err := rotateForever(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func keyedConfig(db *store.DB, keys *pki.Keyring) Config {
	return Config{DB: db, Blobs: &blob.Store{}, Keys: keys, Log: slog.New(slog.DiscardHandler)}
}

// startWith starts a controller as the program does: with the keys of the file.
func startWith(t *testing.T, db *store.DB, file string) (*Control, error) {
	t.Helper()
	keys, err := OpenKeys(t.Context(), db, file)
	if err != nil {
		return nil, err
	}
	return New(t.Context(), keyedConfig(db, keys))
}

func mustStart(t *testing.T, db *store.DB, file string) *Control {
	t.Helper()
	c, err := startWith(t, db, file)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// sealed returns which versions of the key seal something.
func sealed(t *testing.T, db *store.DB) (versions map[int]int) {
	t.Helper()
	versions = map[int]int{}
	err := db.View(t.Context(), func(tx *store.Tx) error {
		return store.EachSettingForTest(tx, func(_, value string) {
			if v := pki.SealedBy(value); v > 0 {
				versions[v]++
			}
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return versions
}

func rotate(t *testing.T, c *Control) *Rotation {
	t.Helper()
	r, err := RotateKey(t.Context(), c.DB, c.Keys)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestKeyRotationGoesOnAfterACrashAtEachStep(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		file := filepath.Join(t.TempDir(), "master.key")
		c := mustStart(t, db, file)
		ca := c.CA().Hash()
		version := 1
		for steps := 0; ; steps++ { // after so many transactions the controller is killed
			if got, err := c.Keys.Add(); err != nil || got != version+1 {
				t.Fatalf("Add() = %d, %v", got, err)
			}
			done := 0
			for ; done < steps && !rotate(t, c).Done(); done++ {
			}
			c = mustStart(t, db, file) // opens what both keys sealed
			if c.CA().Hash() != ca {
				t.Fatalf("another CA after a crash at step %d", steps)
			}
			for !rotate(t, c).Done() {
			}
			version++
			if got := sealed(t, db); len(got) != 1 || got[version] != 4 {
				t.Errorf("after a crash at step %d the versions that seal are %v, want only %d", steps, got, version)
			}
			if c = mustStart(t, db, file); c.CA().Hash() != ca {
				t.Fatal("another CA after the change")
			}
			if done < steps {
				if steps < 2 {
					t.Errorf("the change had %d steps: the test proves nothing", done)
				}
				break
			}
		}
		// Without the old keys, which nothing needs any more.
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.SplitAfter(strings.TrimSpace(string(text)), "\n")
		if err := os.WriteFile(file, []byte(lines[len(lines)-1]), 0o600); err != nil {
			t.Fatal(err)
		}
		mustStart(t, db, file)
	})
}

func TestControllerRefusesAnotherMasterKey(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		dir := t.TempDir()
		c := mustStart(t, db, dir+"/master.key")
		id := c.Keys.ID(1)
		if _, _, err := pki.LoadKeyring(dir + "/other.key"); err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{dir + "/other.key", dir + "/missing.key"} {
			_, err := startWith(t, db, file)
			if !cloud.Is(err, cloud.Conflict) || !strings.Contains(err.Error(), id) || !strings.Contains(err.Error(), file) {
				t.Errorf("start with %s = %v, want a conflict that names the file and the key %s", file, err, id)
			}
		}
		if _, err := os.Stat(dir + "/missing.key"); err == nil {
			t.Error("a key file was made in place of the missing one")
		}
		// One from before there was a check is tried on what it has, and gets one.
		storetest.Exec(t, db, "DELETE FROM settings WHERE key IN ('key.check', 'key.id')")
		if _, err := startWith(t, db, dir+"/other.key"); !cloud.Is(err, cloud.Conflict) {
			t.Errorf("start with another key on an older database = %v, want a conflict", err)
		}
		mustStart(t, db, dir+"/master.key")
		if got := sealed(t, db); got[1] != 4 {
			t.Errorf("versions that seal: %v, want four values", got)
		}
	})
}

func TestKeyRotationWaitsForAllControllers(t *testing.T) {
	t.Parallel()
	db := storetest.Postgres(t)
	dir := t.TempDir()
	fileA, fileB, fileC := dir+"/a.key", dir+"/b.key", dir+"/c.key"
	copyFile := func(from, to string) {
		t.Helper()
		text, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(to, text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	a := mustStart(t, db, fileA)
	copyFile(fileA, fileB)
	copyFile(fileA, fileC)
	b, c := mustStart(t, db, fileB), mustStart(t, db, fileC) // c is slow: it has not arrived
	present := func(c *Control) error {
		c.rereadKeys()
		c.SharedBlobs = true
		_, err := c.otherController(t.Context())
		return err
	}
	for _, c := range []*Control{a, b} {
		if err := present(c); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := a.Keys.Add(); err != nil {
		t.Fatal(err)
	}
	if err := present(a); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if r := rotate(t, a); r.Version != 1 || len(r.Lacking) != 1 || r.Lacking[0] != b.ID {
			t.Fatalf("rotation = %+v, want it to wait for %s", r, b.ID)
		}
	}
	if got := sealed(t, db); len(got) != 1 || got[1] != 4 {
		t.Fatalf("versions that seal: %v", got)
	}
	copyFile(fileA, fileB)
	if err := present(b); err != nil {
		t.Fatal(err)
	}
	for !rotate(t, b).Done() { // any controller does it
	}
	if got := sealed(t, db); len(got) != 1 || got[2] != 4 {
		t.Errorf("versions that seal: %v, want 2 only", got)
	}
	for _, c := range []*Control{a, b} {
		err := db.View(t.Context(), func(tx *store.Tx) error { _, err := openSetting(tx, c.Keys, settingSignKey); return err })
		if err != nil {
			t.Error(err)
		}
	}
	if err := present(c); !cloud.Is(err, cloud.Conflict) || !strings.Contains(err.Error(), "needs master key 2") {
		t.Errorf("a controller without the new key arrived: %v", err)
	}
	if _, err := startWith(t, db, fileC); !cloud.Is(err, cloud.Conflict) {
		t.Errorf("a controller without the new key started: %v", err)
	}
}

// rotateForever changes the master key again and again and prints each version
// that seals all.
func rotateForever(dir string) error {
	ctx := context.Background()
	db, err := store.Open(ctx, "sqlite:"+dir+"/atoll.db", slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	keys, err := OpenKeys(ctx, db, dir+"/master.key")
	if err != nil {
		return err
	}
	c, err := New(ctx, keyedConfig(db, keys))
	if err != nil {
		return err
	}
	for {
		r, err := RotateKey(ctx, db, keys)
		if err != nil {
			return err
		}
		if !r.Done() {
			continue
		}
		fmt.Println(r.Version, c.CA().Hash())
		if _, err := keys.Add(); err != nil {
			return err
		}
	}
}

func TestKeyRotationSurvivesKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	random := rand.New(rand.NewPCG(1, 1))
	ca, last := "", 0
	for seed := range 20 {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), "ATOLL_CONTROL_TEST_ROTATE="+dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		read := func() bool {
			if !lines.Scan() {
				return false
			}
			var v int
			var hash string
			if _, err := fmt.Sscan(lines.Text(), &v, &hash); err != nil {
				t.Fatalf("seed %d: %q: %v", seed, lines.Text(), err)
			}
			if v < last || ca != "" && hash != ca {
				t.Fatalf("seed %d: version %d after %d, CA %s after %s", seed, v, last, hash, ca)
			}
			last, ca = v, hash
			return true
		}
		for n := 1 + random.IntN(4); n > 0 && read(); n-- {
		}
		kill := time.AfterFunc(time.Duration(random.IntN(8000))*time.Microsecond, func() { cmd.Process.Kill() })
		for read() {
		}
		kill.Stop()
		if cmd.Wait(); cmd.ProcessState.ExitCode() != -1 {
			t.Fatalf("seed %d: %v at version %d, want it killed", seed, cmd.ProcessState, last)
		}
	}
	if last < 20 {
		t.Errorf("only %d versions in 20 lives: the test proves nothing", last)
	}
}
