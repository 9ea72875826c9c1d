package script

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"atoll/internal/cloud"
)

// The levels of output lines.
const (
	LevelPlain   = 5 // of lines without a level
	LevelWarning = 7 // of our own remarks
	MinLevel     = 1
	MaxLevel     = 9
	levelStats   = 10
	levelResult  = 20
)

// Limits of what a Writer passes on.
const (
	MaxLine  = 16 << 10 // bytes of one line; longer ones are split and end with splitMark
	MaxStats = 1000     // statistics of one job
)

const splitMark = "…"

var (
	blockEnd = []byte(":::")
	statLine = regexp.MustCompile(`^([A-Za-z0-9_./@-][A-Za-z0-9_./@:-]{0,127}):([+-]?[0-9.eE+-]{1,32})\|([gc])$`)
)

// Sink takes what a Writer has read. A call that blocks holds the script back.
type Sink struct {
	Line func(level int, text string)                // valid UTF-8 without line ends and zero bytes
	Stat func(key string, value float64, typ string) // typ is g (gauge) or c (counter)
}

// Writer reads a job's output as it comes and tells a Sink what it means:
//
//	text              a log line of level 5
//	N::text           a log line of level N, 1 to 9
//	10::key:value|g   a statistic: g gauge, c counter
//	20::JSON          the job's result, at most cloud.MaxInlineResult; the last one counts
//	N::: text         all lines up to one that is only ::: , each as if it began with N::
//	…                 (the text may also end with ::: in the first line)
//	:::
//
// Lines with another number are plain text, and so are statistics that cannot be
// read. More than cloud.MaxJobOutput is counted and dropped. A Writer is for one
// goroutine.
type Writer struct {
	sink  Sink
	plain bool // lines mean nothing but themselves
	size  *size

	line    []byte // begun, not ended
	more    bool   // the beginning of the line was passed on already
	level   int    // of such a line
	block   int    // level of the open block; 0 for none
	stats   int
	pending []byte // the result that is being read
	tooLong bool

	result      json.RawMessage
	resultError string
}

// size is how much a job has written, to one Writer or to two.
type size struct {
	bytes int64
	full  bool // the cap is reached
}

// NewWriter returns a Writer that tells sink.
func NewWriter(sink Sink) *Writer { return &Writer{sink: sink, size: &size{}, level: LevelPlain} }

// NewPlainWriters returns Writers for standard output and standard error that take
// each line for text: the output of programs that do not know of levels. Both are for
// one goroutine, and what they get counts together.
func NewPlainWriters(stdout, stderr Sink) (out, errs *Writer) {
	both := &size{}
	return &Writer{sink: stdout, size: both, level: LevelPlain, plain: true}, &Writer{sink: stderr, size: both, level: LevelPlain, plain: true}
}

// Bytes returns how many bytes were written, with those that were dropped.
func (w *Writer) Bytes() int64 { return w.size.bytes }

// Result returns the job's result, nil if it gave none. problem says why a
// result that it tried to give was not taken; it is "" otherwise.
func (w *Writer) Result() (result json.RawMessage, problem string) { return w.result, w.resultError }

// Write takes output; it never fails.
func (w *Writer) Write(p []byte) (int, error) {
	n := len(p)
	room := max(cloud.MaxJobOutput-w.size.bytes, 0)
	w.size.bytes += int64(n)
	over := int64(n) > room
	if over {
		p = p[:room]
	}
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			w.add(p)
			break
		}
		w.add(p[:i])
		w.endLine()
		p = p[i+1:]
	}
	if over && !w.size.full {
		w.size.full = true
		w.end()
		w.sink.Line(LevelWarning, fmt.Sprintf("output over %d MiB is dropped", cloud.MaxJobOutput>>20))
	}
	return n, nil
}

// Close passes on what was begun and not ended. The Writer takes no more.
func (w *Writer) Close() error {
	w.end()
	return nil
}

// end ends the open line and the open block.
func (w *Writer) end() {
	if len(w.line) > 0 || w.more {
		w.endLine()
	}
	w.endBlock()
}

