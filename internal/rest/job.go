package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"atoll/api"
	"atoll/internal/cloud"
	"atoll/internal/control"
)

func jobView(j *cloud.Job) api.Job {
	return api.Job{
		ID: string(j.ID), AccountID: string(j.AccountID), CloudspaceID: string(j.CloudspaceID), ProjectID: string(j.ProjectID), State: string(j.State), Action: j.Action,
		ScriptID: string(j.ScriptID), Args: j.Args, TargetNodeID: string(j.TargetNode), TargetRole: string(j.TargetRole),
		TargetLocationID: string(j.TargetLocation), Queue: j.Queue, Priority: j.Priority, Key: j.Key, Supersede: j.Supersede,
		Timeout: durationText(j.TimeoutMS), Attempts: j.MaxAttempts, Attempt: j.Attempt, Idempotent: j.Idempotent, RunAs: j.RunAs,
		Retention: string(j.Retention), SubjectKind: string(j.SubjectKind), SubjectID: j.SubjectID, OperationID: string(j.OperationID),
		Step: j.Step, ScheduleID: string(j.ScheduleID), CreatedBy: j.CreatedBy, NodeID: string(j.NodeID), CancelAsked: j.CancelAsked,
		ExitCode: j.ExitCode, Result: j.Result, Output: j.Output, OutputBytes: j.OutputBytes, Stats: j.Stats, Error: j.Error,
		Simulated: j.Simulated, CreatedAt: j.CreatedAt.Time(), LeasedAt: j.LeasedAt.Time(), StartedAt: j.StartedAt.Time(),
		FinishedAt: j.FinishedAt.Time(),
	}
}

// JobIn names a job in the path.
type JobIn struct {
	Job string `path:"job" format:"uuid"`
}

func (in JobIn) id() cloud.JobID { return cloud.JobID(in.Job) }

func (s *Server) registerJobs() {
	const tag, all, one = "Jobs", "/jobs", "/jobs/{job}"
	add(s, get(all, "list-jobs", tag, "List jobs"), s.jobList)
	add(s, post(all, "create-job", tag, "Create a job"), s.jobCreate)
	batch := post("/jobs:batch", "create-jobs", tag, "Create up to 1,000 jobs: all or none")
	batch.MaxBodyBytes = maxBody
	batch.SkipValidateBody = true // it is decoded and checked once, by jobBatch
	batch.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		"application/json": {Schema: s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[api.JobBatch](), true, "")},
	}}
	add(s, batch, s.jobBatch)
	add(s, get(one, "get-job", tag, "Show a job; with Prefer: wait, when it has ended"), s.jobGet)
	logs := get(one+"/logs", "get-job-logs", tag, "Read a job's output as lines of JSON")
	logs.Responses = map[string]*huma.Response{"200": {
		Description: "One LogLine on each line.",
		Content: map[string]*huma.MediaType{ndjson: {
			Schema: s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[api.LogLine](), true, ""),
		}},
	}}
	add(s, logs, s.jobLogs)
	add(s, operation(http.MethodPost, one+"/cancel", "cancel-job", tag, "Cancel a job", http.StatusOK), s.jobCancel)
}

func (s *Server) jobList(ctx context.Context, r *control.Request, in *Listing) (*page[api.Job], error) {
	list, next, err := s.control.Jobs(ctx, r, in.query())
	if err != nil {
		return nil, err
	}
	return pageOf(list, next, jobView), nil
}

type jobCreate struct {
	Creating
	Waiting
	Body api.JobCreate
}

type jobCreated struct {
	Location string `header:"Location" doc:"Where the job is."`
	Body     api.Job
}

func (s *Server) jobCreate(ctx context.Context, r *control.Request, in *jobCreate) (*jobCreated, error) {
	names := refs{s: s, r: r}
	j, err := names.job(ctx, &in.Body)
	if err != nil {
		return nil, err
	}
	if wait := in.wait(); wait > 0 {
		j, err = s.control.RunJob(ctx, r, j, func() (context.Context, func(), error) { return s.wait(ctx, wait) })
	} else if err = s.control.CreateJobs(ctx, r, []*cloud.Job{j}); err == nil {
		j, err = s.control.Job(ctx, r, j.ID)
	}
	if err != nil {
		return nil, err
	}
	return &jobCreated{prefix + "/jobs/" + string(j.ID), jobView(j)}, nil
}

