package cloud

import (
	"net/netip"
	"slices"
	"time"
)

// Role is what a node offers. A runner takes work bound to no node.
type Role string

// The roles.
const (
	RoleCompute Role = "compute"
	RoleNetwork Role = "network"
	RoleStorage Role = "storage"
	RoleBoot    Role = "boot"
	RoleRunner  Role = "runner"
)

// Roles lists all roles.
var Roles = []Role{RoleCompute, RoleNetwork, RoleStorage, RoleBoot, RoleRunner}

// NodeState is whether a node's agent talks to us; it is observed, never set.
type NodeState string

// The node states.
const (
	NodeJoining NodeState = "joining" // has a certificate, has not reported yet
	NodeOnline  NodeState = "online"
	NodeOffline NodeState = "offline" // no exchange for the time that the installation sets
)

// NodeOfflineAfter is how long an agent may be silent before its node counts as
// offline, unless the installation sets another time.
const NodeOfflineAfter = 45 * time.Second

// NodeTransitions is the transition table of nodes.
var NodeTransitions = Transitions[NodeState]{
	NodeJoining: {NodeOnline},
	NodeOnline:  {NodeOffline},
	NodeOffline: {NodeOnline},
}

// Node is a server that runs the agent.
type Node struct {
	ID         NodeID
	Name       string
	LocationID LocationID
	Roles      []Role
	State      NodeState
	// Cordoned nodes keep what they have and get nothing new.
	Cordoned  bool
	Simulated bool
	Labels    map[string]string
	Facts     NodeFacts
	// CPUOvercommit is virtual CPUs per real one, in percent (400 = 4 to 1).
	CPUOvercommit int64
	// CertSerial is the serial of the newest certificate; older ones hold until they expire.
	CertSerial   string
	Reason       string // why it is not usable, where that is known (no accelerator, stale clock, …)
	LastSeenAt   Time
	AgentVersion string
	BootID       string // changes with each boot of the host
	Meta
}

// NodeFacts is what an agent reports of its host.
type NodeFacts struct {
	Hostname     string   `json:"hostname"`
	OS           string   `json:"os"`
	Kernel       string   `json:"kernel"`
	Architecture string   `json:"architecture"`
	CPUs         int      `json:"cpus"`
	CPUModel     string   `json:"cpu_model"`
	MemoryMiB    int64    `json:"memory_mib"`
	DiskMiB      int64    `json:"disk_mib"`      // size of the file system that holds volumes
	DiskFreeMiB  int64    `json:"disk_free_mib"` // free on it at the time of the report
	BootID       string   `json:"boot_id"`
	Addresses    []string `json:"addresses"`
	// PublicAddress is where what has a public port on the node is reached: an
	// address or a host name.
	PublicAddress string   `json:"public_address,omitempty"`
	Accelerator   string   `json:"accelerator"` // kvm, tcg, sim; "" while unknown
	Missing       []string `json:"missing"`     // programs that a role needs and that are not there
}

// Validate checks what an operator may set.
func (n *Node) Validate() error {
	if err := ValidateName(KindNode, n.Name); err != nil {
		return err
	}
	if n.CPUOvercommit < 100 || n.CPUOvercommit > 3200 {
		return FieldErrorf("cpu_overcommit", "must be 100 to 3200 percent, not %d", n.CPUOvercommit)
	}
	return ValidateRoles(n.Roles)
}

// PublicAddress is where the node's public ports are reached; "" if that is not
// known. An agent of the previous version tells only the host's addresses. People
// put it into commands: what an agent tells that is no address is not passed on.
func (n *Node) PublicAddress() string {
	at := n.Facts.PublicAddress
	if at == "" && len(n.Facts.Addresses) > 0 {
		at = n.Facts.Addresses[0]
	}
	if ValidateHost("public_address", at) != nil {
		return ""
	}
	return at
}

// ValidateHost checks that the host is an IP address or a domain name.
func ValidateHost(field, host string) error {
	if ip, err := netip.ParseAddr(host); err == nil && ip.Zone() == "" {
		return nil
	}
	if len(host) > 253 || !domainName.MatchString(host) {
		return FieldErrorf(field, "%q is no address such as 192.0.2.1 or gw-1.example.com", clip(host))
	}
	return nil
}

// ValidateRoles checks that each role exists.
func ValidateRoles(roles []Role) error {
	for _, r := range roles {
		if !slices.Contains(Roles, r) {
			return FieldErrorf("roles", "%q is no role; the roles are %v", r, Roles)
		}
	}
	return nil
}

// HasRole reports whether the node has the role.
func (n *Node) HasRole(r Role) bool { return slices.Contains(n.Roles, r) }

// JoinToken lets new nodes join: a secret of which only the hash is kept.
type JoinToken struct {
	ID         JoinTokenID
	Hash       string
	LocationID LocationID
	Roles      []Role
	UsesLeft   int64
	ExpiresAt  Time
	Meta
}
