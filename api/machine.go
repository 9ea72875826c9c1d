package api

// Machine is a virtual machine.
type Machine struct {
	ID             string   `json:"id"`
	AccountID      string   `json:"account_id"`
	CloudspaceID   string   `json:"cloudspace_id"`
	Name           string   `json:"name" example:"web-1"`
	Description    string   `json:"description,omitempty"`
	State          string   `json:"state" enum:"creating,running,stopped,starting,stopping,rebooting,resizing,deleting,deleted,failed"`
	Reason         string   `json:"reason,omitempty" doc:"Why it failed or stopped."`
	ImageID        string   `json:"image_id"`
	SizeID         string   `json:"size_id"`
	VCPUs          int64    `json:"vcpus"`
	MemoryMiB      int64    `json:"memory_mib"`
	DiskGiB        int64    `json:"disk_gib"`
	NodeID         string   `json:"node_id,omitempty"`
	PlacementEpoch int64    `json:"placement_epoch" doc:"Grows each time the machine is placed or deleted."`
	DesiredPower   string   `json:"desired_power" enum:"on,off"`
	ObservedPower  string   `json:"observed_power" enum:"on,off,crashed,unknown"`
	ObservedAt     Time     `json:"observed_at,omitzero"`
	RunStrategy    string   `json:"run_strategy" enum:"always,rerun-on-failure,manual"`
	Address        string   `json:"address" doc:"In the cloudspace's network." example:"192.168.103.2"`
	MAC            string   `json:"mac"`
	SSHKeys        []string `json:"ssh_keys,omitempty" doc:"authorized_keys lines, as at its creation."`
	OperationID    string   `json:"operation_id,omitempty" doc:"The live operation while the state is one on the way."`
	Meta
}

// MachineCreate is what a machine is made from.
type MachineCreate struct {
	Account     string   `json:"account,omitempty" doc:"Id or name; needed where cloudspace is a name."`
	Cloudspace  string   `json:"cloudspace" doc:"Id, or name in the account."`
	Name        string   `json:"name" doc:"A DNS label, unique in the cloudspace." example:"web-1"`
	Description string   `json:"description,omitempty" maxLength:"1000"`
	Image       string   `json:"image" doc:"Id or name." example:"debian-12"`
	Size        string   `json:"size" doc:"Id or name." example:"small"`
	DiskGiB     int64    `json:"disk_gib,omitempty" minimum:"0" maximum:"65536" doc:"Of the boot disk; 0 takes the size's."`
	SSHKeys     []string `json:"ssh_keys,omitempty" maxItems:"100" doc:"authorized_keys lines, or names of the account's ssh keys."`
	UserData    string   `json:"user_data,omitempty" maxLength:"65536" doc:"For cloud-init."`
	RunStrategy string   `json:"run_strategy,omitempty" enum:"always,rerun-on-failure,manual" doc:"What to do when it should run and is found off; rerun-on-failure if left out."`
}

// MachineUpdate changes a machine; what is left out stays. Its size and disk
// change only while it is stopped, by an operation.
type MachineUpdate struct {
	Name        *string `json:"name,omitempty"`
	Description *string `json:"description,omitempty" maxLength:"1000"`
	Size        *string `json:"size,omitempty" doc:"Id or name."`
	DiskGiB     *int64  `json:"disk_gib,omitempty" minimum:"1" maximum:"65536" doc:"A disk can only grow."`
	RunStrategy *string `json:"run_strategy,omitempty" enum:"always,rerun-on-failure,manual"`
}

// MachineStop says how to stop a machine.
type MachineStop struct {
	Force bool `json:"force,omitempty" doc:"Switch it off at once, without asking the guest."`
}
