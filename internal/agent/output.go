package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/script"
	"atoll/internal/wire"
)

const (
	chunkBytes = 16 << 10    // a chunk is cut at this size
	chunkAge   = time.Second // or when its first line is this old
)

// output takes what a job writes: the script's output protocol makes lines of
// it, which are cut into chunks for the spool; the last part is kept for the
// result. A full spool holds the writer back.
type output struct {
	ctx   context.Context // the job's
	ref   wire.JobRef
	spool *spool
	ready func() // called when a chunk is in the spool

	mu       sync.Mutex
	reader   *script.Writer
	tail     []byte       // the last lines
	chunk    bytes.Buffer // lines in JSON
	sequence int64
	dropped  int64 // those that did not fit into the spool
	stats    []wire.Stat
	timer    *time.Timer
	closed   bool
}

func newOutput(ctx context.Context, ref wire.JobRef, s *spool, ready func()) *output {
	o := &output{ctx: ctx, ref: ref, spool: s, ready: ready}
	o.reader = script.NewWriter(script.Sink{Line: o.line, Stat: func(key string, value float64, typ string) {
		o.stats = append(o.stats, wire.Stat{Key: key, Value: value, Type: typ})
	}})
	return o
}

// plain has lines mean nothing but themselves. It is called before the first one.
func (o *output) plain() { o.reader = script.NewPlainWriter(script.Sink{Line: o.line}) }

// Write implements io.Writer. It never fails.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return len(p), nil
	}
	return o.reader.Write(p)
}

// line adds one line. The caller holds mu.
func (o *output) line(level int, text string) {
	o.tail = append(append(o.tail, text...), '\n')
	if n := len(o.tail); n > 4*cloud.MaxInlineResult {
		o.tail = append(o.tail[:0], o.tail[n-cloud.MaxInlineResult:]...)
	}
	enc := json.NewEncoder(&o.chunk)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(wire.LogLine{At: time.Now().UTC(), Level: level, Text: text, Attempt: o.ref.Repeated()}); err != nil {
		return // a text and two numbers always encode
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

// close ends the output and completes the result with it. Problem says what is
// wrong with the output, "" if nothing is.
func (o *output) close(r *wire.Result) (problem string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.reader.Close(); err != nil {
		problem = err.Error()
	}
	if o.sequence == 0 && o.dropped == 0 && len(o.tail) <= cloud.MaxInlineResult && o.reader.Bytes() <= cloud.MaxInlineResult {
		o.chunk.Reset() // the result carries all of it
	}
	o.flush()
	o.closed = true
	if n := len(o.tail); n > cloud.MaxInlineResult {
		o.tail = o.tail[n-cloud.MaxInlineResult:]
	}
	r.Output, r.OutputBytes = strings.ToValidUTF8(string(o.tail), ""), o.reader.Bytes()
	r.Stats = o.stats
	result, wrong := o.reader.Result()
	if r.Result == nil {
		r.Result = result
	}
	if wrong != "" {
		problem = wrong
	}
	if o.dropped > 0 {
		problem = fmt.Sprintf("%d lines of output are lost: the node had no room to keep them while the controller was away", o.dropped)
	}
	return problem
}