func (s *Server) waitJob(ctx context.Context, r *control.Request, id cloud.JobID, wait time.Duration) (*cloud.Job, error) {
	if wait == 0 {
		return s.control.Job(ctx, r, id)
	}
	until, end, err := s.wait(ctx, wait)
	if err != nil {
		return nil, err
	}
	defer end()
	return s.control.WaitJob(until, r, id)
}

type jobBatch struct {
	Creating
	RawBody []byte
}

type jobBatchCreated struct {
	Body api.JobBatchCreated
}

// jobBatch is the hot path: the body is decoded once, straight into its types.
func (s *Server) jobBatch(ctx context.Context, r *control.Request, in *jobBatch) (*jobBatchCreated, error) {
	var b api.JobBatch
	if err := decodeStrict(in.RawBody, &b); err != nil {
		return nil, err
	}
	if len(b.Jobs) == 0 || len(b.Jobs) > control.MaxBatch {
		return nil, cloud.FieldErrorf("jobs", "must be 1 to %d, not %d", control.MaxBatch, len(b.Jobs))
	}
	names := refs{s: s, r: r}
	jobs := make([]*cloud.Job, len(b.Jobs))
	for i := range b.Jobs {
		j, err := names.job(ctx, &b.Jobs[i])
		if err != nil {
			return nil, inBatch(i, err)
		}
		j.Normalise()
		if err := j.Validate(); err != nil {
			return nil, inBatch(i, err)
		}
		jobs[i] = j
	}
	if err := s.control.CreateJobs(ctx, r, jobs); err != nil {
		return nil, err
	}
	out := &jobBatchCreated{api.JobBatchCreated{IDs: make([]string, len(jobs))}}
	for i, j := range jobs {
		out.Body.IDs[i] = string(j.ID)
	}
	return out, nil
}

// inBatch names the job that an error is about.
func inBatch(i int, err error) error {
	var e *cloud.Error
	if errors.As(err, &e) && e.Field != "" {
		in := *e
		in.Field = "jobs[" + strconv.Itoa(i) + "]." + e.Field
		return &in
	}
	return err
}

// decodeStrict decodes one JSON value and refuses fields that are not there.
func decodeStrict(b []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	err := dec.Decode(v)
	if err == nil {
		if _, err := dec.Token(); err != io.EOF {
			return cloud.Errorf(cloud.Invalid, "the request's body has more after its JSON value")
		}
		return nil
	}
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return cloud.FieldErrorf(wrong.Field, "must not be a %s", wrong.Value)
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		if field, uerr := strconv.Unquote(name); uerr == nil {
			return cloud.FieldErrorf(field, "is no field here; is it misspelled?")
		}
	}
	return cloud.Wrap(cloud.Invalid, err, "the request's body is no valid JSON of this call")
}

// refs finds what the jobs of one call name, each name once.
type refs struct {
	s         *Server
	r         *control.Request
	nodes     map[string]cloud.NodeID
	locations map[string]cloud.LocationID
	scripts   map[string]cloud.ScriptID
}

func lookUp[T ~string](seen *map[string]T, ref string, find func() (T, error)) (T, error) {
	if id, ok := (*seen)[ref]; ok || ref == "" {
		return id, nil
	}
	id, err := find()
	if err != nil {
		return "", err
	}
	if *seen == nil {
		*seen = map[string]T{}
	}
	(*seen)[ref] = id
	return id, nil
}

