package cloud

import "net/netip"

// CloudspaceState is the state of a cloudspace.
type CloudspaceState string

// The cloudspace states.
const (
	CloudspaceActive   CloudspaceState = "active"
	CloudspaceDeleting CloudspaceState = "deleting"
	CloudspaceDeleted  CloudspaceState = "deleted"
	CloudspaceFailed   CloudspaceState = "failed" // a delete that could not finish; delete again
)

// CloudspaceTransitions is the transition table of cloudspaces. The gateway is
// made with the first machine, so that an empty cloudspace costs nothing.
var CloudspaceTransitions = Transitions[CloudspaceState]{
	CloudspaceActive:   {CloudspaceDeleting},
	CloudspaceDeleting: {CloudspaceDeleted, CloudspaceFailed},
	CloudspaceFailed:   {CloudspaceDeleting},
}

// Transitional reports whether the state needs a live operation.
func (s CloudspaceState) Transitional() bool { return s == CloudspaceDeleting }

// Cloudspace is a private network with a gateway and a quota.
type Cloudspace struct {
	ID         CloudspaceID
	AccountID  AccountID
	LocationID LocationID
	Name       string
	State      CloudspaceState
	Reason     string
	Network    string // CIDR of the private network; the gateway has its first address
	NetworkNum int64  // number of the network in the installation (bridge name, VXLAN id)
	// NodeID is the node that holds the gateway, "" until the first machine.
	NodeID NodeID
	// NetworkGeneration grows with each change of leases or forwards: a node
	// refuses a specification older than the one it has.
	NetworkGeneration int64
	OperationID       OperationID // the live operation while the state is transitional
	Meta
}

// DefaultNetwork is the private network of a cloudspace that names none.
const DefaultNetwork = "192.168.103.0/24"

// Validate checks what a user may set.
func (c *Cloudspace) Validate() error {
	if err := ValidateName(KindCloudspace, c.Name); err != nil {
		return err
	}
	p, err := netip.ParsePrefix(c.Network)
	if err != nil || !p.Addr().Is4() || !p.Addr().IsPrivate() || p.Bits() < 16 || p.Bits() > 28 || p.Masked() != p {
		return FieldErrorf("network", "%q is no private IPv4 network of /16 to /28 such as %s", clip(c.Network), DefaultNetwork)
	}
	return nil
}

// Gateway returns the first host address of the private network.
func (c *Cloudspace) Gateway() netip.Addr {
	p, err := netip.ParsePrefix(c.Network)
	if err != nil {
		return netip.Addr{}
	}
	return p.Addr().Next()
}
