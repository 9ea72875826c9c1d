package api

// Leftover is something on a node that could not be removed while the node was
// away; it is cleared when the node returns.
type Leftover struct {
	ID        string `json:"id"`
	NodeID    string `json:"node_id"`
	Kind      string `json:"kind" enum:"machine,volume,network"`
	ObjectID  string `json:"object_id"`
	AccountID string `json:"account_id,omitempty"`
	Epoch     int64  `json:"epoch,omitempty" doc:"Placement epoch of a machine."`
	Reason    string `json:"reason,omitempty"`
	JobID     string `json:"job_id,omitempty" doc:"The job that is clearing it."`
	Meta
}
