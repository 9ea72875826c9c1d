package cloud

// Resource is what the ledger counts.
type Resource string

// The resources. Those of running machines are what use costs; the others are
// what an object holds while it exists.
const (
	ResourceMachines         Resource = "machines"
	ResourceVCPUs            Resource = "vcpus"
	ResourceMemoryMiB        Resource = "memory_mib"
	ResourceDiskGiB          Resource = "disk_gib"
	ResourcePortForwards     Resource = "port_forwards"
	ResourceRunningVCPUs     Resource = "running_vcpus"
	ResourceRunningMemoryMiB Resource = "running_memory_mib"
	ResourceDeployments      Resource = "deployments" // that are not archived
)

// Resources lists them in the order in which they are shown.
var Resources = []Resource{
	ResourceMachines, ResourceVCPUs, ResourceMemoryMiB, ResourceDiskGiB,
	ResourcePortForwards, ResourceRunningVCPUs, ResourceRunningMemoryMiB, ResourceDeployments,
}

// NoLimit is the limit of a balance without one.
const NoLimit int64 = -1

// Scope is whose balance it is: an account's, a cloudspace's, a project's or a
// node's (what is placed on it against its capacity).
type Scope struct {
	Kind Kind // account, cloudspace, project or node
	ID   string
}

// Balance is the sum of a scope's entries of one resource, with its limit. The
// row is the lock and the quota check.
type Balance struct {
	Scope    Scope
	Resource Resource
	Amount   int64
	Limit    int64 // NoLimit for none
}

// NodeBalance is what is placed on a node of one resource, against its capacity.
type NodeBalance struct {
	Balance
	Node string // its name
}

// Entry is one change of a balance. Entries are append-only.
type Entry struct {
	ID          string
	At          Time
	Scope       Scope
	Resource    Resource
	Delta       int64
	SubjectKind Kind
	SubjectID   string
	OperationID OperationID
	Reason      string // create, resize, start, stop, delete, …
}

// Plan is the answer to a dry run: what would be done, and why so.
type Plan struct {
	Action    string
	Placement []Candidate
	Quota     []QuotaDelta
	Steps     []string
	// Application and Deployment are what would change of a deployment's effective
	// configuration, secrets masked.
	Application []ConfigChange
	Deployment  []ConfigChange
}

// Candidate is one node of a placement: chosen, or rejected with the reason.
type Candidate struct {
	NodeID NodeID
	Node   string
	Chosen bool
	Reason string
}

// QuotaDelta is what a change takes from one balance.
type QuotaDelta struct {
	Scope     Scope
	ScopeName string
	Resource  Resource
	Delta     int64
	Amount    int64 // before
	Limit     int64
}
