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
	"atoll/internal/script"
	"atoll/internal/wire"
)

const (
	chunkBytes = 16 << 10    // a chunk is cut at this size
	chunkAge   = time.Second // or when its first line is this old
)

// output takes what a job writes: the script's output protocol makes lines of
// it, which are cut into chunks for the spool; the last part is kept for the
// result. A full spool holds the writer back. What is written to it is all of the
// job's output, or, after apart, its standard output.
type output struct {
	ctx   context.Context // the job's
	ref   wire.JobRef
	spool *spool
	ready func() // called when a chunk is in the spool

	mu       sync.Mutex
	reader   *script.Writer
	errors   *script.Writer // of standard error; nil if it is not told apart
	tail     []byte         // the last lines
	streams  []byte         // wire.Result.Streams, as long as that may be needed
	chunk    bytes.Buffer   // lines in JSON
	sequence int64
	dropped  int64 // those that did not fit into the spool
	stats    []wire.Stat
	timer    *time.Timer
	closed   bool
}

func newOutput(ctx context.Context, ref wire.JobRef, s *spool, ready func()) *output {
	o := &output{ctx: ctx, ref: ref, spool: s, ready: ready}
	o.reader = script.NewWriter(script.Sink{Line: o.stdoutLine, Stat: func(key string, value float64, typ string) {
		o.stats = append(o.stats, wire.Stat{Key: key, Value: value, Type: typ})
	}})
	return o
}

// apart has lines mean nothing but themselves, and returns where standard error goes.
// It is called before the first line.
func (o *output) apart() (stderr io.Writer) {
	o.reader, o.errors = script.NewPlainWriters(script.Sink{Line: o.stdoutLine}, script.Sink{Line: o.stderrLine})
	return errorOutput{o}
}

// errorOutput is the standard error of an output.
type errorOutput struct{ o *output }

// Write implements io.Writer. It never fails.
func (e errorOutput) Write(p []byte) (int, error) { return e.o.write(e.o.errors, p) }

// Write implements io.Writer. It never fails.
func (o *output) Write(p []byte) (int, error) { return o.write(o.reader, p) }

func (o *output) write(to *script.Writer, p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return len(p), nil
	}
	return to.Write(p)
}

func (o *output) stdoutLine(level int, text string) {
	o.line(wire.LogLine{Level: level, Text: text})
}

func (o *output) stderrLine(level int, text string) {
	o.line(wire.LogLine{Level: level, Text: text, Stream: cloud.StreamStderr})
}

// line adds one line. The caller holds mu.
func (o *output) line(l wire.LogLine) {
	o.tail = append(append(o.tail, l.Text...), '\n')
	if o.errors != nil && len(o.streams) < cloud.MaxInlineResult { // an output with more lines is no short one
		letter := byte(wire.StdoutLine)
		if l.Stream == cloud.StreamStderr {
			letter = wire.StderrLine
		}
		o.streams = append(o.streams, letter)
	}
	if n := len(o.tail); n > 4*cloud.MaxInlineResult {
		o.tail = append(o.tail[:0], o.tail[n-cloud.MaxInlineResult:]...)
	}
	enc := json.NewEncoder(&o.chunk)
	enc.SetEscapeHTML(false)
	l.At, l.Attempt = time.Now().UTC(), o.ref.Repeated()
	if err := enc.Encode(l); err != nil {
		return // texts and numbers always encode
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
	if o.errors != nil {
		if err := o.errors.Close(); err != nil {
			problem = err.Error()
		}
	}
	if o.sequence == 0 && o.dropped == 0 && len(o.tail) <= cloud.MaxInlineResult && o.reader.Bytes() <= cloud.MaxInlineResult {
		o.chunk.Reset() // the result carries all of it
		if bytes.IndexByte(o.streams, wire.StderrLine) >= 0 {
			r.Streams = string(o.streams)
		}
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
