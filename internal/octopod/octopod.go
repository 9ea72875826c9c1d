// Package octopod is what Octopod's HTTP API says: its JSON types and a client of
// them. They are those of the original (1.4 and 1.5), so that its client talks to
// Atoll, and ours to an installation of it.
//
// It must never know how Atoll keeps deployments, or interpret what it carries.
package octopod

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Override is one difference from the default configuration.
type Override struct {
	Key     string
	Value   string
	Deleted bool // the default is deleted; there is no value
}

// Overrides are differences in their order. Their JSON is a list, never null.
type Overrides []Override

// Deployment is what a user chooses of a deployment.
type Deployment struct {
	Name                string    `json:"name"`
	AppOverrides        Overrides `json:"app_overrides"`
	DeploymentOverrides Overrides `json:"deployment_overrides"`
}

// Update replaces both lists of a deployment.
type Update struct {
	AppOverrides        Overrides `json:"app_overrides"`
	DeploymentOverrides Overrides `json:"deployment_overrides"`
}

// Recorded is a status as it is stored, and as the script notifications gets it.
type Recorded string

// The recorded statuses.
const (
	Running             Recorded = "Running"
	GenericFailure      Recorded = "GenericFailure"
	TagMismatch         Recorded = "TagMismatch"
	PartialAvailability Recorded = "PartialAvailability"
	CreatePending       Recorded = "CreatePending"
	UpdatePending       Recorded = "UpdatePending"
	ArchivePending      Recorded = "ArchivePending"
	Archived            Recorded = "Archived"
	CleanupFailed       Recorded = "CleanupFailed"
)

// AllRecorded lists them.
var AllRecorded = []Recorded{
	Running, GenericFailure, TagMismatch, PartialAvailability, CreatePending, UpdatePending, ArchivePending, Archived, CleanupFailed,
}

// failure reports whether the API wraps the status as a kind of failure.
func (r Recorded) failure() bool {
	return r == GenericFailure || r == TagMismatch || r == PartialAvailability
}

// String is the status in the words of error messages.
func (r Recorded) String() string {
	if r.failure() {
		return "Failure " + string(r)
	}
	return string(r)
}

// Status is a recorded status, and whether something is done to the deployment now.
type Status struct {
	Pending  bool
	Recorded Recorded
}

// Link is where a deployment is reached.
type Link struct {
	Name string `json:"name"`
	Link string `json:"link"`
}

// FullInfo is a deployment as lists show it.
type FullInfo struct {
	Deployment Deployment `json:"deployment"`
	Status     Status     `json:"status"`
	Metadata   []Link     `json:"metadata"`
	CreatedAt  time.Time  `json:"created_at"`
	UpdatedAt  time.Time  `json:"updated_at"`
}

// Info is a deployment with its log, the newest entry first.
type Info struct {
	Deployment Deployment `json:"deployment"`
	Metadata   []Link     `json:"metadata"`
	Logs       []Log      `json:"logs"`
}

// Action is what was done, such as CreateAction.
type Action string

// The actions.
const (
	CreateAction  Action = "CreateAction"
	UpdateAction  Action = "UpdateAction"
	ArchiveAction Action = "ArchiveAction"
	RestoreAction Action = "RestoreAction"
	CleanupAction Action = "CleanupAction"
)

// Word is the action as people read it and as it is stored: create for CreateAction.
func (a Action) Word() string { return strings.ToLower(strings.TrimSuffix(string(a), "Action")) }

// Log is one entry of a deployment's log.
type Log struct {
	ActionID            int64     `json:"action_id"`
	Action              Action    `json:"action"`
	AppOverrides        Overrides `json:"deployment_app_overrides"`
	DeploymentOverrides Overrides `json:"deployment_dep_overrides"`
	ExitCode            int64     `json:"exit_code"`
	Duration            Duration  `json:"duration"`
	CreatedAt           time.Time `json:"created_at"`
}

// ActionInfo is the output of an action's script.
type ActionInfo struct {
	Stdout Stdout `json:"stdout"`
	Stderr Stderr `json:"stderr"`
}

// Stdout is standard output.
type Stdout struct {
	Text string `json:"un_stdout"`
}

// Stderr is standard error.
type Stderr struct {
	Text string `json:"un_stderr"`
}

// CurrentStatus is the answer of a check.
type CurrentStatus struct {
	Status string `json:"status"` // Ok or Error
}

// KeyValue is one value of a configuration. Its JSON is a pair.
type KeyValue struct {
	Key, Value string
}

// CommandResponse is the answer to a command, and the body of some errors.
type CommandResponse struct {
	Tag          ResponseTag
	NameField    []string // with ValidationError: what is wrong with the name
	ErrorMessage string   // with AppError
}

// ResponseTag says what a CommandResponse is.
type ResponseTag string

// The tags.
const (
	Success         ResponseTag = "Success"
	ValidationError ResponseTag = "ValidationError"
	AppError        ResponseTag = "AppError"
)

// Duration is a length of time in the JSON of calendar differences.
type Duration time.Duration

// tagged is the JSON of a value of a sum type.
type tagged struct {
	Tag      string `json:"tag"`
	Contents any    `json:"contents,omitempty"`
}

