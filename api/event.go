package api

import "encoding/json"

// Event is one fact.
type Event struct {
	ID           string          `json:"id"`
	Seq          int64           `json:"seq" doc:"Number without gaps; resume the feed with ?after=SEQ."`
	At           Time            `json:"at"`
	Class        string          `json:"class" enum:"api,operation,state,auth"`
	Actor        string          `json:"actor,omitempty" doc:"Id of the user or node, or system."`
	ActorName    string          `json:"actor_name,omitempty"`
	Credential   string          `json:"credential,omitempty" doc:"Id of the token or session."`
	RequestID    string          `json:"request_id,omitempty"`
	Address      string          `json:"address,omitempty"`
	AccountID    string          `json:"account_id,omitempty"`
	CloudspaceID string          `json:"cloudspace_id,omitempty"`
	ProjectID    string          `json:"project_id,omitempty"`
	SubjectKind  string          `json:"subject_kind,omitempty"`
	SubjectID    string          `json:"subject_id,omitempty"`
	SubjectName  string          `json:"subject_name,omitempty"`
	Action       string          `json:"action" example:"machine.create"`
	Outcome      string          `json:"outcome" enum:"ok,refused,failed"`
	Message      string          `json:"message,omitempty"`
	Difference   json.RawMessage `json:"difference,omitempty" doc:"{\"field\": [old, new], …}"`
	Hash         string          `json:"hash,omitempty" doc:"Over this row and the hash of the one before."`
}

// EventVerification is what was found when the chain of the audit log was read.
type EventVerification struct {
	OK     bool   `json:"ok" doc:"Whether no event is missing, changed or out of order."`
	Events int64  `json:"events" doc:"How many were read."`
	Last   int64  `json:"last" doc:"Number of the last one that holds."`
	Hash   string `json:"hash,omitempty" doc:"Of that one. Keep it outside: a log that was replaced as a whole has another one there."`
	Broken int64  `json:"broken,omitempty" doc:"Number where the chain breaks."`
	Reason string `json:"reason,omitempty" doc:"What is wrong there."`
}

// The types of feed messages.
const (
	FeedEvent  = "event"  // Event is set
	FeedNotice = "notice" // Notice is set
	FeedEnd    = "end"    // the server ends the feed; Problem says why
)

// FeedMessage is one message of the WebSocket at /api/v1/events.
type FeedMessage struct {
	Type    string   `json:"type" enum:"event,notice,end"`
	Event   *Event   `json:"event,omitempty"`
	Notice  *Notice  `json:"notice,omitempty"`
	Problem *Problem `json:"problem,omitempty"`
}

// Notice says that an object changed in a way that is no event, such as the
// progress of an operation: read it anew. It is not stored.
type Notice struct {
	Kind        string `json:"kind" enum:"operation,job"`
	ID          string `json:"id,omitempty" doc:"Of the object; none if many changed."`
	AccountID   string `json:"account_id,omitempty"`
	SubjectKind string `json:"subject_kind,omitempty" doc:"What the operation or job is about."`
	SubjectID   string `json:"subject_id,omitempty"`
	OperationID string `json:"operation_id,omitempty" doc:"Of a job: the operation that it is a part of."`
	State       string `json:"state,omitempty"`
	Progress    *int64 `json:"progress,omitempty" doc:"Of an operation: 0 to 100."`
	Message     string `json:"message,omitempty" doc:"Of an operation: what it does or waits for now, or why it failed."`
	Many        bool   `json:"many,omitempty" doc:"Objects of the kind changed that are not named: read anew what you show of it."`
}
