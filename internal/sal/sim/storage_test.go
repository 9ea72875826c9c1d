package sim

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/wire"
)

func qcow2(virtualGiB uint64) []byte {
	b := make([]byte, 4096)
	copy(b, "QFI\xfb")
	binary.BigEndian.PutUint32(b[4:], 3)
	binary.BigEndian.PutUint64(b[24:], virtualGiB<<30)
	return b
}

func raw(size int) []byte {
	b := make([]byte, size)
	b[510], b[511] = 0x55, 0xaa
	return b
}

func args(content []byte, format string) wire.ImageArgs {
	sum := sha256.Sum256(content)
	return wire.ImageArgs{SHA256: hex.EncodeToString(sum[:]), Size: int64(len(content)), Format: format}
}

func from(content []byte) func(context.Context) (io.ReadCloser, error) {
	return func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }
}

func TestImagesAreChecked(t *testing.T) {
	n := newNode(t, Config{})
	backed := qcow2(1)
	backed[8] = 1
	junk := make([]byte, 512)
	for _, tt := range []struct {
		name, field string
		args        wire.ImageArgs
		content     []byte
	}{
		{"checksum", "sha256", args(raw(1024), "raw"), append(raw(1023), 1)},
		{"short", "size", args(raw(1024), "raw"), raw(1023)},
		{"long", "size", args(raw(1024), "raw"), raw(2048)},
		{"no disk", "format", args(junk, "raw"), junk},
		{"raw as qcow2", "format", args(raw(1024), "qcow2"), raw(1024)},
		{"qcow2 as raw", "format", args(qcow2(1), "raw"), qcow2(1)},
		{"backing file", "format", args(backed, "qcow2"), backed},
		{"no size", "format", args(qcow2(0), "qcow2"), qcow2(0)},
		{"unknown format", "format", args(junk, "vmdk"), junk},
		{"bad checksum", "sha256", wire.ImageArgs{SHA256: "x", Size: 1, Format: "raw"}, nil},
		{"bad size", "size", args(nil, "raw"), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wantField(t, n.SAL().Images.Ensure(t.Context(), tt.args, from(tt.content)), cloud.Invalid, tt.field)
			if n.images != nil || n.fleet.images.images != nil {
				t.Error("it left something")
			}
		})
	}
	wantKind(t, n.SAL().Images.Delete(t.Context(), "x"), cloud.Invalid)
}

// All nodes of a fleet share one fetch, and what the last one drops is fetched again.
func TestImagesAreFetchedOnceForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, err := NewFleet(Config{Profile: Profile{Latency: map[Call]Latency{ImageEnsure: {Jitter: time.Second, PerGiB: time.Hour}}}})
		must(t, err)
		var fetches atomic.Int32
		fetch := func(ctx context.Context) (io.ReadCloser, error) {
			time.Sleep(time.Second)
			if fetches.Add(1) == 1 {
				return nil, errors.New("the first one fails")
			}
			return from(raw(1 << 20))(ctx)
		}
		image := args(raw(1<<20), "raw")
		var nodes []*Node
		var wg sync.WaitGroup
		var failed atomic.Int32
		for _, name := range []string{"a", "b", "c", "d"} {
			n := f.Node(name)
			nodes = append(nodes, n)
			for range 2 {
				wg.Go(func() {
					if n.SAL().Images.Ensure(t.Context(), image, fetch) != nil {
						failed.Add(1)
					}
				})
			}
		}
		wg.Wait()
		if fetches.Load() != 2 || failed.Load() != 1 {
			t.Errorf("%d fetches, %d failed, want 2 and 1", fetches.Load(), failed.Load())
		}
		for _, n := range nodes {
			list, err := n.SAL().Images.List(t.Context())
			if err != nil || len(list) != 1 {
				t.Errorf("List() = %v, %v", list, err)
			}
			must(t, n.SAL().Images.Delete(t.Context(), image.SHA256))
		}
		if f.images.images != nil {
			t.Errorf("the fleet keeps %v", f.images.images)
		}
		must(t, nodes[0].SAL().Images.Ensure(t.Context(), image, fetch))
		if fetches.Load() != 3 {
			t.Errorf("%d fetches, want 3", fetches.Load())
		}
	})
}

// One that waits for another's fetch can give up.
func TestImageWaiterGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, Config{})
		image := args(raw(512), "raw")
		first := make(chan error)
		hold := make(chan struct{})
		go func() {
			first <- n.SAL().Images.Ensure(t.Context(), image, func(ctx context.Context) (io.ReadCloser, error) {
				<-hold
				return from(raw(512))(ctx)
			})
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		wantKind(t, n.SAL().Images.Ensure(ctx, image, from(raw(512))), cloud.Timeout)
		close(hold)
		must(t, <-first)
	})
}

func TestVolumes(t *testing.T) {
	n := newNode(t, Config{Profile: Profile{Shapes: []Shape{{CPUs: 4, MemoryMiB: 1024, DiskMiB: 20 << 10}}}})
	v, ctx := n.SAL().Volumes, t.Context()
	image := args(qcow2(4), "qcow2")
	a, b := cloud.NewID[cloud.DiskID](), cloud.NewID[cloud.DiskID]()
	wantField(t, v.Ensure(ctx, wire.VolumeArgs{ID: "../x", SizeGiB: 1}), cloud.Invalid, "id")
	wantField(t, v.Ensure(ctx, wire.VolumeArgs{ID: a}), cloud.Invalid, "size_gib")
	wantKind(t, v.Ensure(ctx, wire.VolumeArgs{ID: a, SizeGiB: 8, Image: &image}), cloud.NotFound)
	must(t, n.SAL().Images.Ensure(ctx, image, from(qcow2(4))))
	wantField(t, v.Ensure(ctx, wire.VolumeArgs{ID: a, SizeGiB: 3, Image: &image}), cloud.Invalid, "size_gib")
	must(t, v.Ensure(ctx, wire.VolumeArgs{ID: a, SizeGiB: 8, Image: &image}))
	must(t, v.Ensure(ctx, wire.VolumeArgs{ID: a, SizeGiB: 4})) // never shrinks
	if free := freeGiB(t, n); free != 11 {                     // and 1 MiB of image
		t.Errorf("%d GiB are free, want 11", free)
	}
	wantKind(t, n.SAL().Images.Delete(ctx, image.SHA256), cloud.Conflict)
	wantKind(t, v.Ensure(ctx, wire.VolumeArgs{ID: b, SizeGiB: 12}), cloud.Capacity)
	wantKind(t, v.Ensure(ctx, wire.VolumeArgs{ID: a, SizeGiB: 20}), cloud.Capacity)
	large := args(raw(512), "raw")
	large.Size = 12 << 30
	wantKind(t, n.SAL().Images.Ensure(ctx, large, from(nil)), cloud.Capacity)
	must(t, v.Ensure(ctx, wire.VolumeArgs{ID: a, SizeGiB: 19}))
	must(t, v.Delete(ctx, a))
	must(t, v.Delete(ctx, a))
	must(t, n.SAL().Images.Delete(ctx, image.SHA256))
	if free := freeGiB(t, n); free != 20 {
		t.Errorf("%d GiB are free, want all 20", free)
	}
}

func freeGiB(t *testing.T, n *Node) int64 {
	t.Helper()
	facts, err := n.SAL().Host.Facts(t.Context())
	must(t, err)
	return facts.DiskFreeMiB >> 10
}