// add takes a part of a line, and passes on what grows over MaxLine.
func (w *Writer) add(p []byte) {
	for len(w.line)+len(p) > MaxLine {
		n := MaxLine - len(w.line)
		w.line = append(w.line, p[:n]...)
		p = p[n:]
		cut := len(w.line)
		// Not within a character.
		for i := 1; i < utf8.UTFMax && cut-i > 0; i++ {
			if b := w.line[cut-i]; utf8.RuneStart(b) {
				if !utf8.FullRune(w.line[cut-i:]) {
					cut -= i
				}
				break
			}
		}
		rest := bytes.Clone(w.line[cut:])
		w.part(w.line[:cut], splitMark)
		w.more = true
		w.line = append(w.line[:0], rest...)
	}
	w.line = append(w.line, p...)
}

func (w *Writer) endLine() {
	line := bytes.TrimSuffix(w.line, []byte("\r"))
	if !w.more && w.block != 0 && bytes.Equal(bytes.TrimSpace(line), blockEnd) {
		w.endBlock()
	} else {
		w.part(line, "")
		if w.level == levelResult && w.block == 0 {
			w.setResult()
		}
	}
	w.line, w.more = w.line[:0], false
}

// part passes on a line, or the next part of a long one.
func (w *Writer) part(text []byte, mark string) {
	if w.more || w.plain {
		w.put(w.level, text, mark)
		return
	}
	if w.block != 0 {
		w.level = w.block
		w.put(w.level, text, mark)
		return
	}
	level, rest, opens := prefix(text)
	w.level = level
	if level == levelResult {
		w.pending, w.tooLong = w.pending[:0], false
	}
	if !opens {
		w.put(level, rest, mark)
		return
	}
	w.block = level
	rest = bytes.TrimSpace(rest)
	rest, closes := bytes.CutSuffix(rest, blockEnd)
	if rest = bytes.TrimSpace(rest); len(rest) > 0 {
		w.put(level, rest, mark)
	}
	if closes && mark == "" {
		w.endBlock()
	}
}

// prefix reads "N::" or "N:::"; opens tells the latter.
func prefix(line []byte) (level int, rest []byte, opens bool) {
	number, after, ok := bytes.Cut(line, []byte("::"))
	if !ok || len(number) == 0 || len(number) > 2 || number[0] == '0' {
		return LevelPlain, line, false
	}
	n, err := strconv.ParseUint(string(number), 10, 8)
	if level = int(n); err != nil || level > MaxLevel && level != levelStats && level != levelResult {
		return LevelPlain, line, false
	}
	rest, opens = bytes.CutPrefix(after, []byte(":"))
	return level, rest, opens
}

// put passes on a text of a level.
func (w *Writer) put(level int, text []byte, mark string) {
	switch level {
	case levelResult:
		if len(w.pending)+len(text) > cloud.MaxInlineResult {
			w.tooLong = true
			return
		}
		w.pending = append(append(w.pending, text...), '\n')
		return
	case levelStats:
		if !w.more && mark == "" && w.stat(string(bytes.TrimSpace(text))) {
			return
		}
		level = LevelPlain
	}
	valid := strings.ReplaceAll(string(bytes.ToValidUTF8(text, []byte("\uFFFD"))), "\x00", "\uFFFD")
	w.sink.Line(level, valid+mark)
}

// stat takes one statistic, or reports that it is none.
func (w *Writer) stat(text string) bool {
	m := statLine.FindStringSubmatch(text)
	if m == nil {
		return false
	}
	value, err := strconv.ParseFloat(m[2], 64)
	if err != nil || math.IsInf(value, 0) || math.IsNaN(value) {
		return false
	}
	if w.stats++; w.stats <= MaxStats {
		w.sink.Stat(m[1], value, m[3])
	} else if w.stats == MaxStats+1 {
		w.sink.Line(LevelWarning, fmt.Sprintf("statistics after the first %d are dropped", MaxStats))
	}
	return true
}

func (w *Writer) endBlock() {
	if w.block == levelResult {
		w.setResult()
	}
	w.block = 0
}

// setResult takes the result that was read.
func (w *Writer) setResult() {
	text := bytes.TrimSpace(w.pending)
	w.result, w.resultError = nil, ""
	switch {
	case w.tooLong || len(text) > cloud.MaxInlineResult:
		w.resultError = fmt.Sprintf("the result (level %d) has more than %d bytes; write large data as output or to a file", levelResult, cloud.MaxInlineResult)
	case !json.Valid(text):
		w.resultError = fmt.Sprintf("the result (level %d) is no valid JSON", levelResult)
	default:
		w.result = bytes.Clone(text)
	}
}
