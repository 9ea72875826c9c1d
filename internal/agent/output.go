package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/wire"
)

const (
	chunkBytes = 16 << 10    // a chunk is cut at this size
	chunkAge   = time.Second // or when its first line is this old
	maxLine    = 8 << 10     // a longer line is split
)

// output takes what a job writes: it cuts the lines into chunks for the spool
// and keeps the last part for the result. A full spool holds its writer back.
type output struct {
	ctx   context.Context // the job's
	ref   wire.JobRef
	spool *spool
	ready func() // called when a chunk is in the spool

	mu       sync.Mutex
	lines    io.WriteCloser // splits the bytes and calls line
	total    int64
	tail     []byte
	chunk    bytes.Buffer // lines in JSON
	sequence int64
	dropped  int64 // lines that did not fit into the spool
	timer    *time.Timer
	closed   bool
}

func newOutput(ctx context.Context, ref wire.JobRef, s *spool, ready func()) *output {
	o := &output{ctx: ctx, ref: ref, spool: s, ready: ready}
	o.lines = &plain{line: func(text string) { o.line(plainLevel, text) }}
	return o
}

// plainLevel is the level of lines that say none.
const plainLevel = 5

// Write implements io.Writer. It never fails: what a job writes beyond
// cloud.MaxJobOutput is counted and dropped.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return len(p), nil
	}
	room := cloud.MaxJobOutput - o.total
	o.total += int64(len(p))
	if room <= 0 {
		return len(p), nil
	}
	kept := p
	if int64(len(p)) > room {
		kept = p[:room]
	}
	if len(kept) >= cloud.MaxInlineResult {
		o.tail = append(o.tail[:0], kept[len(kept)-cloud.MaxInlineResult:]...)
	} else {
		if n := len(o.tail) + len(kept) - cloud.MaxInlineResult; n > 0 {
			o.tail = o.tail[:copy(o.tail, o.tail[n:])]
		}
		o.tail = append(o.tail, kept...)
	}
	if _, err := o.lines.Write(kept); err != nil {
		return 0, err
	}
	if o.total > cloud.MaxJobOutput {
		o.line(warnLevel, fmt.Sprintf("the output is longer than %d MiB; the rest is dropped", cloud.MaxJobOutput>>20))
	}
	return len(p), nil
}

// warnLevel is the level of the agent's own remarks.
const warnLevel = 2

// line adds one line to the chunk. The caller holds mu.
func (o *output) line(level int, text string) {
	enc := json.NewEncoder(&o.chunk)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(wire.LogLine{At: cloud.Now(), Level: level, Text: text}); err != nil {
		return // a string and two numbers always encode
	}
	switch {
	case o.chunk.Len() >= chunkBytes:
		o.flush()
	case o.timer == nil:
		o.timer = time.AfterFunc(chunkAge, func() {
			o.mu.Lock()
			defer o.mu.Unlock()
			if !o.closed {
				o.flush()
			}
		})
	}
}

// flush puts the chunk into the spool. The caller holds mu.
func (o *output) flush() {
	if o.timer != nil {
		o.timer.Stop()
		o.timer = nil
	}
	if o.chunk.Len() == 0 {
		return
	}
	c := wire.LogChunk{JobRef: o.ref, Sequence: o.sequence, Data: o.chunk.String()}
	o.chunk.Reset()
	if err := o.spool.put(o.ctx, c); err != nil {
		o.dropped += int64(strings.Count(c.Data, "\n"))
		return
	}
	o.sequence++
	o.ready()
}

// end closes the output and completes the result with it.
func (o *output) end(r *wire.Result) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return
	}
	if err := o.lines.Close(); err != nil && r.Error == "" {
		r.Error = err.Error()
	}
	short := o.sequence == 0 && o.dropped == 0 && o.total <= cloud.MaxInlineResult
	if short { // the result carries all of it
		o.chunk.Reset()
	}
	o.flush()
	o.closed = true
	r.Output, r.OutputBytes = strings.ToValidUTF8(string(o.tail), "\uFFFD"), o.total
	if len(r.Output) > cloud.MaxInlineResult {
		r.Output = strings.ToValidUTF8(r.Output[len(r.Output)-cloud.MaxInlineResult:], "")
	}
	if o.dropped > 0 {
		r.Error = strings.TrimPrefix(fmt.Sprintf("%s; %d lines of output are lost: the node had no room to keep them while the controller was away", r.Error, o.dropped), "; ")
	}
}

// plain splits bytes into lines.
type plain struct {
	line func(string)
	rest []byte
}

// Write implements io.Writer.
func (p *plain) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		part, after, whole := bytes.Cut(b, []byte{'\n'})
		if room := maxLine - len(p.rest); len(part) > room {
			part, after, whole = b[:room], b[room:], true
		}
		p.rest = append(p.rest, part...)
		if whole {
			p.line(strings.TrimSuffix(string(p.rest), "\r"))
			p.rest = p.rest[:0]
		}
		b = after
	}
	return n, nil
}

// Close implements io.Closer: an unfinished line is one too.
func (p *plain) Close() error {
	if len(p.rest) > 0 {
		p.line(string(p.rest))
		p.rest = nil
	}
	return nil
}
