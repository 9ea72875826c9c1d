package control

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"

	"atoll/internal/authz"
	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/wire"
)

// MaxBatch is how many jobs one call may create.
const MaxBatch = 1000

// CreateJobs creates jobs for one caller in one transaction: all or none. It is
// for operators; root code on nodes is theirs alone.
func (c *Control) CreateJobs(ctx context.Context, r *Request, list []*cloud.Job) error {
	if len(list) == 0 || len(list) > MaxBatch {
		return cloud.FieldErrorf("jobs", "must be 1 to %d, not %d", MaxBatch, len(list))
	}
	return c.change(ctx, r, "job.create", func(ch *change) error {
		if err := r.allow(authz.Create, target{kind: cloud.KindJob, name: "here"}); err != nil {
			return err
		}
		nodes := map[cloud.NodeID]bool{}
		for _, j := range list {
			if j.TargetNode != "" && !nodes[j.TargetNode] {
				if _, _, _, err := ch.NodePlace(j.TargetNode); err != nil {
					return err
				}
				nodes[j.TargetNode] = true
			}
			j.CreatedBy = string(r.User.ID)
		}
		if err := c.jobs.Add(ch.Tx, list...); err != nil {
			return err
		}
		s := subject{kind: cloud.KindJob, id: string(list[0].ID), name: list[0].Action}
		if len(list) > 1 { // a batch call is one event
			s.name = "batch"
		}
		return ch.event("job.create", s, nil, nil)
	})
}

// RunJob creates a job and returns it when it has ended, or as it is when the
// context ends that wait returns once the job is committed.
func (c *Control) RunJob(ctx context.Context, r *Request, j *cloud.Job, wait func() (context.Context, func(), error)) (*cloud.Job, error) {
	j.ID = cloud.NewID[cloud.JobID]()
	ended, forget := c.jobs.Ended(j.ID)
	defer forget()
	if err := c.CreateJobs(ctx, r, []*cloud.Job{j}); err != nil {
		return nil, err
	}
	until, end, err := wait()
	if err != nil {
		return nil, err
	}
	defer end()
	return c.jobs.Await(until, j.ID, ended)
}

func jobTarget(j *cloud.Job) target {
	t := target{kind: cloud.KindJob, name: string(j.ID), account: j.AccountID, cloudspace: j.CloudspaceID, project: j.ProjectID}
	if j.SubjectKind == cloud.KindMachine {
		t.machine = cloud.MachineID(j.SubjectID)
	}
	return t
}

// Job returns the job if the caller may see it.
func (c *Control) Job(ctx context.Context, r *Request, id cloud.JobID) (*cloud.Job, error) {
	var j *cloud.Job
	err := c.view(ctx, func(tx *store.Tx) (err error) {
		if j, err = tx.Job(id); err != nil {
			return err
		}
		return r.allow(authz.Read, jobTarget(j))
	})
	return shownJob(j), err
}

// WaitJob returns the job when it has ended, or as it is when ctx ends.
func (c *Control) WaitJob(ctx context.Context, r *Request, id cloud.JobID) (*cloud.Job, error) {
	if _, err := c.Job(context.WithoutCancel(ctx), r, id); err != nil {
		return nil, err
	}
	j, err := c.jobs.Wait(ctx, id)
	return shownJob(j), err
}

// Jobs returns a page of the jobs that the caller may see.
func (c *Control) Jobs(ctx context.Context, r *Request, q store.Query) (list []cloud.Job, next string, err error) {
	err = c.view(ctx, func(tx *store.Tx) error {
		list, next, err = tx.Jobs(r.query(cloud.KindJob, q))
		return err
	})
	return shownJobs(list), next, err
}

// CancelJob ends a queued job at once and asks the agent of a running one.
func (c *Control) CancelJob(ctx context.Context, r *Request, id cloud.JobID) error {
	return c.change(ctx, r, "job.cancel", func(ch *change) error {
		j, err := ch.Job(id)
		if err != nil {
			return err
		}
		if err := r.allow(authz.Execute, jobTarget(j)); err != nil {
			return err
		}
		if err := c.jobs.Cancel(ch.Tx, id, "canceled by "+r.User.Name); err != nil {
			return err
		}
		return ch.event("job.cancel", subject{kind: cloud.KindJob, id: string(id), name: j.Action, account: j.AccountID, cloudspace: j.CloudspaceID}, nil, nil)
	})
}

