package api

// Disk is a volume. Each belongs to a machine as its boot disk; it grows with
// PATCH of the machine.
type Disk struct {
	ID           string `json:"id"`
	AccountID    string `json:"account_id"`
	CloudspaceID string `json:"cloudspace_id"`
	MachineID    string `json:"machine_id,omitempty"`
	NodeID       string `json:"node_id,omitempty"`
	Name         string `json:"name" example:"web-1-boot"`
	State        string `json:"state" enum:"creating,ready,resizing,deleting,deleted,failed"`
	Reason       string `json:"reason,omitempty"`
	SizeGiB      int64  `json:"size_gib"`
	ImageID      string `json:"image_id,omitempty"`
	Boot         bool   `json:"boot"`
	OperationID  string `json:"operation_id,omitempty"`
	Meta
}
