package agent

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"sync"

	"atoll/internal/cloud"
	"atoll/internal/wire"
)

// spool keeps chunks of output until the controller has them, in order: a few
// MiB in memory and, while the controller is away, the rest in a file.
type spool struct {
	path        string // "" for memory only
	memoryLimit int
	diskLimit   int64

	mu      sync.Mutex
	chunks  []wire.LogChunk     // the oldest that are not under way
	bytes   int                 // of chunks, and of those under way
	left    map[wire.JobRef]int // chunks of a job that the controller does not have yet
	file    *os.File
	readAt  int64 // start of the oldest line in file
	writeAt int64
	space   chan struct{} // closed when there is room again; nil if nobody waits
}

const (
	spoolMemory = 4 << 20
	spoolDisk   = 256 << 20
)

// openSpool reads what an earlier agent left in the file.
func openSpool(path string) (*spool, error) {
	s := &spool{path: path, memoryLimit: spoolMemory, diskLimit: spoolDisk, left: map[wire.JobRef]int{}}
	if path == "" {
		return s, nil
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	for r := bufio.NewReader(f); ; {
		line, err := r.ReadBytes('\n')
		var c wire.LogChunk
		if err != nil || !readLine(line, &c) {
			break // the end, or a torn line
		}
		s.writeAt += int64(len(line))
		s.left[c.JobRef]++
	}
	if s.file, err = os.OpenFile(path, os.O_RDWR, 0o600); err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	return s, s.load()
}

func chunkSize(c *wire.LogChunk) int { return len(c.Data) + 100 }

// put adds a chunk. While there is no room it waits for it or for the end of ctx.
func (s *spool) put(ctx context.Context, c wire.LogChunk) error {
	for {
		s.mu.Lock()
		ok, err := s.add(c)
		if ok || err != nil {
			if ok {
				s.left[c.JobRef]++
			}
			s.mu.Unlock()
			return err
		}
		if s.space == nil {
			s.space = make(chan struct{})
		}
		space := s.space
		s.mu.Unlock()
		select {
		case <-space:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// add reports whether there was room. The caller holds mu.
func (s *spool) add(c wire.LogChunk) (bool, error) {
	n := chunkSize(&c)
	if s.writeAt == s.readAt && (s.bytes == 0 || s.bytes+n <= s.memoryLimit) {
		s.chunks = append(s.chunks, c)
		s.bytes += n
		return true, nil
	}
	if s.path == "" || s.writeAt >= s.diskLimit {
		return false, nil
	}
	if s.file == nil {
		var err error
		if s.file, err = os.OpenFile(s.path, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
			return false, fmt.Errorf("spool: %w", err)
		}
	}
	line, err := appendLine(nil, c)
	if err != nil {
		return false, err
	}
	if _, err := s.file.WriteAt(line, s.writeAt); err != nil {
		return false, fmt.Errorf("spool: %w", err)
	}
	s.writeAt += int64(len(line))
	return true, nil
}

// take returns the oldest chunks, about limit bytes of them, which are then
// under way until sent or unsent is called with them.
func (s *spool) take(limit int) ([]wire.LogChunk, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	if len(s.chunks) == 0 {
		err = s.load()
	}
	n, size := 0, 0
	for n < len(s.chunks) && size < limit {
		size += chunkSize(&s.chunks[n])
		n++
	}
	if n == 0 {
		return nil, err
	}
	out := s.chunks[:n:n]
	if s.chunks = s.chunks[n:]; len(s.chunks) == 0 {
		s.chunks = nil
	}
	return out, err
}

// sent drops chunks that the controller has.
func (s *spool) sent(chunks []wire.LogChunk) {
	if len(chunks) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range chunks {
		s.bytes -= chunkSize(&chunks[i])
		if ref := chunks[i].JobRef; s.left[ref] > 1 {
			s.left[ref]--
		} else {
			delete(s.left, ref)
		}
	}
	if s.space != nil {
		close(s.space)
		s.space = nil
	}
}

// unsent takes chunks back that the controller may not have.
func (s *spool) unsent(chunks []wire.LogChunk) {
	if len(chunks) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.chunks = append(chunks[:len(chunks):len(chunks)], s.chunks...)
	// Of two exchanges that failed, the older one may come back first.
	slices.SortStableFunc(s.chunks, func(a, b wire.LogChunk) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Token, b.Token), cmp.Compare(a.Sequence, b.Sequence))
	})
}

// waiting reports whether there are chunks to take.
func (s *spool) waiting() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.chunks) > 0 || s.writeAt > s.readAt
}

// of returns how many chunks of the job the controller does not have yet.
func (s *spool) of(ref wire.JobRef) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.left[ref]
}

// load reads chunks of the file into memory. The caller holds mu, or owns s.
func (s *spool) load() error {
	if s.writeAt == s.readAt {
		return nil
	}
	r := bufio.NewReader(io.NewSectionReader(s.file, s.readAt, s.writeAt-s.readAt))
	for s.readAt < s.writeAt && s.bytes < s.memoryLimit/2 {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return s.giveUp(fmt.Errorf("spool: %w", err))
		}
		var c wire.LogChunk
		if !readLine(line, &c) {
			return s.giveUp(cloud.Errorf(cloud.Internal, "spool: %s is damaged at byte %d; the output behind it is lost", s.path, s.readAt))
		}
		s.readAt += int64(len(line))
		s.chunks = append(s.chunks, c)
		s.bytes += chunkSize(&c)
	}
	if s.readAt < s.writeAt {
		return nil
	}
	s.readAt, s.writeAt = 0, 0
	if err := s.file.Truncate(0); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}

// giveUp drops the file's rest, which cannot be read: results must not wait for
// output that will never come.
func (s *spool) giveUp(err error) error {
	s.readAt, s.writeAt = 0, 0
	s.left = map[wire.JobRef]int{}
	for i := range s.chunks {
		s.left[s.chunks[i].JobRef]++
	}
	return errors.Join(err, s.file.Truncate(0))
}

// close closes the file, which the next agent reads.
func (s *spool) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file, s.path, s.readAt, s.writeAt = nil, "", 0, 0
	return err
}