// jobsFinished is called in each transaction that ends jobs: it takes their
// operations on.
func (c *Control) jobsFinished(tx *store.Tx, done []cloud.Job) error {
	for i := range done {
		if id := done[i].OperationID; id != "" {
			if err := tx.WakeOperation(id); err != nil {
				return err
			}
			tx.Notify()
			tx.OnCommit(func() { c.ops.Signal(id) })
		}
		if strings.HasPrefix(done[i].Key, "check:") && done[i].OperationID == "" {
			if err := c.checked(tx, done[i].ID); err != nil {
				return err
			}
		}
		if done[i].SubjectKind == cloud.KindLeftover {
			tx.OnCommit(func() { signal(c.cleared) })
		}
	}
	return nil
}

// logKey is the prefix of the output segments of an attempt, by the token of its
// lease: a second attempt leaves the first one's output as it is.
func logKey(id cloud.JobID, token int64) string {
	if token <= 1 {
		return "logs/" + string(id)
	}
	return fmt.Sprintf("logs/%s.%d", id, token)
}

// dropLogs removes the output of all attempts of a job.
func (c *Control) dropLogs(ctx context.Context, id cloud.JobID, token int64) error {
	for t := min(token, 1); t <= token; t++ {
		if err := c.Blobs.DeleteSegments(ctx, logKey(id, t)); err != nil {
			return err
		}
	}
	return nil
}

// storeLog keeps a chunk of a job's output. A chunk that comes twice is stored
// over itself.
func (c *Control) storeLog(ctx context.Context, chunk wire.LogChunk) error {
	return c.Blobs.WriteSegment(ctx, logKey(chunk.ID, chunk.Token), chunk.Sequence, []byte(chunk.Data))
}

// JobLog writes the job's output as lines of JSON (wire.LogLine) from the offset
// in bytes on, one attempt after the other; with follow it goes on until the job
// has ended or ctx ends.
func (c *Control) JobLog(ctx context.Context, r *Request, id cloud.JobID, offset int64, follow bool, w io.Writer) error {
	if _, err := c.Job(ctx, r, id); err != nil {
		return err
	}
	news, stop := c.feed.followLogs(id)
	defer stop()
	if follow && c.DB.Shared() {
		elsewhere, cancel := context.WithCancel(ctx)
		var wg sync.WaitGroup
		wg.Go(func() { c.followElsewhere(elsewhere, id) })
		defer func() { cancel(); wg.Wait() }()
	}
	for at := (logPosition{token: 1, offset: offset}); ; {
		j, err := c.Job(ctx, r, id) // before reading: what is written later is seen again
		if err != nil {
			return err
		}
		if err := c.copyLog(ctx, j, &at, w); err != nil {
			return err
		}
		if j.State.Final() || !follow {
			return nil
		}
		wait, cancel := context.WithTimeout(ctx, logCheck)
		select {
		case <-news:
		case <-wait.Done():
		}
		cancel()
		if ctx.Err() != nil {
			return nil
		}
	}
}

// logPosition is how far a reader of a job's output is.
type logPosition struct {
	token  int64 // of the attempt
	offset int64 // in the attempt's output
}

// copyLog writes what is stored from the position on and moves it.
func (c *Control) copyLog(ctx context.Context, j *cloud.Job, at *logPosition, w io.Writer) error {
	for {
		size, err := c.copyAttempt(ctx, j, at, w)
		if err != nil || at.token >= j.Token {
			return err
		}
		at.token, at.offset = at.token+1, max(0, at.offset-size)
	}
}

// copyAttempt writes what is stored of one attempt and returns the size of it
// all. Short output of the last one is in the job's row alone.
func (c *Control) copyAttempt(ctx context.Context, j *cloud.Job, at *logPosition, w io.Writer) (size int64, err error) {
	if j.Segments > 0 || j.Token > 1 {
		rd, size, err := c.Blobs.OpenSegments(ctx, logKey(j.ID, at.token), at.offset)
		if err != nil {
			return 0, err
		}
		defer rd.Close()
		if size > 0 {
			n, err := io.Copy(w, rd)
			at.offset += n
			return size, err
		}
	}
	if at.token < j.Token || !j.State.Final() {
		return 0, nil
	}
	text := inlineLog(j)
	if at.offset < int64(len(text)) {
		n, err := w.Write(text[at.offset:])
		at.offset += int64(n)
		return int64(len(text)), err
	}
	return int64(len(text)), nil
}

// inlineLog gives the output kept in the row the form of a stored segment.
func inlineLog(j *cloud.Job) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	attempt := wire.JobRef{Token: j.Token}.Repeated()
	n := 0
	for line := range strings.Lines(j.Output) {
		l := wire.LogLine{At: j.FinishedAt.Time(), Level: 5, Text: strings.TrimRight(line, "\r\n"), Attempt: attempt}
		if n < len(j.Streams) && j.Streams[n] == wire.StderrLine {
			l.Stream = cloud.StreamStderr
		}
		enc.Encode(l) // a bytes.Buffer does not fail
		n++
	}
	return b.Bytes()
}
