package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/klauspost/compress/zstd"

	"atoll/internal/cloud"
)

// format is the version of the archive: a tar file compressed with zstd. Its
// files are, in this order: formatName, databaseName (SQLite only), the blobs
// that were copied, manifestName.
const format = 1

const (
	formatName   = "atoll-backup"
	databaseName = "database.sqlite"
	blobsName    = "blobs/"
	manifestName = "manifest.json"
)

// formatText is what formatName holds, so that a newer archive is known at once.
func formatText(version int) string { return fmt.Sprintf("atoll backup, format %d\n", version) }

// summer counts and sums what is read through it and keeps the error of the source.
type summer struct {
	r    io.Reader
	hash hash.Hash
	n    int64
	err  error
}

func newSummer(r io.Reader) *summer { return &summer{r: r, hash: sha256.New()} }

func (s *summer) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.hash.Write(p[:n])
	s.n += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

func (s *summer) file() File { return File{Size: s.n, SHA256: hex.EncodeToString(s.hash.Sum(nil))} }

// withContext fails to read when ctx has ended.
type withContext struct {
	ctx context.Context
	r   io.Reader
}

func (w withContext) Read(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.r.Read(p)
}

type writer struct {
	ctx  context.Context
	file *os.File
	zstd *zstd.Encoder
	tar  *tar.Writer
	at   time.Time
}

func newWriter(ctx context.Context, name string, at time.Time) (*writer, error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	z, err := zstd.NewWriter(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	w := &writer{ctx: ctx, file: f, zstd: z, tar: tar.NewWriter(z), at: at}
	head := formatText(format)
	if _, err := w.add(formatName, int64(len(head)), bytes.NewReader([]byte(head))); err != nil {
		return nil, w.close(err)
	}
	return w, nil
}

func (w *writer) add(name string, size int64, body io.Reader) (*File, error) {
	h := &tar.Header{Name: name, Size: size, Mode: 0o600, ModTime: w.at, Typeflag: tar.TypeReg}
	if err := w.tar.WriteHeader(h); err != nil {
		return nil, err
	}
	s := newSummer(withContext{w.ctx, body})
	if _, err := io.Copy(w.tar, s); err != nil {
		return nil, err
	}
	f := s.file()
	if f.Size != size {
		return nil, fmt.Errorf("it ended after %d of %d bytes", f.Size, size)
	}
	return &f, nil
}

func (w *writer) addFile(name, from string) (*File, error) {
	f, err := os.Open(from)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return w.add(name, info.Size(), f)
}

func (w *writer) addManifest(m *Manifest) error {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	_, err = w.add(manifestName, int64(len(text)), bytes.NewReader(text))
	return err
}

// close completes the archive if err is nil, and releases everything in any case.
func (w *writer) close(err error) error {
	if err == nil {
		err = w.tar.Close()
	}
	if closeErr := w.zstd.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = w.file.Sync()
	}
	if closeErr := w.file.Close(); err == nil {
		err = closeErr
	}
	return err
}

// damaged says that an archive cannot be used.
func damaged(cause error) error {
	switch {
	case errors.Is(cause, context.Canceled), errors.Is(cause, context.DeadlineExceeded):
		return cause
	case errors.Is(cause, io.ErrUnexpectedEOF):
		return cloud.Wrap(cloud.Invalid, cause, "the backup is cut off; use another one")
	}
	return cloud.Wrap(cloud.Invalid, cause, "the backup is damaged; use another one")
}

var errNoBackup = cloud.Errorf(cloud.Invalid, "this is no backup of atoll")

// scan reads a whole archive, gives the database and the blobs in it to visit
// and returns the manifest if everything is as the manifest says. What visit
// got before an error may be wrong.
func scan(ctx context.Context, r io.Reader, visit func(name string, body io.Reader) error) (*Manifest, error) {
	z, err := zstd.NewReader(withContext{ctx, r})
	if err != nil {
		return nil, err
	}
	defer z.Close()
	t := tar.NewReader(z)
	if err := scanHead(t); err != nil {
		return nil, err
	}
	files := map[string]File{}
	var m *Manifest
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, damaged(err)
		}
		if m != nil {
			return nil, damaged(fmt.Errorf("%s comes after the manifest", h.Name))
		}
		if h.Name == manifestName {
			m = &Manifest{}
			if err := json.NewDecoder(t).Decode(m); err != nil {
				return nil, damaged(fmt.Errorf("manifest: %w", err))
			}
			continue
		}
		if _, twice := files[h.Name]; twice || h.Typeflag != tar.TypeReg {
			return nil, damaged(fmt.Errorf("%s is there twice or is no file", h.Name))
		}
		s := newSummer(t)
		err = visit(h.Name, s)
		if err == nil {
			_, err = io.Copy(io.Discard, s)
		}
		if s.err != nil {
			return nil, damaged(s.err)
		}
		if err != nil {
			return nil, err
		}
		files[h.Name] = s.file()
	}
	if _, err := io.Copy(io.Discard, z); err != nil { // the checksum of the whole is at its end
		return nil, damaged(err)
	}
	if m == nil {
		return nil, damaged(io.ErrUnexpectedEOF)
	}
	return m, compare(m, files)
}

func scanHead(t *tar.Reader) error {
	h, err := t.Next()
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return damaged(err)
	}
	if err != nil || h.Name != formatName {
		return errNoBackup
	}
	text, err := io.ReadAll(io.LimitReader(t, 100))
	if err != nil {
		return damaged(err)
	}
	var version int
	if _, err := fmt.Sscanf(string(text), "atoll backup, format %d\n", &version); err != nil {
		return errNoBackup
	}
	if version != format {
		return cloud.Errorf(cloud.Invalid, "the backup has format %d, this program knows %d: run the atoll that made it, or a newer one", version, format)
	}
	return nil
}

// compare wants of an archive exactly the files of its manifest.
func compare(m *Manifest, files map[string]File) error {
	want := map[string]File{}
	if m.Database != nil {
		want[databaseName] = *m.Database
	}
	for _, b := range m.Blobs {
		if b.Copied {
			want[blobsName+b.Key] = b.File
		}
	}
	if (m.Kind == SQLite) != (m.Database != nil) || m.Kind != SQLite && m.Kind != Postgres {
		return damaged(fmt.Errorf("its manifest is of the kind %q", m.Kind))
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		got, ok := files[name]
		if !ok {
			return damaged(fmt.Errorf("%s is missing", name))
		}
		if got != want[name] {
			return damaged(fmt.Errorf("%s has %d bytes with SHA-256 %s, not %d with %s", name, got.Size, got.SHA256, want[name].Size, want[name].SHA256))
		}
		delete(files, name)
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		return damaged(fmt.Errorf("%s is not in its manifest", name))
	}
	return nil
}
