package agent

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"

	"atoll/internal/cloud"
	"atoll/internal/wire"
)

// journal remembers which jobs were started and how they ended, until the
// controller has their results: a job is started at most once, and its result
// outlives the agent. Each line of its file is a checksum and a record in JSON;
// a torn last line counts as never written.
type journal struct {
	path string // "" keeps it in memory only

	mu      sync.Mutex
	live    map[wire.JobRef]*entry
	file    *os.File
	size    int64
	next    int64 // size at which to compact
	written int64 // records, to know what a sync covers
	closed  bool

	syncMu sync.Mutex
	synced int64 // records that are safe
}

// entry is a job that was started: its result is nil until it has ended.
type entry struct {
	StartedAt cloud.Time
	Result    *wire.Result
}

// record is one line; exactly one of its fields is set.
type record struct {
	Start  *startRecord  `json:"start,omitempty"`
	Result *wire.Result  `json:"result,omitempty"`
	Forget []wire.JobRef `json:"forget,omitempty"`
}

type startRecord struct {
	wire.JobRef
	At cloud.Time `json:"at"`
}

// compactAt is the least size of the file at which what is forgotten is dropped from it.
const compactAt = 1 << 20

var errJournalClosed = errors.New("the journal is closed")

// memoryJournal returns a journal that lives as long as the map.
func memoryJournal(live map[wire.JobRef]*entry) *journal { return &journal{live: live} }

// openJournal reads the journal at path, and makes it if there is none.
func openJournal(path string) (*journal, error) {
	j := &journal{path: path, live: map[wire.JobRef]*entry{}}
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("journal: %w", err)
	}
	for line := range bytes.Lines(text) {
		var r record
		if !readLine(line, &r) {
			break // nothing behind a torn line was acted upon
		}
		j.apply(r)
	}
	if err := j.compact(); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	return j, nil
}

// readLine reads what appendLine wrote; false if it is torn or changed.
func readLine(line []byte, v any) bool {
	if len(line) < 10 || line[8] != ' ' || line[len(line)-1] != '\n' {
		return false
	}
	sum, err := strconv.ParseUint(string(line[:8]), 16, 32)
	body := line[9 : len(line)-1]
	if err != nil || uint32(sum) != crc32.ChecksumIEEE(body) {
		return false
	}
	return json.Unmarshal(body, v) == nil
}

// appendLine appends v as a line: a checksum and JSON.
func appendLine(to []byte, v any) ([]byte, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	to = fmt.Appendf(to, "%08x ", crc32.ChecksumIEEE(body))
	return append(append(to, body...), '\n'), nil
}

func (j *journal) apply(r record) {
	switch {
	case r.Start != nil:
		j.live[r.Start.JobRef] = &entry{StartedAt: r.Start.At}
	case r.Result != nil:
		e := j.live[r.Result.JobRef]
		if e == nil {
			e = &entry{StartedAt: r.Result.StartedAt}
			j.live[r.Result.JobRef] = e
		}
		e.Result = r.Result
	}
	for _, ref := range r.Forget {
		delete(j.live, ref)
	}
}

// start records that the job is about to start, and returns the record's number.
// The job must not start before sync has made it safe, nor after an error.
func (j *journal) start(ref wire.JobRef, at cloud.Time) (int64, error) {
	return j.write(record{Start: &startRecord{ref, at}})
}

// result records how a started job ended. It survives the agent's end at once
// and the host's with the next sync; lost then, the job counts as lost.
func (j *journal) result(r *wire.Result) error {
	_, err := j.write(record{Result: r})
	return err
}

// forget drops jobs whose results the controller has.
func (j *journal) forget(refs []wire.JobRef) error {
	if len(refs) == 0 {
		return nil
	}
	_, err := j.write(record{Forget: refs})
	return err
}

// left returns the results of the jobs that the journal knows, in the order of
// their start: a job without one is lost.
func (j *journal) left() []wire.Result {
	j.mu.Lock()
	defer j.mu.Unlock()
	var list []wire.Result
	for ref, e := range j.live {
		if e.Result != nil {
			list = append(list, *e.Result)
			continue
		}
		list = append(list, wire.Result{
			JobRef: ref, State: cloud.JobLost, StartedAt: e.StartedAt, FinishedAt: cloud.Now(),
			Error: "the agent ended while it ran the job, or was about to",
		})
	}
	slices.SortFunc(list, func(a, b wire.Result) int { return cmp.Compare(a.StartedAt, b.StartedAt) })
	return list
}

func (j *journal) write(r record) (int64, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return 0, errJournalClosed
	}
	if j.file != nil {
		line, err := appendLine(nil, r)
		if err != nil {
			return 0, fmt.Errorf("journal: %w", err)
		}
		// The next line overwrites what a failed write left.
		if _, err := j.file.WriteAt(line, j.size); err != nil {
			return 0, fmt.Errorf("journal: %w", err)
		}
		j.size += int64(len(line))
	}
	j.apply(r)
	j.written++
	if j.file != nil && j.size > j.next {
		if err := j.compact(); err != nil {
			return 0, fmt.Errorf("journal: %w", err)
		}
	}
	return j.written, nil
}

// sync returns when the first n records are safe. Concurrent callers share one
// sync of the disk.
func (j *journal) sync(n int64) error {
	if j.path == "" {
		return nil
	}
	j.syncMu.Lock()
	defer j.syncMu.Unlock()
	if j.synced >= n {
		return nil
	}
	j.mu.Lock()
	f, covers, closed := j.file, j.written, j.closed
	j.mu.Unlock()
	if closed {
		return errJournalClosed
	}
	if err := f.Sync(); err != nil && !errors.Is(err, os.ErrClosed) { // closed: compact replaced it by a synced one
		return fmt.Errorf("journal: %w", err)
	}
	j.synced = covers
	return nil
}

// compact writes the file anew with what is live. The caller holds mu, or owns j.
func (j *journal) compact() error {
	if j.path == "" {
		return nil
	}
	var text []byte
	for ref, e := range j.live {
		var err error
		r := record{Start: &startRecord{ref, e.StartedAt}}
		if e.Result != nil {
			r = record{Result: e.Result}
		}
		if text, err = appendLine(text, r); err != nil {
			return err
		}
	}
	f, err := writeFile(j.path, text)
	if err != nil {
		return err
	}
	if j.file != nil {
		err = j.file.Close()
	}
	j.file, j.size, j.next = f, int64(len(text)), max(compactAt, 2*int64(len(text)))
	return err
}

// close ends the journal; later records are refused.
func (j *journal) close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return nil
	}
	j.closed = true
	if j.file == nil {
		return nil
	}
	return j.file.Close()
}

// writeFile replaces the file at path by one with mode 0600 such that a crash
// leaves either the old or the new content, and returns it open for appending.
func writeFile(path string, data []byte) (*os.File, error) {
	// One name: what a killed agent left there, the next one overwrites.
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
