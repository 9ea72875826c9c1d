package sim

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

	"atoll/internal/cloud"
	"atoll/internal/wire"
)

// images implements sal.Images. The bytes of an image are fetched and checked
// once for all nodes of the fleet, and not kept.
type images struct{ n *Node }

// image is an image in a node's cache.
type image struct {
	size    int64 // bytes of the file
	virtual int64 // bytes of the disk that it describes
}

// Ensure implements sal.Images.
func (i images) Ensure(ctx context.Context, args wire.ImageArgs, fetch func(context.Context) (io.ReadCloser, error)) error {
	if err := validateImage(args); err != nil {
		return err
	}
	n := i.n
	n.mu.Lock()
	moves := args.Size
	if _, ok := n.images[args.SHA256]; ok {
		moves = 0
	}
	err := n.room("image "+args.SHA256, toMiB(moves))
	n.mu.Unlock()
	if err != nil {
		return err
	}
	c, err := n.begin(ctx, ImageEnsure, moves)
	if err != nil {
		return err
	}
	virtual, err := n.fleet.images.hold(ctx, args, fetch)
	if err != nil {
		return err
	}
	kept := false
	defer func() {
		if !kept {
			n.fleet.images.release(args.SHA256)
		}
	}()
	if err := c.wait(ctx, c.delay); err != nil {
		return err
	}
	return c.commit(ctx, func() error {
		if _, ok := n.images[args.SHA256]; ok {
			return nil
		}
		if err := n.room("image "+args.SHA256, toMiB(args.Size)); err != nil {
			return err
		}
		put(&n.images, args.SHA256, image{size: args.Size, virtual: virtual})
		kept = true
		return nil
	})
}

func validateImage(args wire.ImageArgs) error {
	if err := cloud.ValidateSHA256("sha256", args.SHA256); err != nil {
		return err
	}
	if args.Format != "qcow2" && args.Format != "raw" {
		return cloud.FieldErrorf("format", "%q is no format of images; they are qcow2 and raw", args.Format)
	}
	if args.Size < 1 {
		return cloud.FieldErrorf("size", "of image %s must be its length in bytes, not %d", args.SHA256, args.Size)
	}
	return nil
}

// List implements sal.Images.
func (i images) List(ctx context.Context) ([]string, error) {
	var list []string
	err := i.n.do(ctx, ImageList, func() error {
		list = slices.Sorted(maps.Keys(i.n.images))
		return nil
	})
	return list, err
}

// Delete implements sal.Images.
func (i images) Delete(ctx context.Context, sha256 string) error {
	if err := cloud.ValidateSHA256("sha256", sha256); err != nil {
		return err
	}
	n := i.n
	return n.do(ctx, ImageDelete, func() error {
		if _, ok := n.images[sha256]; !ok {
			return nil
		}
		for id, v := range n.volumes {
			if v.image == sha256 {
				return cloud.Errorf(cloud.Conflict, "image %s is needed by volume %s; delete the volume first", sha256, id)
			}
		}
		drop(&n.images, sha256)
		n.fleet.images.release(sha256)
		return nil
	})
}

// store knows the images that at least one node of the fleet holds.
type store struct {
	mu     sync.Mutex
	images map[string]*stored
}

type stored struct {
	args    wire.ImageArgs // as the fetch was asked for
	ready   chan struct{}  // closed when the fetch has ended
	err     error          // how it ended; read after ready
	holds   int
	size    int64
	format  string
	virtual int64 // bytes of the disk that it describes
}

type fetcher func(context.Context) (io.ReadCloser, error)

// hold returns when the image is fetched and checked, with the size of its disk;
// the caller releases it. Of concurrent callers one fetches. When it fails for
// reasons of its own, the next one tries; bytes that are wrong are wrong for all.
func (s *store) hold(ctx context.Context, args wire.ImageArgs, fetch fetcher) (virtual int64, err error) {
	for {
		s.mu.Lock()
		e := s.images[args.SHA256]
		if e == nil {
			e = &stored{args: args, ready: make(chan struct{}), holds: 1}
			put(&s.images, args.SHA256, e)
			s.mu.Unlock()
			s.fill(ctx, e, args, fetch)
			return e.virtual, e.err
		}
		s.mu.Unlock()
		select {
		case <-e.ready:
		case <-ctx.Done():
			return 0, ended(ctx, ImageEnsure)
		}
		if cloud.Is(e.err, cloud.Invalid) && e.args == args {
			return 0, e.err
		}
		if e.err == nil && s.join(e, args.SHA256) {
			if err := e.matches(args); err != nil {
				s.release(args.SHA256)
				return 0, err
			}
			return e.virtual, nil
		}
	}
}

