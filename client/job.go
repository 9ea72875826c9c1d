package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"time"

	"atoll/api"
)

// Jobs are the calls about jobs.
type Jobs struct{ Reader[api.Job] }

// Jobs returns the calls about jobs.
func (c *Client) Jobs() Jobs { return Jobs{Reader[api.Job]{c, "jobs"}} }

// Create makes one job.
func (j Jobs) Create(ctx context.Context, in api.JobCreate, opts ...Option) (*Result[api.Job], error) {
	return change[api.Job](ctx, j.c, http.MethodPost, j.path, in, opts)
}

// CreateBatch makes up to 1,000 jobs, all or none, and returns their ids in order.
func (j Jobs) CreateBatch(ctx context.Context, in []api.JobCreate, opts ...Option) ([]string, error) {
	out, err := post[api.JobBatchCreated](ctx, j.c, j.path+":batch", api.JobBatch{Jobs: in}, opts)
	if err != nil {
		return nil, err
	}
	return out.IDs, nil
}

// Cancel ends a queued job at once and asks the agent of a running one.
func (j Jobs) Cancel(ctx context.Context, id string, opts ...Option) (*Result[api.Job], error) {
	return change[api.Job](ctx, j.c, http.MethodPost, joinPath(j.path, id, "cancel"), nil, opts)
}

// Final reports whether a job in the state has ended.
func Final(state string) bool {
	switch state {
	case "queued", "leased", "running":
		return false
	}
	return true
}

// maxLine bounds one line of output.
const maxLine = 4 << 20

// maxCuts is how often in a row, without a line between, a followed output may break.
const maxCuts = 5

// Logs goes over the lines of the job's output; with follow until the job has
// ended, also when the connection breaks meanwhile. It ends after an error.
func (j Jobs) Logs(ctx context.Context, id string, follow bool) iter.Seq2[api.LogLine, error] {
	return func(yield func(api.LogLine, error) bool) {
		var offset int64
		for cuts := 1; ; cuts++ {
			n, err := j.logs(ctx, id, follow, offset, yield)
			if offset += n; n > 0 {
				cuts = 1
			}
			var e *Error
			switch {
			case err == nil || errors.Is(err, errLeft):
				return
			case !follow || cuts == maxCuts || errors.As(err, &e) || !sleep(ctx, minReopen<<cuts):
				yield(api.LogLine{}, fmt.Errorf("log of job %s: %w", id, err))
				return
			}
		}
	}
}

// logs reads one answer and returns how many bytes of whole lines it had.
func (j Jobs) logs(ctx context.Context, id string, follow bool, offset int64, yield func(api.LogLine, error) bool) (n int64, err error) {
	cl := newCall(http.MethodGet, joinPath(j.path, id, "logs"), nil)
	cl.set("follow", strconv.FormatBool(follow))
	cl.set("offset", strconv.FormatInt(offset, 10))
	res, err := j.c.send(ctx, cl)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	lines := bufio.NewReader(res.Body)
	for {
		text, err := wholeLine(lines)
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		l, err := logLine(text)
		if err != nil {
			return n, &Error{Code: Internal, Message: err.Error()}
		}
		n += int64(len(text))
		if !yield(l, nil) {
			return n, errLeft
		}
	}
}

// wholeLine reads a line with its end; io.ErrUnexpectedEOF if the end is missing.
func wholeLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			return line, nil
		case errors.Is(err, bufio.ErrBufferFull) && len(line) <= maxLine:
		case errors.Is(err, bufio.ErrBufferFull):
			return nil, &Error{Code: TooLarge, Message: "a line of output is too long"}
		case errors.Is(err, io.EOF) && len(line) > 0:
			return nil, io.ErrUnexpectedEOF
		default:
			return nil, err
		}
	}
}

// logLine reads one line of output. Its time is RFC 3339, or microseconds as nodes
// write it.
func logLine(text []byte) (api.LogLine, error) {
	var in struct {
		At      json.RawMessage `json:"at"`
		Level   int             `json:"level"`
		Text    string          `json:"text"`
		Attempt int64           `json:"attempt"`
		Stream  string          `json:"stream"`
	}
	if err := json.Unmarshal(text, &in); err != nil {
		return api.LogLine{}, err
	}
	out := api.LogLine{Level: in.Level, Text: in.Text, Attempt: in.Attempt, Stream: in.Stream}
	if us, err := strconv.ParseInt(string(in.At), 10, 64); err == nil {
		out.At = time.UnixMicro(us).UTC()
		return out, nil
	}
	return out, json.Unmarshal(in.At, &out.At)
}
