package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"atoll/internal/blob"
	"atoll/internal/cloud"
	"atoll/internal/pki"
	"atoll/internal/store"
)

// Restored says what Restore did.
type Restored struct {
	Manifest  *Manifest
	Written   int    // blobs from the archive
	Kept      int    // blobs of the archive that were in the blob store already
	Missing   []Blob // blobs that are neither in the archive nor in the blob store
	KeyUnused bool   // the database holds no secret yet: any master key will do
}

// Restore makes the data folder of a controller from an archive. The folder must
// be empty but for the master key (Conflict); the archive is read and checked as
// a whole (Invalid), and the master key must open its secrets (Conflict), before
// anything is written outside a temporary folder; the database appears last. On
// an error nothing of it stays in the data folder.
//
// A PostgreSQL database must have been restored already.
func Restore(ctx context.Context, cfg Config, file string) (r *Restored, err error) {
	f, err := os.Open(filepath.Clean(file))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := checkEmpty(cfg); err != nil {
		return nil, err
	}
	if err := os.Mkdir(cfg.Data, 0o700); err == nil {
		defer func() {
			if r == nil {
				os.Remove(cfg.Data) // if nothing else came into it
			}
		}()
	} else if !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	target, sqlite := store.SQLiteFile(cfg.Database)
	beside := cfg.Data
	if sqlite {
		beside = filepath.Dir(target) // the same file system
	}
	dir, err := os.MkdirTemp(beside, ".atoll-restore-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)

	unpacked := filepath.Join(dir, databaseName)
	out := &Restored{}
	if out.Manifest, err = scan(ctx, f, func(name string, body io.Reader) error {
		if name != databaseName {
			return nil
		}
		return writeFile(unpacked, body)
	}); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if err := checkDatabase(ctx, cfg, out, unpacked); err != nil {
		return nil, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	err = restoreBlobs(ctx, cfg, out, f)
	if err == nil && sqlite {
		err = store.Place(unpacked, target)
	}
	if err != nil {
		return nil, errors.Join(err, removeBlobs(cfg))
	}
	return out, nil
}

// checkEmpty refuses a data folder with anything in it but the master key.
func checkEmpty(cfg Config) error {
	if file, ok := store.SQLiteFile(cfg.Database); ok {
		if err := store.CheckAbsent(file); err != nil {
			return err
		}
	}
	entries, err := os.ReadDir(cfg.Data)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	for _, e := range entries {
		// A file system of its own has lost+found.
		if name := filepath.Join(cfg.Data, e.Name()); name != cfg.KeyFile && e.Name() != "lost+found" {
			return cloud.Errorf(cloud.Conflict, "data folder %s is not empty, it has %s: restore into an empty folder (only the master key may be in it)", cfg.Data, e.Name())
		}
	}
	return nil
}

// checkDatabase checks the database, unpacked from the archive or restored into
// PostgreSQL, and tries the master key on it.
func checkDatabase(ctx context.Context, cfg Config, r *Restored, unpacked string) error {
	dsn, kind := cfg.Database, Postgres
	if _, ok := store.SQLiteFile(dsn); ok {
		dsn, kind = "sqlite:"+unpacked, SQLite
	}
	if r.Manifest.Kind != kind {
		return cloud.Errorf(cloud.Conflict, "the backup is of a controller on %s, the configuration says %s: restore into the same kind of database", r.Manifest.Kind, kind)
	}
	db, err := store.OpenReadOnly(ctx, dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	if kind == SQLite {
		if err := db.Verify(ctx); err != nil {
			return err
		}
	}
	if _, err := knownSchema(ctx, db); err != nil {
		if kind == Postgres && !cloud.Is(err, cloud.Conflict) {
			_, restore := PostgresCommands(dsn)
			return cloud.Wrap(cloud.Conflict, err, "the database is not there; run first: %s", restore)
		}
		return err
	}
	r.KeyUnused, err = tryKey(ctx, db, cfg.KeyFile)
	return err
}

// tryKey refuses a master key that does not open the secrets of the database: a
// controller could not start, and the state that it needs would look restored.
func tryKey(ctx context.Context, db *store.DB, keyFile string) (unused bool, err error) {
	need, err := masterKey(ctx, db)
	if err != nil || need.Check == "" {
		return err == nil, err
	}
	keys, err := pki.OpenKeyring(keyFile)
	if err == nil {
		err = keys.Check(need.Check, need.ID, []byte(need.Place))
	}
	switch k := (Key{pki.SealedBy(need.Check), need.ID}); {
	case errors.Is(err, fs.ErrNotExist):
		return false, cloud.Errorf(cloud.Conflict, "the master key is missing: put the file that holds %s at %s (mode 0600), then restore", k, keyFile)
	case err != nil:
		return false, cloud.Wrap(cloud.Conflict, err, "the master key at %s does not open the backup's secrets: put the file that holds %s there, then restore", keyFile, k)
	}
	return false, nil
}

func masterKey(ctx context.Context, db *store.DB) (k store.MasterKey, err error) {
	err = db.View(ctx, func(tx *store.Tx) (err error) { k, err = tx.MasterKey(); return err })
	return k, err
}

// restoreBlobs writes the blobs of the archive that the blob store does not have:
// a blob store outside the data folder may have outlived it.
func restoreBlobs(ctx context.Context, cfg Config, r *Restored, archive io.Reader) error {
	blobs, err := blob.Open(ctx, cfg.Blobs)
	if err != nil {
		return err
	}
	defer blobs.Close()
	has := map[string]bool{}
	for e, err := range blobs.List(ctx, "") {
		if err != nil {
			return err
		}
		has[e.Key] = true
	}
	for _, b := range r.Manifest.Without() {
		if !has[b.Key] {
			r.Missing = append(r.Missing, b)
		}
	}
	_, err = scan(ctx, archive, func(name string, body io.Reader) error {
		key, ok := strings.CutPrefix(name, blobsName)
		switch {
		case !ok:
			return nil
		case has[key]:
			r.Kept++
			return nil
		}
		r.Written++
		return blobs.Write(ctx, key, body)
	})
	return err
}

// removeBlobs undoes restoreBlobs in a data folder that was empty, unless a
// controller was started in it meanwhile.
func removeBlobs(cfg Config) error {
	folder, ok := blobFolder(cfg)
	if file, sqlite := store.SQLiteFile(cfg.Database); !ok || sqlite && store.CheckAbsent(file) != nil {
		return nil
	}
	return os.RemoveAll(folder)
}

// blobFolder returns the folder of blobs if it lies in the data folder.
func blobFolder(cfg Config) (string, bool) {
	u, err := url.Parse(cfg.Blobs)
	if err != nil || u.Scheme != "file" {
		return "", false
	}
	rel, err := filepath.Rel(cfg.Data, u.Path)
	return u.Path, err == nil && rel != "." && filepath.IsLocal(rel)
}

func writeFile(name string, body io.Reader) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, body)
	return errors.Join(err, f.Close())
}
