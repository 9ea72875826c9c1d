package cloud

import (
	"encoding/json"
	"slices"
	"time"
)

// JobState is the state of a job.
type JobState string

// The job states. leased means handed to an agent that has not yet acknowledged it.
const (
	JobQueued    JobState = "queued"
	JobLeased    JobState = "leased"
	JobRunning   JobState = "running"
	JobSucceeded JobState = "succeeded"
	JobFailed    JobState = "failed"
	JobTimedOut  JobState = "timed_out"
	JobCanceled  JobState = "canceled"
	JobLost      JobState = "lost" // the agent was killed or cut off while it held the job
)

// JobTransitions is the transition table of jobs. Back to queued goes only a
// job that may run more than once.
var JobTransitions = Transitions[JobState]{
	JobQueued:  {JobLeased, JobCanceled, JobTimedOut, JobLost},
	JobLeased:  {JobRunning, JobSucceeded, JobFailed, JobTimedOut, JobCanceled, JobLost, JobQueued},
	JobRunning: {JobSucceeded, JobFailed, JobTimedOut, JobCanceled, JobLost, JobQueued},
}

// Final reports whether the state is terminal.
func (s JobState) Final() bool { return len(JobTransitions[s]) == 0 }

// StreamStderr marks the lines of a job's output that are standard error.
const StreamStderr = "stderr"

// Retention says how long a finished job is kept.
type Retention string

// The retention classes.
const (
	KeepDays     Retention = "days"     // for the installation's number of days
	KeepFailures Retention = "failures" // failures for days, successes for an hour
	KeepLast     Retention = "last"     // only the newest of each key
)

// Retentions lists them.
var Retentions = []Retention{KeepDays, KeepFailures, KeepLast}

// Actions that every agent has without a script. The others are named by wire.
const (
	ActionNoop    = "noop"
	ActionCommand = "command" // args: {"argv": […]}
	ActionScript  = "script"
)

// The agent's queues. Others are made on demand with one place.
const (
	QueueDefault    = "default"
	QueueHypervisor = "hypervisor"
	QueueIO         = "io"
	QueueProcess    = "process"
	QueueControl    = "control" // control scripts that change a deployment
	QueueAsk        = "ask"     // those whose answer somebody waits for
	QueueCheck      = "check"   // checks of deployments
)

// RunAsRoot is the run_as of the cloud's own work; others name a project's user id.
const RunAsRoot = "root"

// Limits of one job.
const (
	MaxJobArgs        = 64 << 10 // of what people ask for
	MaxStepArgs       = 1 << 20  // of an operation's step: a machine's user data, the ports of a network; of a control script
	MaxInlineResult   = 4 << 10
	MaxActionResult   = 2 << 20  // of a built-in action: what a control script answers, as JSON
	MaxJobOutput      = 64 << 20 // bytes of output kept; more is counted and dropped
	DefaultJobTimeout = 10 * time.Minute
	MaxJobTimeout     = 7 * 24 * time.Hour
)

// Job is one run of one script, or of one built-in action, on one agent.
type Job struct {
	ID           JobID
	AccountID    AccountID
	CloudspaceID CloudspaceID
	ProjectID    ProjectID
	State        JobState
	Action       string
	ScriptID     ScriptID // with ActionScript: the version to run
	Args         json.RawMessage
	// Where: one node, or any node with the role (in the location, if given).
	TargetNode     NodeID
	TargetRole     Role
	TargetLocation LocationID
	Queue          string
	Priority       int64  // higher goes first
	Key            string // jobs of one key run one at a time
	Supersede      bool   // cancels older queued jobs of the same key
	TimeoutMS      int64
	MaxAttempts    int64
	Attempt        int64 // how often it was leased
	Idempotent     bool  // may be started more than once
	RunAs          string
	Retention      Retention
	SubjectKind    Kind
	SubjectID      string
	OperationID    OperationID
	Step           string // unique with OperationID
	ScheduleID     ScheduleID
	CreatedBy      string // user id, or schedule or operation
	NodeID         NodeID // the node that took it
	Lane           string // what LaneOf answers; set by Normalise
	// Token fences: a result that carries an older one is refused.
	Token       int64
	CancelAsked bool
	ExitCode    int64 // of the process; 0 for built-in actions
	Result      json.RawMessage
	Output      string // the last 4 KiB of output; the whole is in segments
	OutputBytes int64  // bytes the job wrote
	Streams     string // which lines of an output that is short are standard error: wire.Result.Streams
	Segments    int64  // number of output segment blobs, of the attempt that has most
	Stats       json.RawMessage
	Error       string
	Simulated   bool
	CreatedAt   Time
	LeasedAt    Time
	StartedAt   Time
	FinishedAt  Time
}