// join holds e, unless the last holder released it meanwhile.
func (s *store) join(e *stored, sha256 string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.images[sha256] != e {
		return false
	}
	e.holds++
	return true
}

func (s *store) fill(ctx context.Context, e *stored, args wire.ImageArgs, fetch fetcher) {
	defer close(e.ready)
	e.err = e.read(ctx, args, fetch)
	if e.err != nil {
		s.release(args.SHA256)
	}
}

// read fetches the image and checks it.
func (e *stored) read(ctx context.Context, args wire.ImageArgs, fetch fetcher) error {
	body, err := fetch(ctx)
	if err != nil {
		return fmt.Errorf("fetch image %s: %w", args.SHA256, err)
	}
	defer body.Close()
	hash, head := sha256.New(), new(prefix)
	e.size, err = io.Copy(io.MultiWriter(hash, head), io.LimitReader(body, args.Size+1))
	if err != nil {
		return fmt.Errorf("fetch image %s: %w", args.SHA256, err)
	}
	if e.size != args.Size {
		return e.matches(args)
	}
	if sum := hex.EncodeToString(hash.Sum(nil)); sum != args.SHA256 {
		return cloud.FieldErrorf("sha256", "the image's checksum is %s and should be %s", sum, args.SHA256)
	}
	if e.format, e.virtual, err = head.disk(e.size); err != nil {
		return err
	}
	return e.matches(args)
}

func (e *stored) matches(args wire.ImageArgs) error {
	if e.size != args.Size {
		return cloud.FieldErrorf("size", "the image %s does not have the %d bytes that it should have", args.SHA256, args.Size)
	}
	if e.format != args.Format {
		return cloud.FieldErrorf("format", "the image %s is said to be %s and is %s", args.SHA256, args.Format, e.format)
	}
	return nil
}

func (s *store) release(sha256 string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.images[sha256]; e != nil {
		if e.holds--; e.holds == 0 {
			drop(&s.images, sha256)
		}
	}
}

// prefix keeps the first sector of what is written.
type prefix struct {
	sector [512]byte
	length int
}

func (p *prefix) Write(b []byte) (int, error) {
	p.length += copy(p.sector[p.length:], b)
	return len(b), nil
}

// disk tells from the first sector of an image of the size which format it has
// and how large its disk is
// (https://www.qemu.org/docs/master/interop/qcow2.html).
func (p *prefix) disk(size int64) (format string, virtual int64, err error) {
	if string(p.sector[:4]) != "QFI\xfb" {
		if size%512 != 0 || p.sector[510] != 0x55 || p.sector[511] != 0xaa {
			return "", 0, cloud.FieldErrorf("format", "the image is not a disk: it has no qcow2 header, and is not whole sectors of 512 bytes that begin with a boot sector")
		}
		return "raw", size, nil
	}
	if backing := binary.BigEndian.Uint64(p.sector[8:]); backing != 0 {
		return "", 0, cloud.FieldErrorf("format", "the image needs a backing file; flatten it first (qemu-img convert -O qcow2)")
	}
	virtual = int64(binary.BigEndian.Uint64(p.sector[24:]))
	if version := binary.BigEndian.Uint32(p.sector[4:]); version != 2 && version != 3 || virtual <= 0 || virtual > maxVolumeGiB<<30 {
		return "", 0, cloud.FieldErrorf("format", "the image's qcow2 header is damaged (version %d, disk of %d bytes)", version, virtual)
	}
	return "qcow2", virtual, nil
}

// toMiB rounds up.
func toMiB(bytes int64) int64 { return (bytes + 1<<20 - 1) >> 20 }
