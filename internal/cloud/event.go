package cloud

import "encoding/json"

// Outcome of an event.
type Outcome string

// The outcomes.
const (
	OutcomeOK      Outcome = "ok"
	OutcomeRefused Outcome = "refused"
	OutcomeFailed  Outcome = "failed"
)

// EventClass groups events for retention and filters.
type EventClass string

// The event classes.
const (
	ClassAPI       EventClass = "api"       // a mutation through the API
	ClassOperation EventClass = "operation" // start, failure, end
	ClassState     EventClass = "state"     // an observed change of state
	ClassAuth      EventClass = "auth"      // logins and refusals
)

// Event is one fact. Rows are append-only; readers see only rows with a Seq.
type Event struct {
	ID           EventID
	Seq          int64 // given after commit, without gaps; 0 until then
	At           Time
	Class        EventClass
	Actor        string // user id, node id or "system"
	ActorName    string
	Credential   string // id of the token or session
	RequestID    string
	Address      string // source address
	AccountID    AccountID
	CloudspaceID CloudspaceID
	ProjectID    ProjectID `json:",omitempty"` // left out of the hash of older events
	SubjectKind  Kind
	SubjectID    string
	SubjectName  string
	Action       string // machine.create, login, …
	Outcome      Outcome
	Message      string
	Difference   json.RawMessage // {"field": [old, new], …}
	PrevHash     string          // hash of the row before, once numbered
	Hash         string
}
