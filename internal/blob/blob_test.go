package blob

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"
)

func TestPut(t *testing.T) {
	broken := errors.New("the line broke")
	each(t, func(t *testing.T, s *Store) {
		for _, n := range []int{0, 5, 1 << 20} {
			data := pattern(n)
			want := sum(data)
			for _, tt := range []struct {
				name string
				r    io.Reader
				want string
				max  int64
				err  error // nil means stored
			}{
				{"cut off", io.MultiReader(bytes.NewReader(data), iotest.ErrReader(broken)), want, 0, broken},
				{"cut off, no checksum", io.MultiReader(bytes.NewReader(data), iotest.ErrReader(broken)), "", 0, broken},
				{"wrong checksum", bytes.NewReader(data), sum([]byte("x")), 0, ErrChecksum},
				{"not a checksum", bytes.NewReader(data), "abc", 0, ErrChecksum},
				{"too large", bytes.NewReader(append(data[:n:n], "xy"...)), "", int64(n) + 1, ErrTooLarge},
				{"new", bytes.NewReader(data), "", int64(n), nil},
				{"again, with checksum", bytes.NewReader(data), strings.ToUpper(want), 0, nil},
				{"again, without", bytes.NewReader(data), "", 0, nil},
				{"exists, but the caller lacks it", strings.NewReader("guess"), want, 0, ErrChecksum},
			} {
				ref, err := s.Put(t.Context(), "images", tt.r, tt.want, tt.max)
				if tt.err != nil {
					if !errors.Is(err, tt.err) || ref != (Ref{}) {
						t.Errorf("%d bytes, %s: Put = %v, %v; want %v", n, tt.name, ref, err, tt.err)
					}
					continue
				}
				if err != nil || ref != (Ref{Key: "images/" + want[:2] + "/" + want, SHA256: want, Size: int64(n)}) {
					t.Fatalf("%d bytes, %s: Put = %+v, %v", n, tt.name, ref, err)
				}
				if !bytes.Equal(read(t, s, ref.Key), data) {
					t.Errorf("%d bytes, %s: the body came back changed", n, tt.name)
				}
			}
		}
		if got := keys(t, s, ""); len(got) != 3 {
			t.Errorf("keys after all: %v, want 3", got)
		}
		if got := leftovers(t, s); got != nil {
			t.Errorf("left behind: %v", got)
		}
	})
}

func TestPutWithChecksumFirst(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		data := pattern(17 << 20)
		if _, err := s.Put(t.Context(), "i", bytes.NewReader(data[1:]), sum(data), 0); !errors.Is(err, ErrChecksum) {
			t.Errorf("Put of another body: %v", err)
		}
		if got := keys(t, s, ""); got != nil {
			t.Errorf("it was kept: %v", got)
		}
		ref, err := s.Put(t.Context(), "i", bytes.NewReader(data), sum(data), 0)
		if err != nil || !bytes.Equal(read(t, s, ref.Key), data) {
			t.Errorf("Put = %v, %v", ref, err)
		}
	})
}

