package agent

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"atoll/internal/wire"
)

func chunk(job int, sequence int64) wire.LogChunk {
	return wire.LogChunk{JobRef: ref(job), Sequence: sequence, Data: strings.Repeat("x", 900)}
}

// drain takes everything and checks that each job's chunks come in order.
func drain(t *testing.T, s *spool) (n int) {
	t.Helper()
	next := map[wire.JobRef]int64{}
	for {
		chunks, err := s.take(5000)
		if err != nil {
			t.Fatal(err)
		}
		if len(chunks) == 0 {
			return n
		}
		for _, c := range chunks {
			if c.Sequence != next[c.JobRef] {
				t.Fatalf("chunk %d of job %s came where %d was due", c.Sequence, c.ID, next[c.JobRef])
			}
			next[c.JobRef]++
			n++
		}
		if n%2 == 0 { // the controller was away at first
			s.unsent(chunks)
			if chunks, err = s.take(5000); err != nil {
				t.Fatal(err)
			}
		}
		s.sent(chunks)
	}
}

func TestSpool(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool")
	s, err := openSpool(path)
	if err != nil {
		t.Fatal(err)
	}
	s.memoryLimit, s.diskLimit = 10_000, 60_000
	full, cancel := context.WithCancelCause(t.Context())
	cancel(errTimeout)
	stored := 0
	for i := 0; ; i++ {
		err := s.put(full, chunk(i%3, int64(i/3)))
		if errors.Is(err, errTimeout) {
			break // full: the writer is held back until its job ends
		}
		if err != nil {
			t.Fatal(err)
		}
		stored++
	}
	if stored < 50 || stored > 80 {
		t.Errorf("%d chunks stored, want what fits into 10 kB of memory and 60 kB on disk", stored)
	}
	// A writer that waits goes on when there is room again.
	waited := make(chan error, 1)
	go func() { waited <- s.put(t.Context(), chunk(9, 0)) }()
	if n := drain(t, s); n < stored {
		t.Errorf("%d chunks came out of %d", n, stored)
	}
	if err := <-waited; err != nil {
		t.Error(err)
	}
	drain(t, s)
	if st, err := os.Stat(path); err != nil || st.Size() != 0 {
		t.Errorf("the drained spool has %d bytes, %v", st.Size(), err)
	}
	if s.bytes != 0 || len(s.left) != 0 {
		t.Errorf("%d bytes and %v left in a drained spool", s.bytes, s.left)
	}
	if err := s.close(); err != nil {
		t.Error(err)
	}
}

func TestSpoolOfEarlierAgent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool")
	s, err := openSpool(path)
	if err != nil {
		t.Fatal(err)
	}
	s.memoryLimit = 0
	for i := range 20 {
		if err := s.put(t.Context(), chunk(1, int64(i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("0123"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = openSpool(path); err != nil {
		t.Fatal(err)
	}
	// The first chunk was in memory: an empty spool takes one in any case.
	if got := s.of(ref(1)); got != 19 {
		t.Errorf("%d chunks were left, want 19", got)
	}
	chunks, err := s.take(1 << 20)
	if err != nil || len(chunks) != 19 || chunks[0].Sequence != 1 {
		t.Errorf("take() = %d chunks, %v", len(chunks), err)
	}
	if err := s.close(); err != nil {
		t.Error(err)
	}
}
