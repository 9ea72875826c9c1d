package api

// Node is a server that runs the agent.
type Node struct {
	ID            string            `json:"id"`
	Name          string            `json:"name" example:"node-1"`
	LocationID    string            `json:"location_id"`
	Roles         []string          `json:"roles" nullable:"false" doc:"What it offers: compute, network, storage, boot, runner."`
	State         string            `json:"state" enum:"joining,online,offline"`
	Reason        string            `json:"reason,omitempty" doc:"Why it is not usable, where that is known."`
	Cordoned      bool              `json:"cordoned" doc:"It keeps what it has and gets nothing new."`
	Simulated     bool              `json:"simulated"`
	Labels        map[string]string `json:"labels,omitempty"`
	Facts         NodeFacts         `json:"facts"`
	CPUOvercommit int64             `json:"cpu_overcommit" doc:"Virtual CPUs per real one, in percent." example:"400"`
	LastSeenAt    Time              `json:"last_seen_at,omitzero"`
	AgentVersion  string            `json:"agent_version,omitempty"`
	BootID        string            `json:"boot_id,omitempty" doc:"Changes with each boot of the host."`
	Meta
}

// NodeFacts is what the agent reports of its host.
type NodeFacts struct {
	Hostname      string   `json:"hostname,omitempty"`
	OS            string   `json:"os,omitempty"`
	Kernel        string   `json:"kernel,omitempty"`
	Architecture  string   `json:"architecture,omitempty"`
	CPUs          int      `json:"cpus,omitempty"`
	CPUModel      string   `json:"cpu_model,omitempty"`
	MemoryMiB     int64    `json:"memory_mib,omitempty"`
	DiskMiB       int64    `json:"disk_mib,omitempty" doc:"Size of the file system that holds volumes."`
	DiskFreeMiB   int64    `json:"disk_free_mib,omitempty"`
	Addresses     []string `json:"addresses,omitempty"`
	PublicAddress string   `json:"public_address,omitempty" doc:"Where its public ports are reached, address or host name; set with the agent's --public-address."`
	Accelerator   string   `json:"accelerator,omitempty" doc:"kvm, tcg or sim; empty while unknown."`
	Missing       []string `json:"missing,omitempty" doc:"Programs that a role needs and that are not there."`
}

// NodeUpdate changes a node; what is left out stays.
type NodeUpdate struct {
	Name          *string            `json:"name,omitempty"`
	Cordoned      *bool              `json:"cordoned,omitempty" doc:"true: it gets nothing new."`
	Labels        *map[string]string `json:"labels,omitempty" doc:"All labels: the given ones replace those it had."`
	CPUOvercommit *int64             `json:"cpu_overcommit,omitempty" minimum:"100" maximum:"3200"`
}
