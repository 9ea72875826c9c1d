package api

// Quota is what an account, cloudspace or project uses and may use of one resource,
// or what is placed on a node of what it has.
type Quota struct {
	ScopeKind string `json:"scope_kind" enum:"account,cloudspace,project,node"`
	ScopeID   string `json:"scope_id"`
	Scope     string `json:"scope,omitempty" doc:"Name of the node; left out for others, which the path names."`
	Resource  string `json:"resource" example:"vcpus"`
	Amount    int64  `json:"amount" doc:"In use."`
	Limit     int64  `json:"limit" doc:"-1 for no limit."`
}

// QuotaList is all quotas of a scope.
type QuotaList struct {
	Items []Quota  `json:"items" nullable:"false"`
	Notes []string `json:"notes,omitempty" doc:"What to know about the change, such as a limit below what is in use."`
}

// QuotaSet sets limits; resources that are left out keep theirs.
type QuotaSet struct {
	Limits map[string]int64 `json:"limits" doc:"Resource to limit; -1 for none." example:"{\"vcpus\": 64}"`
}

// LedgerEntry is one change of a balance.
type LedgerEntry struct {
	ID          string `json:"id"`
	At          Time   `json:"at"`
	Resource    string `json:"resource"`
	Delta       int64  `json:"delta"`
	SubjectKind string `json:"subject_kind,omitempty"`
	SubjectID   string `json:"subject_id,omitempty"`
	OperationID string `json:"operation_id,omitempty"`
	Reason      string `json:"reason,omitempty" example:"create"`
}

// Usage is what a scope used between two times.
type Usage struct {
	From      Time             `json:"from"`
	To        Time             `json:"to"`
	Resources map[string]int64 `json:"resources" doc:"Units of the resource times seconds."`
	Counters  map[string]int64 `json:"counters,omitempty" doc:"Bytes."`
}
