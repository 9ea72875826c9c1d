package blob

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

// folder writes to a temporary file, syncs it, renames it and syncs the folders above it.
type folder struct {
	root *os.Root
}

func (f *folder) put(_ context.Context, _ string, r io.Reader, name func() string) error {
	tmp := tempPrefix + rand.Text()
	if err := f.write(tmp, r); err != nil {
		return errors.Join(err, f.removeTemp(tmp))
	}
	key := name()
	dir := path.Dir(key)
	if err := f.rename(tmp, dir, key); err != nil {
		return errors.Join(err, f.removeTemp(tmp))
	}
	// Folders above may be new too.
	for ; dir != "."; dir = path.Dir(dir) {
		if err := f.sync(dir); err != nil && !errors.Is(err, fs.ErrNotExist) { // it was deleted already
			return err
		}
	}
	return f.sync(".")
}

// rename moves the file into its folder, which may be removed meanwhile because
// it is empty.
func (f *folder) rename(tmp, dir, key string) error {
	const tries = 100
	for try := 1; ; try++ {
		err := f.root.MkdirAll(dir, 0o700)
		if err == nil {
			err = f.root.Rename(tmp, key)
		}
		if gone := errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist); !gone || try == tries {
			return err
		}
	}
}

// list walks the folders itself: fileblob fails when a file goes meanwhile.
func (f *folder) list(ctx context.Context, prefix string, yield func(Entry, error) bool) {
	below := "."
	if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
		below = prefix[:i]
	}
	err := fs.WalkDir(f.root.FS(), below, func(key string, e fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case e.IsDir() && key+"/" == tempPrefix:
			return fs.SkipDir
		case !e.Type().IsRegular() || !strings.HasPrefix(key, prefix):
			return nil
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if !yield(Entry{Key: key, Size: info.Size(), ModifiedAt: info.ModTime()}, nil) {
			return fs.SkipAll
		}
		return nil
	})
	if err != nil {
		yield(Entry{}, wrap("list", prefix, err))
	}
}

// remove also removes the folders above that are empty then: each job with output
// has one.
func (f *folder) remove(_ context.Context, key string) error {
	if err := f.root.Remove(key); err != nil {
		return err
	}
	for dir := path.Dir(key); dir != "."; dir = path.Dir(dir) {
		if f.root.Remove(dir) != nil {
			break // something is in it
		}
	}
	return nil
}

func (f *folder) write(name string, r io.Reader) error {
	file, err := f.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err = io.Copy(file, r); err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

func (f *folder) removeTemp(name string) error {
	if err := f.root.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (f *folder) sync(dir string) error {
	d, err := f.root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (f *folder) sweep(ctx context.Context, before time.Time) error {
	entries, err := fs.ReadDir(f.root.FS(), strings.TrimSuffix(tempPrefix, "/"))
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // its writer finished
		}
		if err != nil {
			return err
		}
		if !info.ModTime().Before(before) {
			continue
		}
		if err := errors.Join(f.removeTemp(tempPrefix+e.Name()), ctx.Err()); err != nil {
			return err
		}
	}
	return nil
}

// remote writes to a bucket where an object appears only when it is complete.
type remote struct {
	bucket *blob.Bucket
}

// maxCopy is the largest object that S3 copies in one call.
const maxCopy = 5 << 30

func (m *remote) put(ctx context.Context, key string, r io.Reader, name func() string) error {
	// The content type is given so that the first bytes are not held back for a guess.
	opts := &blob.WriterOptions{ContentType: "application/octet-stream"}
	if key != "" {
		return m.bucket.Upload(ctx, key, r, opts)
	}
	tmp := tempPrefix + rand.Text()
	if err := m.bucket.Upload(ctx, tmp, &limit{r: r}, opts); err != nil {
		return err
	}
	exists, err := m.bucket.Exists(ctx, name())
	if err == nil && !exists {
		err = m.bucket.Copy(ctx, name(), tmp, nil)
	}
	// Also when the caller gave up; what stays even so is swept.
	return errors.Join(err, m.bucket.Delete(context.WithoutCancel(ctx), tmp))
}

func (m *remote) list(ctx context.Context, prefix string, yield func(Entry, error) bool) {
	it := m.bucket.List(&blob.ListOptions{Prefix: prefix})
	for {
		o, err := it.Next(ctx)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			yield(Entry{}, wrap("list", prefix, err))
			return
		}
		if !strings.HasPrefix(o.Key, tempPrefix) && !yield(Entry{Key: o.Key, Size: o.Size, ModifiedAt: o.ModTime}, nil) {
			return
		}
	}
}

func (m *remote) remove(ctx context.Context, key string) error {
	err := m.bucket.Delete(ctx, key)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return fs.ErrNotExist
	}
	return err
}

func (m *remote) sweep(ctx context.Context, before time.Time) error {
	it := m.bucket.List(&blob.ListOptions{Prefix: tempPrefix})
	for {
		o, err := it.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if o.ModTime.Before(before) {
			if err := m.bucket.Delete(ctx, o.Key); err != nil {
				return err
			}
		}
	}
}

// limit fails when a body whose name is not known yet becomes too long to be renamed.
type limit struct {
	r io.Reader
	n int64
}

func (l *limit) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if l.n += int64(n); l.n > maxCopy {
		return 0, fmt.Errorf("%w: a body over 5 GiB needs its SHA-256 given beforehand on S3", ErrTooLarge)
	}
	return n, err
}
