package blob

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
)

// WriteSegment stores part n (0, 1, 2, …) of a body that grows, such as a job's output. Writing
// the same part again replaces it, so that a caller may repeat it after a crash.
func (s *Store) WriteSegment(ctx context.Context, key string, n int64, data []byte) error {
	if n < 0 {
		return fmt.Errorf("write segment %d of %s: the number is negative", n, key)
	}
	return s.Write(ctx, segmentKey(key, n), bytes.NewReader(data))
}

// OpenSegments returns the segments that are there now, in order, up to the first one that is
// missing, as one body without its first offset bytes, and the size of that whole body. No segments are an empty body.
func (s *Store) OpenSegments(ctx context.Context, key string, offset int64) (io.ReadCloser, int64, error) {
	if offset < 0 {
		return nil, 0, fmt.Errorf("open segments of %s: offset %d is negative", key, offset)
	}
	r := &segments{ctx: ctx, store: s}
	for e, err := range s.List(ctx, key+"/") {
		if err != nil {
			return nil, 0, err
		}
		if _, err := strconv.ParseUint(path.Base(e.Key), 10, 63); err != nil || path.Dir(e.Key) != key {
			return nil, 0, fmt.Errorf("open segments of %s: %s is not a segment", key, e.Key)
		}
		r.rest = append(r.rest, e)
	}
	slices.SortFunc(r.rest, func(a, b Entry) int { return cmp.Compare(a.Key, b.Key) })
	for n := range r.rest {
		if r.rest[n].Key != segmentKey(key, int64(n)) {
			r.rest = r.rest[:n] // a part before it is still to come
			break
		}
	}
	var size int64
	for _, e := range r.rest {
		size += e.Size
	}
	for len(r.rest) > 0 && offset >= r.rest[0].Size {
		offset -= r.rest[0].Size
		r.rest = r.rest[1:]
	}
	r.skip = offset
	return r, size, nil
}

// DeleteSegments removes all segments of a key.
func (s *Store) DeleteSegments(ctx context.Context, key string) error {
	for e, err := range s.List(ctx, key+"/") {
		if err != nil {
			return err
		}
		if err := s.Delete(ctx, e.Key); err != nil {
			return err
		}
	}
	return nil
}

// segmentKey pads the number to the length of the longest int64, so that keys sort like numbers.
func segmentKey(key string, n int64) string { return fmt.Sprintf("%s/%019d", key, n) }

// segments reads one segment after the other.
type segments struct {
	ctx   context.Context
	store *Store
	rest  []Entry
	skip  int64 // bytes of the next segment
	open  io.ReadCloser
}

func (r *segments) Read(p []byte) (int, error) {
	for {
		if r.open == nil {
			if len(r.rest) == 0 {
				return 0, io.EOF
			}
			next, _, err := r.store.OpenRange(r.ctx, r.rest[0].Key, r.skip, -1)
			if err != nil {
				return 0, err
			}
			r.open, r.rest, r.skip = next, r.rest[1:], 0
		}
		n, err := r.open.Read(p)
		if errors.Is(err, io.EOF) {
			err = r.Close()
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

func (r *segments) Close() error {
	if r.open == nil {
		return nil
	}
	open := r.open
	r.open = nil
	return open.Close()
}
