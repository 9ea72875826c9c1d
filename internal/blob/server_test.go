package blob

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// each runs the test on a folder and on an S3 server.
func each(t *testing.T, test func(t *testing.T, s *Store)) {
	t.Helper()
	t.Run("folder", func(t *testing.T) { test(t, open(t, "file://"+t.TempDir()+"/blobs")) })
	t.Run("s3", func(t *testing.T) { test(t, open(t, startS3(t)+"&prefix=atoll/")) })
}

func open(t *testing.T, url string) *Store {
	t.Helper()
	s, err := Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// startS3 starts an S3 server on a port of its own and returns the URL of an empty bucket.
func startS3(t *testing.T) string {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	backend := s3mem.New()
	if err := backend.CreateBucket("blobs"); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(srv.Close)
	return "s3://blobs?endpoint=" + srv.URL
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// pattern returns n bytes; from 16 MiB on S3 takes them in parts.
func pattern(n int) []byte { return bytes.Repeat([]byte("0123456789abcdef"), n/16+1)[:n] }

func keys(t *testing.T, s *Store, prefix string) []string {
	t.Helper()
	var out []string
	for e, err := range s.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		if e.ModifiedAt.IsZero() {
			t.Errorf("%s has no time", e.Key)
		}
		out = append(out, e.Key)
	}
	slices.Sort(out)
	return out
}

// leftovers returns what is stored under temporary names.
func leftovers(t *testing.T, s *Store) (names []string) {
	t.Helper()
	it := s.bucket.List(nil)
	for {
		o, err := it.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(o.Key, tempPrefix) {
			names = append(names, o.Key)
		}
	}
}

func read(t *testing.T, s *Store, key string) []byte {
	t.Helper()
	r, size, err := s.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil || int64(len(b)) != size {
		t.Fatalf("read %s: %d of %d bytes, %v", key, len(b), size, err)
	}
	return b
}