func TestPutAtTheSameTime(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		data := pattern(1 << 20)
		var wg sync.WaitGroup
		for i := range 8 {
			want := ""
			if i%2 == 0 {
				want = sum(data)
			}
			wg.Go(func() {
				if _, err := s.Put(t.Context(), "i", bytes.NewReader(data), want, 0); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got := keys(t, s, ""); len(got) != 1 || leftovers(t, s) != nil {
			t.Errorf("keys %v, left behind %v", got, leftovers(t, s))
		}
	})
}

func TestPutCanceled(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx, cancel := context.WithCancel(t.Context())
		r := io.MultiReader(bytes.NewReader(pattern(1000)), readerFunc(func([]byte) (int, error) {
			cancel()
			return 0, nil
		}))
		if _, err := s.Put(ctx, "i", r, "", 0); !errors.Is(err, context.Canceled) {
			t.Errorf("Put = %v, want canceled", err)
		}
		if got := keys(t, s, ""); got != nil || leftovers(t, s) != nil {
			t.Errorf("keys %v, left behind %v", got, leftovers(t, s))
		}
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestWriteReadDelete(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		for _, text := range []string{"first", "0123456789"} {
			if err := s.Write(ctx, "logs/a/b.json", strings.NewReader(text)); err != nil {
				t.Fatal(err)
			}
			if got := read(t, s, "logs/a/b.json"); string(got) != text {
				t.Errorf("read %q, want %q", got, text)
			}
		}
		for _, tt := range []struct {
			offset, n int64
			want      string
		}{{0, -1, "0123456789"}, {3, 4, "3456"}, {8, 100, "89"}, {10, 5, ""}, {11, -1, ""}, {4, 0, ""}} {
			r, size, err := s.OpenRange(ctx, "logs/a/b.json", tt.offset, tt.n)
			if err != nil {
				t.Errorf("OpenRange(%d, %d): %v", tt.offset, tt.n, err)
				continue
			}
			got, err := io.ReadAll(r)
			if string(got) != tt.want || size != 10 || err != nil {
				t.Errorf("OpenRange(%d, %d) = %q of %d, %v; want %q", tt.offset, tt.n, got, size, err, tt.want)
			}
			_ = r.Close()
		}
		if err := s.Write(ctx, "logs-2/c", strings.NewReader("x")); err != nil {
			t.Fatal(err)
		}
		if got := keys(t, s, "logs/"); !slices.Equal(got, []string{"logs/a/b.json"}) {
			t.Errorf("List(logs/) = %v", got)
		}
		if got := keys(t, s, "logs"); !slices.Equal(got, []string{"logs-2/c", "logs/a/b.json"}) {
			t.Errorf("List(logs) = %v", got)
		}
		for range 2 { // the second time there is nothing
			if err := s.Delete(ctx, "logs/a/b.json"); err != nil {
				t.Error(err)
			}
		}
		for _, key := range []string{"logs/a/b.json", "none", "logs-2"} {
			if _, _, err := s.Open(ctx, key); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), key) {
				t.Errorf("Open(%s) = %v, want not found", key, err)
			}
		}
		if err := s.Write(ctx, "x/y", iotest.ErrReader(io.ErrUnexpectedEOF)); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("Write of a body that was cut off: %v", err)
		}
		if got := keys(t, s, "x"); got != nil {
			t.Errorf("it was kept: %v", got)
		}
	})
}

func TestSeek(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		if err := s.Write(ctx, "logs/a/b.json", strings.NewReader("0123456789")); err != nil {
			t.Fatal(err)
		}
		r, _, err := s.Open(ctx, "logs/a/b.json")
		if err != nil {
			t.Fatal(err)
		}
		if at, err := r.Seek(0, io.SeekEnd); at != 10 || err != nil {
			t.Errorf("Seek to the end = %d, %v", at, err)
		}
		if got, err := io.ReadAll(r); len(got) != 0 || err != nil {
			t.Errorf("read at the end: %q, %v", got, err)
		}
		if at, err := r.Seek(-3, io.SeekEnd); at != 7 || err != nil {
			t.Errorf("Seek = %d, %v", at, err)
		}
		if got, err := io.ReadAll(r); string(got) != "789" || err != nil {
			t.Errorf("read after Seek: %q, %v", got, err)
		}
		_ = r.Close()
	})
}