// job turns the API's job into cloud's.
func (f *refs) job(ctx context.Context, b *api.JobCreate) (*cloud.Job, error) {
	timeout, err := duration("timeout", b.Timeout)
	if err != nil {
		return nil, err
	}
	j := &cloud.Job{
		Action: b.Action, Args: b.Args, TargetRole: cloud.Role(b.Role), Queue: b.Queue, Priority: b.Priority, Key: b.Key,
		Supersede: b.Supersede, TimeoutMS: timeout.Milliseconds(), MaxAttempts: b.Attempts, Idempotent: b.Idempotent,
		RunAs: b.RunAs, Retention: cloud.Retention(b.Retention),
	}
	if j.TargetNode, err = lookUp(&f.nodes, b.Node, func() (cloud.NodeID, error) { return f.s.nodeID(ctx, f.r, b.Node) }); err != nil {
		return nil, err
	}
	j.TargetLocation, err = lookUp(&f.locations, b.Location, func() (cloud.LocationID, error) { return f.s.locationID(ctx, f.r, b.Location) })
	if err != nil {
		return nil, err
	}
	j.ScriptID, err = lookUp(&f.scripts, b.Script, func() (cloud.ScriptID, error) {
		sc, err := f.s.control.Script(ctx, f.r, "", b.Script)
		if err != nil {
			return "", err
		}
		return sc.ID, nil
	})
	if err != nil {
		return nil, err
	}
	return j, setAction(j, b)
}

// setAction completes the action from what it goes with.
func setAction(j *cloud.Job, b *api.JobCreate) error {
	if len(b.Command) > 0 {
		if b.Script != "" || len(b.Args) > 0 || (b.Action != "" && b.Action != cloud.ActionCommand) {
			return cloud.FieldErrorf("command", "goes with no script, args or other action")
		}
		j.Action = cloud.ActionCommand
		var err error
		j.Args, err = json.Marshal(map[string][]string{"argv": b.Command})
		return err
	}
	if j.Action == "" && b.Script != "" {
		j.Action = cloud.ActionScript
	}
	return nil
}

type jobGet struct {
	JobIn
	Waiting
}

func (s *Server) jobGet(ctx context.Context, r *control.Request, in *jobGet) (*body[api.Job], error) {
	j, err := s.waitJob(ctx, r, in.id(), in.wait())
	if err != nil {
		return nil, err
	}
	return &body[api.Job]{Body: jobView(j)}, nil
}

const ndjson = "application/x-ndjson"

type jobLogs struct {
	JobIn
	Offset int64 `query:"offset" minimum:"0" doc:"Bytes of the output to leave out."`
	Follow bool  `query:"follow" doc:"Go on until the job has ended."`
}

// flusher hands on each write at once. A reader that takes too long for it is
// left; it may go on at its offset.
type flusher struct {
	w     io.Writer
	out   *http.ResponseController
	limit time.Duration
}

func (f flusher) Write(p []byte) (int, error) {
	_ = f.out.SetWriteDeadline(time.Now().Add(f.limit)) // a test's recorder has none
	n, err := f.w.Write(p)
	if err != nil {
		return n, err
	}
	return n, f.out.Flush()
}

func (s *Server) jobLogs(ctx context.Context, r *control.Request, in *jobLogs) (*huma.StreamResponse, error) {
	if _, err := s.control.Job(ctx, r, in.id()); err != nil {
		return nil, err // while it can still be answered
	}
	waits, end, err := s.stream(ctx)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer end()
		_, w := humago.Unwrap(hc)
		out := http.NewResponseController(w)
		hc.SetHeader("Content-Type", ndjson)
		hc.SetStatus(http.StatusOK)
		if err := out.Flush(); err != nil {
			return
		}
		err := s.control.JobLog(waits, r, in.id(), in.Offset, in.Follow, flusher{w, out, s.ReaderTime})
		if err != nil && waits.Err() == nil {
			s.Log.Warn("stream a job's output", "job", in.Job, "request_id", r.ID, "err", err)
		}
		if err != nil || waits.Err() != nil {
			panic(http.ErrAbortHandler) // the reader must see that it is not whole
		}
		_ = out.SetWriteDeadline(time.Time{}) // the connection goes on
	}}, nil
}

type jobCancel struct {
	JobIn
	Change
	Waiting
}

func (s *Server) jobCancel(ctx context.Context, r *control.Request, in *jobCancel) (*body[api.Job], error) {
	if err := s.control.CancelJob(ctx, r, in.id()); err != nil {
		return nil, err
	}
	j, err := s.waitJob(ctx, r, in.id(), in.wait())
	if err != nil {
		return nil, err
	}
	return &body[api.Job]{Body: jobView(j)}, nil
}
