package backup

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"atoll/internal/cloud"
	"atoll/internal/pki"
	"atoll/internal/store"
)

// repack writes the archive again, each file of it as edit returns it; nil leaves the file out.
func repack(t *testing.T, file string, edit func(name string, body []byte) []byte) string {
	t.Helper()
	in, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	z, err := zstd.NewReader(bytes.NewReader(in))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	out := filepath.Join(t.TempDir(), "repacked")
	f, err := os.Create(out)
	if err != nil {
		t.Fatal(err)
	}
	zw, err := zstd.NewWriter(f)
	if err != nil {
		t.Fatal(err)
	}
	w := &writer{ctx: t.Context(), file: f, zstd: zw, tar: tar.NewWriter(zw), at: time.Now()}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		body, err2 := io.ReadAll(r)
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		if body = edit(h.Name, body); body == nil {
			continue
		}
		if _, err := w.add(h.Name, int64(len(body)), bytes.NewReader(body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.close(nil); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestRestoreRefusesWhatIsNotWhole(t *testing.T) {
	i := newInstallation(t)
	i.write(t, "logs/one/0000000000000000000", bytes.Repeat([]byte("output\n"), 1000))
	file, _ := i.backup(t, Options{})
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	refuse := func(t *testing.T, content []byte) {
		t.Helper()
		broken := filepath.Join(t.TempDir(), "broken")
		if err := os.WriteFile(broken, content, 0o600); err != nil {
			t.Fatal(err)
		}
		to := configFor(filepath.Join(t.TempDir(), "new"))
		if _, err := Restore(t.Context(), to, broken); !cloud.Is(err, cloud.Invalid) {
			t.Errorf("Restore() = %v, want invalid", err)
		}
		wantUntouched(t, filepath.Dir(to.Data))
	}
	cuts := []int{0, 1, 3, 10, len(whole) - 1, len(whole) - 4, len(whole) - 5}
	for n := 1; n < 16; n++ {
		cuts = append(cuts, n*len(whole)/16)
	}
	for _, n := range cuts {
		t.Run(fmt.Sprint("cut at ", n), func(t *testing.T) { refuse(t, whole[:n]) })
	}
	for n := range 16 {
		at := n * len(whole) / 16
		t.Run(fmt.Sprint("flipped at ", at), func(t *testing.T) {
			flipped := bytes.Clone(whole)
			flipped[at] ^= 0x10
			refuse(t, flipped)
		})
	}
	t.Run("other file", func(t *testing.T) { refuse(t, bytes.Repeat([]byte("no backup "), 1000)) })
}

func TestRestoreRefusesAnArchiveThatDiffersFromItsManifest(t *testing.T) {
	i := newInstallation(t)
	const key = "logs/one/0000000000000000000"
	i.write(t, key, []byte("it went well\n"))
	file, _ := i.backup(t, Options{})
	for name, tt := range map[string]struct {
		edit func(name string, body []byte) []byte
		want string
	}{
		"changed blob": {func(name string, body []byte) []byte {
			return bytes.ReplaceAll(body, []byte("it went well\n"), []byte("it went ill!\n"))
		}, key},
		"blob left out": {func(name string, body []byte) []byte {
			if name == blobsName+key {
				return nil
			}
			return body
		}, key},
		"unlisted blob": {func(name string, body []byte) []byte {
			if name == manifestName {
				return bytes.ReplaceAll(body, []byte(key), []byte("logs/one/0000000000000000001"))
			}
			return body
		}, "is missing"},
		"changed database": {func(name string, body []byte) []byte {
			if name == databaseName {
				body[len(body)-1]++
			}
			return body
		}, databaseName},
		"no manifest": {func(name string, body []byte) []byte {
			if name == manifestName {
				return nil
			}
			return body
		}, "cut off"},
		"newer format": {func(name string, body []byte) []byte {
			if name == formatName {
				return []byte(formatText(format + 1))
			}
			return body
		}, "format 2"},
	} {
		t.Run(name, func(t *testing.T) {
			to := configFor(filepath.Join(t.TempDir(), "new"))
			_, err := Restore(t.Context(), to, repack(t, file, tt.edit))
			if !cloud.Is(err, cloud.Invalid) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Restore() = %v, want invalid with %q", err, tt.want)
			}
			wantUntouched(t, filepath.Dir(to.Data))
		})
	}
}

// forge writes an archive with the installation's database that Create would not write.
func forge(t *testing.T, i *installation, m *Manifest, blobs map[string]string) string {
	t.Helper()
	db, err := store.OpenReadOnly(t.Context(), i.cfg.Database)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	copied, file := filepath.Join(t.TempDir(), "copy"), filepath.Join(t.TempDir(), "backup")
	if err := db.CopyTo(t.Context(), copied); err != nil {
		t.Fatal(err)
	}
	w, err := newWriter(t.Context(), file, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	m.Database, err = w.addFile(databaseName, copied)
	for key, body := range blobs {
		f, err2 := w.add(blobsName+key, int64(len(body)), strings.NewReader(body))
		if err = errors.Join(err, err2); err == nil {
			m.Blobs = append(m.Blobs, Blob{Key: key, File: *f, Copied: true})
		}
	}
	if err = w.close(errors.Join(err, w.addManifest(m))); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestRestoreStaysInItsFolder(t *testing.T) {
	i := newInstallation(t)
	file := forge(t, i, &Manifest{Format: format, Kind: SQLite, CreatedAt: time.Now()},
		map[string]string{"logs/fine": "1", "../../out": "2"})
	dir := t.TempDir()
	if _, err := Restore(t.Context(), configFor(filepath.Join(dir, "new")), file); err == nil {
		t.Error("Restore() took a key that leaves the folder of blobs")
	}
	wantUntouched(t, dir)
}

func TestRestoreRefusesANewerSchema(t *testing.T) {
	i := newInstallation(t)
	if err := store.ExecForTest(i.db, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)"); err != nil {
		t.Fatal(err)
	}
	file := forge(t, i, &Manifest{Format: format, Kind: SQLite, Schema: 9999, CreatedAt: time.Now()}, nil)
	to := configFor(filepath.Join(t.TempDir(), "new"))
	if _, err := Restore(t.Context(), to, file); !cloud.Is(err, cloud.Conflict) || !strings.Contains(err.Error(), "9999") {
		t.Errorf("Restore() of a newer schema = %v, want a conflict", err)
	}
	wantUntouched(t, filepath.Dir(to.Data))
}

func TestRestoreOnlyIntoAnEmptyFolder(t *testing.T) {
	i := newInstallation(t)
	file, _ := i.backup(t, Options{})
	t.Run("a running controller's", func(t *testing.T) {
		if _, err := Restore(t.Context(), i.cfg, file); !cloud.Is(err, cloud.Conflict) {
			t.Errorf("Restore() = %v, want a conflict", err)
		}
	})
	for _, name := range []string{"notes.txt", "atoll.db-wal", "blobs"} {
		t.Run(name, func(t *testing.T) {
			to := configFor(t.TempDir())
			if err := os.WriteFile(filepath.Join(to.Data, name), []byte("mine"), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Restore(t.Context(), to, file)
			if !cloud.Is(err, cloud.Conflict) || !strings.Contains(err.Error(), name) {
				t.Errorf("Restore() = %v, want a conflict that names %s", err, name)
			}
			wantUntouched(t, to.Data, name)
		})
	}
	t.Run("twice", func(t *testing.T) {
		to := configFor(t.TempDir())
		copyKey(t, i.cfg, to)
		if _, err := Restore(t.Context(), to, file); err != nil {
			t.Fatal(err)
		}
		if _, err := Restore(t.Context(), to, file); !cloud.Is(err, cloud.Conflict) {
			t.Errorf("second Restore() = %v, want a conflict", err)
		}
	})
	t.Run("no blob store", func(t *testing.T) {
		to := configFor(t.TempDir())
		copyKey(t, i.cfg, to)
		to.Blobs = "file://" + file // a file, no folder
		if _, err := Restore(t.Context(), to, file); err == nil {
			t.Error("Restore() succeeded without a blob store")
		}
		wantUntouched(t, to.Data, "master.key")
	})
}

func TestRestoreTriesTheMasterKey(t *testing.T) {
	i := newInstallation(t)
	i.write(t, "logs/one/0", []byte("out\n"))
	file, m := i.backup(t, Options{})
	other := newInstallation(t)
	keys, err := pki.OpenKeyring(i.cfg.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	if m.Key == nil || *m.Key != (Key{1, keys.ID(1)}) {
		t.Errorf("the manifest says key %v, want 1 with %s", m.Key, keys.ID(1))
	}
	for name, put := range map[string]func(t *testing.T, to Config){
		"missing": func(*testing.T, Config) {},
		"wrong":   func(t *testing.T, to Config) { copyKey(t, other.cfg, to) },
		"unreadable": func(t *testing.T, to Config) {
			if err := os.WriteFile(to.KeyFile, []byte("nonsense\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			to := configFor(t.TempDir())
			put(t, to)
			r, err := Restore(t.Context(), to, file)
			if !cloud.Is(err, cloud.Conflict) || !strings.Contains(err.Error(), keys.ID(1)) || !strings.Contains(err.Error(), to.KeyFile) {
				t.Fatalf("Restore() = %+v, %v, want a conflict that names the key that is needed", r, err)
			}
			if name == "missing" {
				wantUntouched(t, to.Data)
			} else {
				wantUntouched(t, to.Data, "master.key")
			}
			copyKey(t, i.cfg, to) // then it goes
			if r, err := Restore(t.Context(), to, file); err != nil || r.KeyUnused || r.Written != 1 {
				t.Errorf("Restore() with the right key = %+v, %v", r, err)
			}
		})
	}
}