func TestSegments(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		want := ""
		for n := range int64(12) {
			part := strings.Repeat(string(rune('a'+n)), int(n%4)) // some are empty
			want += part
			for range 2 {
				if err := s.WriteSegment(ctx, "jobs/1/log", n, []byte(part)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := s.WriteSegment(ctx, "jobs/1/log2", 0, []byte("other")); err != nil {
			t.Fatal(err)
		}
		for _, offset := range []int{0, 1, 5, 6, len(want), len(want) + 7} {
			r, size, err := s.OpenSegments(ctx, "jobs/1/log", int64(offset))
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			if string(got) != want[min(offset, len(want)):] || size != int64(len(want)) || err != nil {
				t.Errorf("from %d: %q of %d, %v", offset, got, size, err)
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := s.DeleteSegments(ctx, "jobs/1/log"); err != nil {
			t.Error(err)
		}
		if got := keys(t, s, "jobs/"); len(got) != 1 {
			t.Errorf("keys after DeleteSegments: %v", got)
		}
		r, size, err := s.OpenSegments(ctx, "jobs/1/log", 0)
		if err != nil || size != 0 {
			t.Fatalf("no segments: %d, %v", size, err)
		}
		_ = r.Close()
		if err := s.WriteSegment(ctx, "jobs/1/log", -1, nil); err == nil {
			t.Error("a negative segment was written")
		}
	})
}

func TestBadKeys(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		for _, key := range []string{
			"", "/", "/etc/passwd", "a/", "a//b", "..", "../a", "a/../../b", "a/./b", ".tmp/x", ".hidden", "a\\b", "a b", "a\x00", "a\n",
			"x.attrs", "ä", strings.Repeat("a", 201), strings.Repeat("a/", 500) + "a",
		} {
			_, _, errOpen := s.Open(ctx, key)
			_, _, errRange := s.OpenRange(ctx, key, 0, 1)
			_, errPut := s.Put(ctx, key, strings.NewReader("x"), "", 0)
			for name, err := range map[string]error{
				"Open": errOpen, "OpenRange": errRange, "Put": errPut,
				"Write":        s.Write(ctx, key, strings.NewReader("x")),
				"Delete":       s.Delete(ctx, key),
				"WriteSegment": s.WriteSegment(ctx, key, 0, nil),
			} {
				if err == nil || !strings.Contains(err.Error(), "blob key") {
					t.Errorf("%s(%.30q) = %v, want it refused", name, key, err)
				}
			}
		}
		for _, prefix := range []string{"../", ".tmp/", "a/../"} {
			for _, err := range s.List(ctx, prefix) {
				if err == nil {
					t.Errorf("List(%q) is allowed", prefix)
				}
			}
		}
		if got := keys(t, s, ""); got != nil {
			t.Errorf("something was written: %v", got)
		}
	})
}

func TestSweep(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		if err := s.Write(ctx, "keep", strings.NewReader("x")); err != nil {
			t.Fatal(err)
		}
		if err := s.bucket.WriteAll(ctx, tempPrefix+"CUTOFF", []byte("x"), nil); err != nil {
			t.Fatal(err)
		}
		if err := s.Sweep(ctx, time.Hour); err != nil || len(leftovers(t, s)) != 1 {
			t.Errorf("Sweep of what is older than an hour: %v, left %v", err, leftovers(t, s))
		}
		if err := s.Sweep(ctx, -time.Hour); err != nil || len(leftovers(t, s)) != 0 || len(keys(t, s, "")) != 1 {
			t.Errorf("Sweep: %v, left %v, keys %v", err, leftovers(t, s), keys(t, s, ""))
		}
	})
}

func TestOpen(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	bucket := startS3(t)
	for _, tt := range []struct {
		url    string
		shared bool
		want   string // "" means opened
	}{
		{"file://" + t.TempDir() + "/a/b", false, ""},
		{bucket, true, ""},
		{strings.Replace(bucket, "s3://blobs", "s3://other", 1), false, "no such bucket"},
		{bucket + "&nonsense=1", false, "nonsense"},
		{"file://" + file, false, file},
		{"file://relative/path", false, "three slashes"},
		{"file:///a?create_dir=1", false, "no parameters"},
		{"/var/lib/atoll", false, "use file:///FOLDER"},
		{"mem://", false, "use file:///FOLDER"},
	} {
		s, err := Open(t.Context(), tt.url)
		if tt.want == "" {
			if err != nil || s.Shared() != tt.shared {
				t.Errorf("Open(%s) = %v, %v", tt.url, s, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Open(%s) = %v, want %q", tt.url, err, tt.want)
		}
	}
}

// TestFolderFiles looks at what a folder holds with the eyes of the system.
func TestFolderFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "blobs")
	s := open(t, "file://"+dir)
	ref, err := s.Put(t.Context(), "images", strings.NewReader("x"), "", 0)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, ref.Key))
	if err != nil || info.Mode() != 0o600 || info.Size() != 1 {
		t.Errorf("file of %s: %v, %v", ref.Key, info, err)
	}
	outside := t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := s.Write(t.Context(), "link/x", strings.NewReader("x")); err == nil {
		t.Error("a link led out of the store")
	}
	if names, err := os.ReadDir(filepath.Join(dir, ".tmp")); err != nil || len(names) != 0 {
		t.Errorf("left behind: %v, %v", names, err)
	}
}

// A part that comes after one that is still to come is not shown: it would change
// its place.
func TestSegmentsEndAtAGap(t *testing.T) {
	s, err := Open(t.Context(), "file://"+t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	read := func() string {
		r, size, err := s.OpenSegments(t.Context(), "log", 0)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		b, err := io.ReadAll(r)
		if err != nil || int64(len(b)) != size {
			t.Fatalf("read %d of %d bytes: %v", len(b), size, err)
		}
		return string(b)
	}
	for _, step := range []struct {
		n    int64
		want string
	}{{1, ""}, {0, "01"}, {3, "01"}, {2, "0123"}} {
		if err := s.WriteSegment(t.Context(), "log", step.n, []byte{byte('0' + step.n)}); err != nil {
			t.Fatal(err)
		}
		if got := read(); got != step.want {
			t.Errorf("after part %d the body is %q, want %q", step.n, got, step.want)
		}
	}
}
