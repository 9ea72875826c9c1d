package saltest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"atoll/internal/cloud"
	"atoll/internal/sal"
	"atoll/internal/wire"
)

// RawImage returns a raw disk image of 1 MiB that a BIOS would boot: the boot
// sector begins with code (at most 510 bytes). Its arguments fit it.
func RawImage(code []byte) ([]byte, wire.ImageArgs) {
	disk := make([]byte, 1<<20)
	copy(disk[:510], code)
	disk[510], disk[511] = 0x55, 0xaa
	return disk, Args(disk, "raw")
}

// Args returns the arguments of an image with the content.
func Args(content []byte, format string) wire.ImageArgs {
	sum := sha256.Sum256(content)
	return wire.ImageArgs{SHA256: hex.EncodeToString(sum[:]), Size: int64(len(content)), Format: format}
}

// From fetches an image from memory.
func From(content []byte) func(context.Context) (io.ReadCloser, error) {
	return func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content)), nil
	}
}

// Images tests a driver of images; newImages returns an empty cache.
func Images(t *testing.T, newImages func(t *testing.T) sal.Images) {
	for name, test := range map[string]func(*testing.T, sal.Images){
		"ensure, list, delete": imagesLife,
		"bad content":          imagesBadContent,
		"bad arguments":        imagesBadArgs,
		"fetch fails":          imagesFetchFails,
		"fetched once":         imagesOnce,
	} {
		t.Run(name, func(t *testing.T) { test(t, newImages(t)) })
	}
}

func imagesLife(t *testing.T, im sal.Images) {
	ctx := t.Context()
	content, args := RawImage([]byte("life"))
	must(t, im.Ensure(ctx, args, From(content)))
	must(t, im.Ensure(ctx, args, func(context.Context) (io.ReadCloser, error) {
		t.Error("an image in the cache was fetched again")
		return nil, errors.New("no")
	}))
	wantImages(t, im, args.SHA256)
	must(t, im.Delete(ctx, args.SHA256))
	must(t, im.Delete(ctx, args.SHA256))
	wantImages(t, im)
}

func imagesBadContent(t *testing.T, im sal.Images) {
	content, args := RawImage([]byte("bad content"))
	changed := slices.Clone(content)
	changed[4711]++
	for name, c := range map[string][]byte{
		"checksum": changed,
		"short":    content[:len(content)-512],
		"long":     append(slices.Clone(content), make([]byte, 512)...),
		"empty":    nil,
	} {
		wantKind(t, name, im.Ensure(t.Context(), args, From(c)), cloud.Invalid)
		wantImages(t, im)
	}
	must(t, im.Ensure(t.Context(), args, From(content)))
}

func imagesBadArgs(t *testing.T, im sal.Images) {
	content, good := RawImage([]byte("bad arguments"))
	for name, change := range map[string]func(*wire.ImageArgs){
		"sha256": func(a *wire.ImageArgs) { a.SHA256 = "../../etc/passwd" },
		"format": func(a *wire.ImageArgs) { a.Format = "vmdk" },
		"size":   func(a *wire.ImageArgs) { a.Size = 0 },
	} {
		args := good
		change(&args)
		wantKind(t, name, im.Ensure(t.Context(), args, From(content)), cloud.Invalid)
	}
	wantImages(t, im)
}

func imagesFetchFails(t *testing.T, im sal.Images) {
	content, args := RawImage([]byte("fetch fails"))
	away := cloud.Errorf(cloud.Unavailable, "the controller is away")
	err := im.Ensure(t.Context(), args, func(context.Context) (io.ReadCloser, error) { return nil, away })
	wantKind(t, "fetch", err, cloud.Unavailable)
	err = im.Ensure(t.Context(), args, func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(bytes.NewReader(content[:1000]), &broken{away})), nil
	})
	wantKind(t, "read", err, cloud.Unavailable)
	wantImages(t, im)
}

type broken struct{ err error }

func (b *broken) Read([]byte) (int, error) { return 0, b.err }

func imagesOnce(t *testing.T, im sal.Images) {
	content, args := RawImage([]byte("once"))
	var fetches atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			err := im.Ensure(t.Context(), args, func(ctx context.Context) (io.ReadCloser, error) {
				fetches.Add(1)
				return From(content)(ctx)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := fetches.Load(); n != 1 {
		t.Errorf("8 calls fetched the image %d times, want once", n)
	}
	wantImages(t, im, args.SHA256)
}

func wantImages(t *testing.T, im sal.Images, want ...string) {
	t.Helper()
	got, err := im.List(t.Context())
	must(t, err)
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("List() = %v, want %v", got, want)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantKind(t *testing.T, what string, err error, want cloud.ErrorKind) {
	t.Helper()
	if !cloud.Is(err, want) {
		t.Errorf("%s: error = %v (kind %q), want kind %q", what, err, cloud.KindOf(err), want)
	}
}
