// Package blob keeps large bodies (images, recordings, logs, exports) outside the database, in a
// folder or in an S3 bucket, through gocloud.dev/blob.
//
// It must never know what a body means, who may read it or which row refers to it, and it never
// returns from a successful write before the body would survive a power cut.
package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"iter"
	"path"
	"regexp"
	"strings"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

var (
	// ErrNotFound is wrapped by errors about keys that do not exist. It is fs.ErrNotExist.
	ErrNotFound = fs.ErrNotExist
	// ErrTooLarge is wrapped by Put if the body is longer than allowed. Nothing is kept then.
	ErrTooLarge = errors.New("body is too large")
	// ErrChecksum is wrapped by Put if the body is not what the checksum says. Nothing is kept then.
	ErrChecksum = errors.New("checksum differs")
)

// Store is an opened folder or bucket. Its methods may be called concurrently.
type Store struct {
	bucket *blob.Bucket
	save   saver
	shared bool
}

// saver writes bodies so that a key has either the whole body or none, durably.
type saver interface {
	// put stores what r reads, unless r fails; then key returns its name ("" before: not known yet).
	put(ctx context.Context, key string, r io.Reader, name func() string) error
	// list yields what is there, without the bodies under tempPrefix.
	list(ctx context.Context, prefix string, yield func(Entry, error) bool)
	// remove removes a key; fs.ErrNotExist if there is none.
	remove(ctx context.Context, key string) error
	// sweep removes what writes that were cut off before the time left behind.
	sweep(ctx context.Context, before time.Time) error
}

// Ref names a body by its content.
type Ref struct {
	Key    string
	SHA256 string // hex
	Size   int64  // bytes
}

// Entry is one key of List.
type Entry struct {
	Key        string
	Size       int64 // bytes
	ModifiedAt time.Time
}

// Shared tells whether several controllers may use the store: true for S3, false for a folder.
func (s *Store) Shared() bool { return s.shared }

// Close ends the use of the store.
func (s *Store) Close() error { return s.bucket.Close() }

// Put stores what r reads under prefix and a name made of its SHA-256, and returns that name.
// A body that is there already is not stored again, but r is read to its end all the same: who
// only knows a checksum does not own the body. wantSHA256 (hex) may be empty; with it, storing
// is cheaper on S3, and bodies over 5 GiB are possible there. maxBytes 0 means no limit. Errors
// wrap ErrTooLarge or ErrChecksum; r's own errors are wrapped too.
func (s *Store) Put(ctx context.Context, prefix string, r io.Reader, wantSHA256 string, maxBytes int64) (Ref, error) {
	if err := checkKey(prefix); err != nil {
		return Ref{}, err
	}
	wantSHA256 = strings.ToLower(wantSHA256)
	if b, err := hex.DecodeString(wantSHA256); err != nil || (len(b) != 0 && len(b) != sha256.Size) {
		return Ref{}, fmt.Errorf("%w: %q is not a SHA-256 in hex", ErrChecksum, wantSHA256)
	}
	c := &checker{ctx: ctx, r: r, hash: sha256.New(), want: wantSHA256, max: maxBytes}
	key, exists := "", false
	if wantSHA256 != "" {
		key = contentKey(prefix, wantSHA256)
		var err error
		if exists, err = s.bucket.Exists(ctx, key); err != nil {
			return Ref{}, wrap("put", key, err)
		}
	}
	var err error
	if exists {
		_, err = io.Copy(io.Discard, c)
	} else {
		err = s.save.put(ctx, key, c, func() string { return contentKey(prefix, c.sum()) })
	}
	if c.err != nil {
		err = c.err // the reason, without what the driver made of it
	}
	if err != nil {
		return Ref{}, fmt.Errorf("put into %s: %w", prefix, err)
	}
	return Ref{Key: contentKey(prefix, c.sum()), SHA256: c.sum(), Size: c.n}, nil
}

// Write stores data under the key, replacing what was there.
func (s *Store) Write(ctx context.Context, key string, data io.Reader) error {
	if err := checkKey(key); err != nil {
		return err
	}
	c := &checker{ctx: ctx, r: data, hash: sha256.New()}
	err := s.save.put(ctx, key, c, func() string { return key })
	if c.err != nil {
		err = c.err
	}
	if err != nil {
		return wrap("write", key, err)
	}
	return nil
}

// Open returns the body of a key and its size in bytes. Errors wrap ErrNotFound. Seeking is cheap:
// only what is read is fetched, as far as ctx lives.
func (s *Store) Open(ctx context.Context, key string) (io.ReadSeekCloser, int64, error) {
	r, err := s.open(ctx, key, 0, -1)
	if err != nil {
		return nil, 0, err
	}
	return &body{r: r}, r.Size(), nil
}

