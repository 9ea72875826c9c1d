package api

import "encoding/json"

// Operation is one change that a user asked for, done in durable steps.
type Operation struct {
	ID           string          `json:"id"`
	Kind         string          `json:"kind" example:"machine.create"`
	AccountID    string          `json:"account_id,omitempty"`
	CloudspaceID string          `json:"cloudspace_id,omitempty"`
	ProjectID    string          `json:"project_id,omitempty"`
	SubjectKind  string          `json:"subject_kind" example:"machine"`
	SubjectID    string          `json:"subject_id" doc:"The object that it changes."`
	SubjectName  string          `json:"subject_name,omitempty"`
	State        string          `json:"state" enum:"running,undoing,succeeded,failed,canceled"`
	Step         int64           `json:"step" doc:"Number of the present step, from 0."`
	StepName     string          `json:"step_name,omitempty"`
	Steps        int64           `json:"steps"`
	Attempt      int64           `json:"attempt"`
	Progress     int64           `json:"progress" doc:"0 to 100."`
	Message      string          `json:"message,omitempty" doc:"What it does or waits for now."`
	Input        json.RawMessage `json:"input,omitempty"`
	Error        string          `json:"error,omitempty"`
	ErrorCode    string          `json:"error_code,omitempty" doc:"The kind of error, as in problems."`
	CancelAsked  bool            `json:"cancel_asked,omitempty"`
	RetryOf      string          `json:"retry_of,omitempty"`
	CreatedBy    string          `json:"created_by,omitempty"`
	RequestID    string          `json:"request_id,omitempty"`
	Deadline     Time            `json:"deadline,omitzero"`
	FinishedAt   Time            `json:"finished_at,omitzero"`
	Meta
}

// Live reports whether the operation still has work to do.
func (o *Operation) Live() bool { return o.State == "running" || o.State == "undoing" }