// MarshalJSON writes ["key",{"tag":"ValueAdded","contents":"value"}].
func (o Override) MarshalJSON() ([]byte, error) {
	if o.Deleted {
		return json.Marshal([2]any{o.Key, tagged{Tag: "ValueDeleted"}})
	}
	return json.Marshal([2]any{o.Key, tagged{"ValueAdded", &o.Value}})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (o *Override) UnmarshalJSON(data []byte) error {
	var value struct {
		Tag      string  `json:"tag"`
		Contents *string `json:"contents"`
	}
	*o = Override{}
	if err := pair(data, &o.Key, &value); err != nil {
		return err
	}
	switch {
	case value.Tag == "ValueDeleted":
		o.Deleted = true
	case value.Tag == "ValueAdded" && value.Contents != nil:
		o.Value = *value.Contents
	case value.Tag == "ValueAdded":
		return fmt.Errorf("the override of %q has no contents", o.Key)
	default:
		return fmt.Errorf("the override of %q has the tag %q; it must be ValueAdded or ValueDeleted", o.Key, value.Tag)
	}
	return nil
}

// pair reads a list of two.
func pair(data []byte, a, b any) error {
	var list []json.RawMessage
	if err := json.Unmarshal(data, &list); err != nil {
		return err
	}
	if len(list) != 2 {
		return fmt.Errorf("a list of %d has no key and value; it must have two elements", len(list))
	}
	if err := json.Unmarshal(list[0], a); err != nil {
		return err
	}
	return json.Unmarshal(list[1], b)
}

// MarshalJSON writes a list, also if there is nothing.
func (o Overrides) MarshalJSON() ([]byte, error) {
	return json.Marshal(append([]Override{}, o...))
}

// MarshalJSON writes ["key","value"].
func (kv KeyValue) MarshalJSON() ([]byte, error) { return json.Marshal([2]string{kv.Key, kv.Value}) }

// UnmarshalJSON reads what MarshalJSON writes.
func (kv *KeyValue) UnmarshalJSON(data []byte) error { return pair(data, &kv.Key, &kv.Value) }

// MarshalJSON writes {"tag":"DeploymentNotPending","recorded_status":{"tag":"Running"}}.
func (s Status) MarshalJSON() ([]byte, error) {
	out := struct {
		Tag      string `json:"tag"`
		Recorded tagged `json:"recorded_status"`
	}{"DeploymentNotPending", tagged{Tag: string(s.Recorded)}}
	if s.Pending {
		out.Tag = "DeploymentPending"
	}
	if s.Recorded.failure() {
		out.Recorded = tagged{"Failure", s.Recorded}
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (s *Status) UnmarshalJSON(data []byte) error {
	var in struct {
		Tag      string `json:"tag"`
		Recorded struct {
			Tag      Recorded `json:"tag"`
			Contents Recorded `json:"contents"`
		} `json:"recorded_status"`
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	s.Recorded = in.Recorded.Tag
	if in.Recorded.Tag == "Failure" {
		s.Recorded = in.Recorded.Contents
	}
	s.Pending = in.Tag == "DeploymentPending"
	if !s.Pending && in.Tag != "DeploymentNotPending" {
		return fmt.Errorf("a status has the tag %q; it must be DeploymentPending or DeploymentNotPending", in.Tag)
	}
	return nil
}

// commandResponse is the JSON of all kinds of CommandResponse.
type commandResponse struct {
	Tag          ResponseTag `json:"tag"`
	NameField    *[]string   `json:"name_field,omitempty"`
	ErrorMessage *string     `json:"error_message,omitempty"`
}

// MarshalJSON writes the fields that the tag has.
func (c CommandResponse) MarshalJSON() ([]byte, error) {
	out := commandResponse{Tag: c.Tag}
	switch c.Tag {
	case ValidationError:
		list := append([]string{}, c.NameField...)
		out.NameField = &list
	case AppError:
		out.ErrorMessage = &c.ErrorMessage
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON writes, and refuses other tags.
func (c *CommandResponse) UnmarshalJSON(data []byte) error {
	var in commandResponse
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	*c = CommandResponse{Tag: in.Tag}
	switch {
	case in.Tag == Success:
	case in.Tag == ValidationError && in.NameField != nil:
		c.NameField = *in.NameField
	case in.Tag == AppError && in.ErrorMessage != nil:
		c.ErrorMessage = *in.ErrorMessage
	default:
		return fmt.Errorf("%q is no answer to a command", in.Tag)
	}
	return nil
}

// calendar is a difference of times: months, and seconds beside them.
type calendar struct {
	Months int64   `json:"months"`
	Time   float64 `json:"time"`
}

// MarshalJSON writes {"months":0,"time":12.3}.
func (d Duration) MarshalJSON() ([]byte, error) {
	return json.Marshal(calendar{Time: time.Duration(d).Seconds()})
}

// UnmarshalJSON reads what MarshalJSON writes; a month has 30 days.
func (d *Duration) UnmarshalJSON(data []byte) error {
	var in calendar
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	*d = Duration(time.Duration(in.Time*float64(time.Second)) + time.Duration(in.Months)*30*24*time.Hour)
	return nil
}
