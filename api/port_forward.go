package api

// PortForward leads a public port of the cloudspace's gateway node to a machine.
type PortForward struct {
	ID           string `json:"id"`
	AccountID    string `json:"account_id"`
	CloudspaceID string `json:"cloudspace_id"`
	MachineID    string `json:"machine_id"`
	NodeID       string `json:"node_id,omitempty" doc:"The gateway node that holds the public port."`
	Address      string `json:"address,omitempty" doc:"Where the public port is reached, address or host name, as the gateway node tells it." example:"203.0.113.7"`
	Protocol     string `json:"protocol" enum:"tcp,udp"`
	PublicPort   int64  `json:"public_port" example:"2222"`
	Port         int64  `json:"port" doc:"The machine's port." example:"22"`
	State        string `json:"state" enum:"creating,active,deleting,deleted,failed"`
	Reason       string `json:"reason,omitempty"`
	OperationID  string `json:"operation_id,omitempty"`
	Meta
}

// PortForwardCreate is what a port forward is made from.
type PortForwardCreate struct {
	Account    string `json:"account,omitempty" doc:"Id or name; needed where cloudspace is a name."`
	Cloudspace string `json:"cloudspace,omitempty" doc:"Id, or name in the account; needed where machine is a name."`
	Machine    string `json:"machine" doc:"Id, or name in the cloudspace."`
	Protocol   string `json:"protocol,omitempty" enum:"tcp,udp" doc:"tcp if left out."`
	PublicPort int64  `json:"public_port" minimum:"1024" maximum:"65535" doc:"On the gateway node." example:"2222"`
	Port       int64  `json:"port" minimum:"1" maximum:"65535" doc:"On the machine." example:"22"`
}
