package api

import "encoding/json"

// Job is one run of one script, or of one built-in action, on one agent.
type Job struct {
	ID               string          `json:"id"`
	AccountID        string          `json:"account_id,omitempty"`
	CloudspaceID     string          `json:"cloudspace_id,omitempty"`
	ProjectID        string          `json:"project_id,omitempty"`
	State            string          `json:"state" enum:"queued,leased,running,succeeded,failed,timed_out,canceled,lost"`
	Action           string          `json:"action" doc:"noop, command, script, or an action of the cloud's own." example:"command"`
	ScriptID         string          `json:"script_id,omitempty"`
	Args             json.RawMessage `json:"args,omitempty"`
	TargetNodeID     string          `json:"target_node_id,omitempty"`
	TargetRole       string          `json:"target_role,omitempty"`
	TargetLocationID string          `json:"target_location_id,omitempty"`
	Queue            string          `json:"queue"`
	Priority         int64           `json:"priority"`
	Key              string          `json:"key,omitempty"`
	Supersede        bool            `json:"supersede,omitempty"`
	Timeout          string          `json:"timeout" example:"10m0s"`
	Attempts         int64           `json:"attempts" doc:"How often it may be started."`
	Attempt          int64           `json:"attempt" doc:"How often it was handed to an agent."`
	Idempotent       bool            `json:"idempotent"`
	RunAs            string          `json:"run_as"`
	Retention        string          `json:"retention" enum:"days,failures,last"`
	SubjectKind      string          `json:"subject_kind,omitempty"`
	SubjectID        string          `json:"subject_id,omitempty"`
	OperationID      string          `json:"operation_id,omitempty"`
	Step             string          `json:"step,omitempty"`
	ScheduleID       string          `json:"schedule_id,omitempty"`
	CreatedBy        string          `json:"created_by,omitempty" doc:"Id of a user, schedule or operation."`
	NodeID           string          `json:"node_id,omitempty" doc:"The node that took it."`
	CancelAsked      bool            `json:"cancel_asked,omitempty"`
	ExitCode         int64           `json:"exit_code" doc:"Of the process; 0 for built-in actions."`
	Result           json.RawMessage `json:"result,omitempty" doc:"What the script or action gave as its result."`
	Output           string          `json:"output,omitempty" doc:"The last 4 KiB of its output; GET …/logs has all."`
	OutputBytes      int64           `json:"output_bytes"`
	Stats            json.RawMessage `json:"stats,omitempty"`
	Error            string          `json:"error,omitempty"`
	Simulated        bool            `json:"simulated,omitempty" doc:"It ran on a simulated node."`
	CreatedAt        Time            `json:"created_at,omitzero"`
	LeasedAt         Time            `json:"leased_at,omitzero"`
	StartedAt        Time            `json:"started_at,omitzero"`
	FinishedAt       Time            `json:"finished_at,omitzero"`
}

// JobCreate is what a job is made from.
type JobCreate struct {
	Action     string          `json:"action,omitempty" doc:"noop, command or script; found from command and script if left out." example:"command"`
	Command    []string        `json:"command,omitempty" doc:"Short for the action command: program and arguments." example:"[\"uptime\"]"`
	Script     string          `json:"script,omitempty" doc:"Id or name of the script to run."`
	Args       json.RawMessage `json:"args,omitempty" doc:"JSON arguments of the action or script; at most 64 KiB."`
	Node       string          `json:"node,omitempty" doc:"Where: a node's id or name …"`
	Role       string          `json:"role,omitempty" enum:"compute,network,storage,boot,runner" doc:"… or any node with the role"`
	Location   string          `json:"location,omitempty" doc:"… in this location: id or name."`
	Queue      string          `json:"queue,omitempty" doc:"default if left out."`
	Priority   int64           `json:"priority,omitempty" minimum:"-1000" maximum:"1000" doc:"Higher goes first."`
	Key        string          `json:"key,omitempty" maxLength:"200" doc:"Jobs of one key run one at a time."`
	Supersede  bool            `json:"supersede,omitempty" doc:"Cancels older queued jobs of the same key."`
	Timeout    string          `json:"timeout,omitempty" doc:"10m if left out." example:"30s"`
	Attempts   int64           `json:"attempts,omitempty" minimum:"0" maximum:"100" doc:"More than 1 needs idempotent."`
	Idempotent bool            `json:"idempotent,omitempty" doc:"It may be started more than once."`
	RunAs      string          `json:"run_as,omitempty" doc:"root if left out."`
	Retention  string          `json:"retention,omitempty" enum:"days,failures,last"`
}

// JobBatch creates up to 1,000 jobs in one call: all or none.
type JobBatch struct {
	Jobs []JobCreate `json:"jobs" minItems:"1" maxItems:"1000"`
}

// JobBatchCreated are the ids of the created jobs, in the order of the call.
type JobBatchCreated struct {
	IDs []string `json:"ids"`
}

// LogLine is one line of a job's output.
type LogLine struct {
	At    Time   `json:"at"`
	Level int    `json:"level" doc:"1 to 9; 10 is statistics, 20 a result."`
	Text  string `json:"text"`
	// Attempt is 0 for the first one.
	Attempt int64 `json:"attempt,omitempty" doc:"The attempt that wrote it, from the second one on."`
	// Stream is empty for standard output, and of jobs that do not tell the two apart.
	Stream string `json:"stream,omitempty" enum:"stderr" doc:"stderr for what a control script wrote to its standard error."`
}
