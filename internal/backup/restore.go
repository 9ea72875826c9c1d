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

// KeyState tells whether the master key fits the restored database.
type KeyState string

// The states of the master key. Only with KeyFits may the controller start.
const (
	KeyFits    KeyState = "fits"    // it opens the sealed secrets
	KeyMissing KeyState = "missing" // the operator must put it back
	KeyWrong   KeyState = "wrong"   // it cannot be read, or belongs to another database
	KeyUnused  KeyState = "unused"  // the database holds no secret
)

// Restored says what Restore did.
type Restored struct {
	Manifest *Manifest
	Written  int    // blobs from the archive
	Kept     int    // blobs of the archive that were in the blob store already
	Missing  []Blob // blobs that are neither in the archive nor in the blob store
	Key      KeyState
	KeyErr   error // why the key is wrong
}

// sealedSetting is the setting with which the master key is tried, and its additional data.
const sealedSetting = "ca.key"

// Restore makes the data folder of a controller from an archive. The folder must
// be empty but for the master key (Conflict); the archive is read and checked as
// a whole (Invalid) before anything is written outside a temporary folder, and
// the database appears last. On an error nothing of it stays in the data folder.
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
	return tryKey(ctx, db, cfg.KeyFile, r)
}

func tryKey(ctx context.Context, db *store.DB, keyFile string, r *Restored) error {
	var sealed string
	err := db.View(ctx, func(tx *store.Tx) (err error) { sealed, err = tx.Setting(sealedSetting); return err })
	if err != nil {
		return err
	}
	if _, err := os.Stat(keyFile); errors.Is(err, fs.ErrNotExist) { // LoadKeyring would make a new one
		r.Key = KeyMissing
		return nil
	}
	keys, _, err := pki.LoadKeyring(keyFile)
	switch {
	case err != nil:
		r.Key, r.KeyErr = KeyWrong, err
	case sealed == "":
		r.Key = KeyUnused
	default:
		r.Key = KeyFits
		if _, err := keys.Open(sealed, []byte(sealedSetting)); err != nil {
			r.Key, r.KeyErr = KeyWrong, err
		}
	}
	return nil
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
