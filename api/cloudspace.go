package api

// Cloudspace is a private network with a gateway and a quota.
type Cloudspace struct {
	ID          string `json:"id"`
	AccountID   string `json:"account_id"`
	LocationID  string `json:"location_id"`
	Name        string `json:"name" example:"prod"`
	State       string `json:"state" enum:"active,deleting,deleted,failed"`
	Reason      string `json:"reason,omitempty" doc:"Why it failed."`
	Network     string `json:"network" doc:"The private network; the gateway has its first address." example:"192.168.103.0/24"`
	NodeID      string `json:"node_id,omitempty" doc:"The node that holds the gateway; set with the first machine."`
	OperationID string `json:"operation_id,omitempty" doc:"The live operation."`
	Meta
}

// CloudspaceCreate is what a cloudspace is made from.
type CloudspaceCreate struct {
	Account  string `json:"account" doc:"Id or name."`
	Location string `json:"location,omitempty" doc:"Id or name; may be left out where there is one location."`
	Name     string `json:"name" doc:"A DNS label, unique in the account." example:"prod"`
	Network  string `json:"network,omitempty" doc:"A private IPv4 network of /16 to /28." example:"192.168.103.0/24"`
}

// CloudspaceUpdate changes a cloudspace; what is left out stays.
type CloudspaceUpdate struct {
	Name *string `json:"name,omitempty"`
}
