package api

// Plan is the answer to a mutation with ?dry_run=true: what would be done, and
// why so. Nothing was changed.
type Plan struct {
	Action    string       `json:"action" doc:"What would be done." example:"machine.create"`
	Placement []Candidate  `json:"placement,omitempty" doc:"Every node that was looked at."`
	Quota     []QuotaDelta `json:"quota,omitempty" doc:"What it takes from which quota."`
	Steps     []string     `json:"steps,omitempty" doc:"The steps of the operation."`
	// Of a deployment:
	Application []ConfigChange `json:"application,omitempty" doc:"What would change of its effective configuration."`
	Deployment  []ConfigChange `json:"deployment,omitempty"`
}

// Candidate is one node of a placement.
type Candidate struct {
	NodeID string `json:"node_id,omitempty"`
	Node   string `json:"node" doc:"The node's name."`
	Chosen bool   `json:"chosen"`
	Reason string `json:"reason,omitempty" doc:"Why it was chosen or rejected."`
}

// QuotaDelta is what a change takes from one quota.
type QuotaDelta struct {
	ScopeKind string `json:"scope_kind" enum:"account,cloudspace,project,node"`
	ScopeID   string `json:"scope_id"`
	Scope     string `json:"scope" doc:"The scope's name."`
	Resource  string `json:"resource" example:"vcpus"`
	Delta     int64  `json:"delta" doc:"What the change takes; negative gives back."`
	Amount    int64  `json:"amount" doc:"In use before the change."`
	Limit     int64  `json:"limit" doc:"-1 for no limit."`
}
