package client

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
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

// Logs goes over the lines of the job's output; with follow until the job has
// ended. It ends after an error.
func (j Jobs) Logs(ctx context.Context, id string, follow bool) iter.Seq2[api.LogLine, error] {
	return func(yield func(api.LogLine, error) bool) {
		cl := newCall(http.MethodGet, joinPath(j.path, id, "logs"), nil)
		cl.set("follow", strconv.FormatBool(follow))
		res, err := j.c.send(ctx, cl)
		if err != nil {
			yield(api.LogLine{}, err)
			return
		}
		defer res.Body.Close()
		lines := bufio.NewScanner(res.Body)
		lines.Buffer(nil, maxLine)
		for lines.Scan() {
			l, err := logLine(lines.Bytes())
			if err != nil {
				yield(l, fmt.Errorf("log of job %s: %w", id, err))
				return
			}
			if !yield(l, nil) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			yield(api.LogLine{}, fmt.Errorf("log of job %s: %w", id, err))
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
	}
	if err := json.Unmarshal(text, &in); err != nil {
		return api.LogLine{}, err
	}
	out := api.LogLine{Level: in.Level, Text: in.Text, Attempt: in.Attempt}
	if us, err := strconv.ParseInt(string(in.At), 10, 64); err == nil {
		out.At = time.UnixMicro(us).UTC()
		return out, nil
	}
	return out, json.Unmarshal(in.At, &out.At)
}
