// Package backup makes one archive of what a controller keeps, while the
// controller runs, and makes a new data folder of it.
//
// The master key must never get into an archive: without it the secrets in the
// database stay sealed, so the two must be kept apart. The package never changes
// what it backs up, and never restores over something that exists.
package backup

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	"atoll/internal/blob"
	"atoll/internal/cloud"
	"atoll/internal/pki"
	"atoll/internal/store"
)

// Config says where a controller keeps what.
type Config struct {
	Data     string // folder, absolute
	Database string // sqlite:FILE or postgres://…
	Blobs    string // file:///FOLDER or s3://BUCKET
	KeyFile  string // master key; only looked at, never copied
}

// Options say what to back up.
type Options struct {
	WithImages bool // copy blobs of every size
}

// MaxBlob is the size in bytes up to which blobs are always copied: scripts and
// the segments of job logs, but no images.
const MaxBlob = 1 << 20

// Kinds of databases in a manifest.
const (
	SQLite   = "sqlite"
	Postgres = "postgres" // the database itself is not in the archive
)

// Manifest says what an archive holds. It is its last file.
type Manifest struct {
	Format    int       `json:"format"`
	CreatedAt time.Time `json:"created_at"`
	Kind      string    `json:"kind"`
	Schema    int64     `json:"schema"`
	Key       *Key      `json:"key,omitempty"`      // nil if the database holds no secret
	Database  *File     `json:"database,omitempty"` // nil with Postgres
	Blobs     []Blob    `json:"blobs"`
}

// Key names the master key that the secrets in a backup are sealed with.
type Key struct {
	Version int    `json:"version"`
	ID      string `json:"id,omitempty"` // "" with a database from before there were ids
}

// String implements fmt.Stringer.
func (k Key) String() string {
	if k.ID == "" {
		return fmt.Sprintf("master key %d", k.Version)
	}
	return fmt.Sprintf("master key %d (id %s)", k.Version, k.ID)
}

// File is the size in bytes and the checksum (hex) of a file.
type File struct {
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Blob is one blob that existed. If it is not in the archive it must come from elsewhere.
type Blob struct {
	Key string `json:"key"`
	File
	Copied bool `json:"copied"`
}

// Without returns the blobs that are listed in the manifest, but not in the archive.
func (m *Manifest) Without() (list []Blob) {
	for _, b := range m.Blobs {
		if !b.Copied {
			list = append(list, b)
		}
	}
	return list
}

// Create writes a backup to a new file with mode 0600. The controller may go on
// meanwhile: the database in it is as it was at one commit, and the blobs are at
// least those that it refers to. On an error there is no file.
func Create(ctx context.Context, cfg Config, file string, opt Options) (m *Manifest, err error) {
	if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
		return nil, cloud.Errorf(cloud.Conflict, "%s exists; choose another file", file)
	}
	db, err := store.OpenReadOnly(ctx, cfg.Database)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	// Beside the archive, which needs the room too.
	dir, err := os.MkdirTemp(filepath.Dir(file), ".atoll-backup-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)

	m = &Manifest{Format: format, CreatedAt: time.Now().UTC(), Kind: Postgres, Blobs: []Blob{}}
	copied := filepath.Join(dir, databaseName)
	if _, ok := store.SQLiteFile(cfg.Database); ok {
		m.Kind = SQLite
		if err := db.CopyTo(ctx, copied); err != nil {
			return nil, err
		}
		db.Close() // the controller's log may shrink again
		if db, err = store.OpenReadOnly(ctx, "sqlite:"+copied); err != nil {
			return nil, err
		}
		defer db.Close()
		if err := db.Verify(ctx); err != nil {
			return nil, err
		}
	}
	if m.Schema, err = knownSchema(ctx, db); err != nil {
		return nil, err
	}
	need, err := masterKey(ctx, db)
	if err != nil {
		return nil, err
	}
	if need.Check != "" {
		m.Key = &Key{pki.SealedBy(need.Check), need.ID}
	}
	archive := filepath.Join(dir, "archive")
	if err := write(ctx, cfg, m, archive, copied, opt); err != nil {
		return nil, err
	}
	if err := os.Rename(archive, file); err != nil {
		return nil, err
	}
	return m, syncFolder(filepath.Dir(file))
}

// knownSchema returns the schema of a database unless it is newer than this program.
func knownSchema(ctx context.Context, db *store.DB) (int64, error) {
	has, err := db.Schema(ctx)
	if err != nil {
		return 0, err
	}
	newest, err := store.NewestSchema()
	if err != nil {
		return 0, err
	}
	if has > newest {
		return 0, store.TooNew(has, newest)
	}
	return has, nil
}

// write writes the archive: what tells its format, the database, blobs, the manifest.
func write(ctx context.Context, cfg Config, m *Manifest, archive, database string, opt Options) (err error) {
	blobs, err := blob.Open(ctx, cfg.Blobs)
	if err != nil {
		return err
	}
	defer blobs.Close()
	w, err := newWriter(ctx, archive, m.CreatedAt)
	if err != nil {
		return err
	}
	defer func() { err = w.close(err) }()
	if m.Kind == SQLite {
		if m.Database, err = w.addFile(databaseName, database); err != nil {
			return err
		}
	}
	// After the database, whose rows may refer to blobs: what is too many does no harm.
	for e, err := range blobs.List(ctx, "") {
		if err != nil {
			return err
		}
		b, err := addBlob(ctx, w, blobs, e, opt)
		if errors.Is(err, blob.ErrNotFound) {
			continue // its time was over
		}
		if err != nil {
			return err
		}
		m.Blobs = append(m.Blobs, *b)
	}
	return w.addManifest(m)
}

func addBlob(ctx context.Context, w *writer, blobs *blob.Store, e blob.Entry, opt Options) (*Blob, error) {
	b := &Blob{Key: e.Key, File: File{Size: e.Size}, Copied: opt.WithImages || e.Size <= MaxBlob}
	if b.SHA256 = sumInKey(e.Key); !b.Copied && b.SHA256 != "" {
		return b, nil
	}
	body, size, err := blobs.Open(ctx, e.Key)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	if b.Copied {
		f, err := w.add(blobsName+e.Key, size, body)
		if err != nil {
			return nil, fmt.Errorf("blob %s: %w", e.Key, err)
		}
		b.File = *f
		return b, nil
	}
	s := newSummer(body)
	if _, err := io.Copy(io.Discard, s); err != nil {
		return nil, fmt.Errorf("blob %s: %w", e.Key, err)
	}
	b.File = s.file()
	return b, nil
}

// sumInKey returns the checksum in the key of a blob that is named by its content, else "".
func sumInKey(key string) string {
	sum := path.Base(key)
	if b, err := hex.DecodeString(sum); err != nil || len(b) != 32 || path.Base(path.Dir(key)) != sum[:2] {
		return ""
	}
	return sum
}

func syncFolder(dir string) error {
	d, err := os.Open(filepath.Clean(dir))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