// Timeout is how long the job may run.
func (j *Job) Timeout() time.Duration { return time.Duration(j.TimeoutMS) * time.Millisecond }

// Normalise sets what the caller left out.
func (j *Job) Normalise() {
	if j.Queue == "" {
		j.Queue = QueueDefault
	}
	if j.TimeoutMS == 0 {
		j.TimeoutMS = DefaultJobTimeout.Milliseconds()
	}
	if j.MaxAttempts == 0 {
		j.MaxAttempts = 1
	}
	if j.Retention == "" {
		j.Retention = KeepDays
	}
	if j.RunAs == "" {
		j.RunAs = RunAsRoot
	}
	if j.State == "" {
		j.State = JobQueued
	}
	j.Lane = LaneOf(j.TargetNode, j.TargetRole, j.TargetLocation, j.Queue)
}

// Validate checks a job that Normalise has completed.
func (j *Job) Validate() error {
	switch {
	case j.Action == "":
		return FieldErrorf("action", "is required")
	case (j.Action == ActionScript) != (j.ScriptID != ""):
		return FieldErrorf("script", "goes with the action %q, and only with it", ActionScript)
	case j.TargetNode == "" && j.TargetRole == "":
		return FieldErrorf("node", "say where: a node or a role")
	case j.TargetNode != "" && j.TargetRole != "":
		return FieldErrorf("role", "give a node or a role, not both")
	case j.TargetRole != "" && !slices.Contains(Roles, j.TargetRole):
		return FieldErrorf("role", "%q is no role; the roles are %v", j.TargetRole, Roles)
	case len(j.Args) > j.maxArgs():
		return FieldErrorf("args", "have %d bytes; at most %d are allowed", len(j.Args), j.maxArgs())
	case len(j.Args) > 0 && !json.Valid(j.Args):
		return FieldErrorf("args", "are no valid JSON")
	case j.TimeoutMS < 1 || j.Timeout() > MaxJobTimeout:
		return FieldErrorf("timeout", "must be 1 ms to %s", MaxJobTimeout)
	case j.MaxAttempts < 1 || j.MaxAttempts > 100:
		return FieldErrorf("attempts", "must be 1 to 100")
	case j.MaxAttempts > 1 && !j.Idempotent:
		return FieldErrorf("attempts", "more than one needs idempotent: the job may then be started more than once")
	case !slices.Contains(Retentions, j.Retention):
		return FieldErrorf("retention", "%q is no class; they are %v", j.Retention, Retentions)
	case j.Retention == KeepLast && j.Key == "":
		return FieldErrorf("key", "is required with retention %q", KeepLast)
	case len(j.Key) > 200:
		return FieldErrorf("key", "has %d bytes; at most 200 are allowed", len(j.Key))
	case !queueName.MatchString(j.Queue):
		return FieldErrorf("queue", "%q is no queue name: 1 to 32 of a-z, 0-9 and '-'", clip(j.Queue))
	case j.Priority < -1000 || j.Priority > 1000:
		return FieldErrorf("priority", "must be -1000 to 1000")
	}
	return nil
}

func (j *Job) maxArgs() int {
	if j.OperationID != "" || j.ProjectID != "" {
		return MaxStepArgs
	}
	return MaxJobArgs
}

// LaneOf names the line in which jobs for a node, or for a role (in a location,
// or in all with ""), wait for a place of the queue.
func LaneOf(node NodeID, role Role, location LocationID, queue string) string {
	if node != "" {
		return string(node) + ":" + queue
	}
	return string(role) + "@" + string(location) + ":" + queue
}