// body reads nothing at its end, where S3 would refuse the range.
type body struct {
	r  *blob.Reader
	at int64
}

func (b *body) Read(p []byte) (int, error) {
	if b.at >= b.r.Size() {
		return 0, io.EOF
	}
	n, err := b.r.Read(p)
	b.at += int64(n)
	return n, err
}

func (b *body) Seek(offset int64, whence int) (at int64, err error) {
	b.at, err = b.r.Seek(offset, whence)
	return b.at, err
}

func (b *body) Close() error { return b.r.Close() }

// OpenRange returns up to n bytes of a body from offset on (n < 0: all the rest), and the size
// of the whole body. From its end on there is nothing, which is no error.
func (s *Store) OpenRange(ctx context.Context, key string, offset, n int64) (io.ReadCloser, int64, error) {
	if offset < 0 {
		return nil, 0, fmt.Errorf("open %s: offset %d is negative", key, offset)
	}
	r, err := s.open(ctx, key, offset, n)
	if err == nil {
		return r, r.Size(), nil
	}
	// S3 refuses a range that begins at the end.
	if a, attrErr := s.bucket.Attributes(ctx, key); attrErr == nil && offset >= a.Size {
		return io.NopCloser(strings.NewReader("")), a.Size, nil
	}
	return nil, 0, err
}

func (s *Store) open(ctx context.Context, key string, offset, n int64) (*blob.Reader, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	r, err := s.bucket.NewRangeReader(ctx, key, offset, n, nil)
	if err != nil {
		return nil, wrap("open", key, err)
	}
	return r, nil
}

// Delete removes a key. A key that does not exist is no error.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	if err := s.save.remove(ctx, key); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return wrap("delete", key, err)
	}
	return nil
}

// List yields the keys that begin with prefix ("" for all), in no order that callers may rely on.
// Keys that come or go meanwhile may be among them or not. The first error ends it.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		if prefix != "" {
			if err := checkKey(strings.TrimSuffix(prefix, "/")); err != nil {
				yield(Entry{}, err)
				return
			}
		}
		s.save.list(ctx, prefix, yield)
	}
}

// Sweep removes what writes that were cut off left behind, if it is older than age. Age must be
// longer than the longest write takes.
func (s *Store) Sweep(ctx context.Context, age time.Duration) error {
	return s.save.sweep(ctx, time.Now().Add(-age))
}

// tempPrefix holds bodies whose name is not known yet. No key can begin with it.
const tempPrefix = ".tmp/"

var keyPart = regexp.MustCompile(`^[A-Za-z0-9_=@+-][A-Za-z0-9._=@+-]{0,199}$`)

// checkKey refuses everything that could leave the store or that a driver would escape.
func checkKey(key string) error {
	if len(key) > 800 {
		return fmt.Errorf("blob key %.40q…: longer than 800 bytes", key)
	}
	for part := range strings.SplitSeq(key, "/") {
		if !keyPart.MatchString(part) || strings.HasSuffix(part, ".attrs") {
			return fmt.Errorf("blob key %q: each part between slashes must be 1 to 200 letters, digits and ._=@+-, begin with no dot and not end in .attrs", key)
		}
	}
	return nil
}

// contentKey spreads bodies over 256 folders.
func contentKey(prefix, sum string) string { return path.Join(prefix, sum[:2], sum) }

func wrap(verb, key string, err error) error {
	if gcerrors.Code(err) == gcerrors.NotFound {
		return fmt.Errorf("%s blob %s: %w", verb, key, ErrNotFound)
	}
	return fmt.Errorf("%s blob %s: %w", verb, key, err)
}

// checker reads a body and fails, instead of ending, if it is not what was asked for: then the
// saver keeps nothing.
type checker struct {
	ctx  context.Context
	r    io.Reader
	hash hash.Hash
	want string
	max  int64
	n    int64
	err  error // what was wrong with the body
}

func (c *checker) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	if err := c.ctx.Err(); err != nil {
		return 0, c.fail(err)
	}
	n, err := c.r.Read(p)
	c.n += int64(n)
	c.hash.Write(p[:n])
	switch {
	case c.max > 0 && c.n > c.max:
		return 0, c.fail(fmt.Errorf("%w: more than %d bytes", ErrTooLarge, c.max))
	case errors.Is(err, io.EOF) && c.want != "" && c.sum() != c.want:
		return 0, c.fail(fmt.Errorf("%w: the body has SHA-256 %s, not %s", ErrChecksum, c.sum(), c.want))
	case err != nil && !errors.Is(err, io.EOF):
		return n, c.fail(err)
	}
	return n, err
}

func (c *checker) fail(err error) error {
	c.err = err
	return err
}

func (c *checker) sum() string { return hex.EncodeToString(c.hash.Sum(nil)) }
