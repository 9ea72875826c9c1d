package cloud

import "slices"

// MachineState is what users see of a machine. It moves only by this table.
type MachineState string

// The machine states.
const (
	MachineCreating  MachineState = "creating"
	MachineRunning   MachineState = "running"
	MachineStopped   MachineState = "stopped"
	MachineStarting  MachineState = "starting"
	MachineStopping  MachineState = "stopping"
	MachineRebooting MachineState = "rebooting"
	MachineResizing  MachineState = "resizing"
	MachineDeleting  MachineState = "deleting"
	MachineDeleted   MachineState = "deleted"
	MachineFailed    MachineState = "failed" // a create or delete that ended badly; Reason says why
)

// MachineTransitions is the transition table of machines. running to stopped
// and back without a state between is what observation finds: a guest that
// powered itself off, a start found done.
var MachineTransitions = Transitions[MachineState]{
	MachineCreating:  {MachineRunning, MachineStopped, MachineFailed, MachineDeleting},
	MachineRunning:   {MachineStopping, MachineRebooting, MachineStopped, MachineStarting, MachineDeleting},
	MachineStopped:   {MachineStarting, MachineResizing, MachineDeleting, MachineRunning},
	MachineStarting:  {MachineRunning, MachineStopped, MachineDeleting},
	MachineStopping:  {MachineStopped, MachineRunning, MachineDeleting},
	MachineRebooting: {MachineRunning, MachineStopped, MachineDeleting},
	MachineResizing:  {MachineStopped, MachineDeleting},
	MachineDeleting:  {MachineDeleted, MachineFailed},
	MachineFailed:    {MachineCreating, MachineDeleting}, // creating again: the operation's retry
}

// Transitional reports whether the state needs a live operation.
func (s MachineState) Transitional() bool {
	return slices.Contains([]MachineState{
		MachineCreating, MachineStarting, MachineStopping,
		MachineRebooting, MachineResizing, MachineDeleting,
	}, s)
}

// Power is whether a machine runs: desired by its users, or observed on its node.
type Power string

// The power values. Unknown is only observed: the node does not answer.
const (
	PowerOn      Power = "on"
	PowerOff     Power = "off"
	PowerCrashed Power = "crashed" // only observed: the process ended without the guest's wish
	PowerUnknown Power = "unknown"
)

// RunStrategy says what to do when a machine that should run is found off.
type RunStrategy string

// The run strategies.
const (
	RunAlways  RunStrategy = "always"           // start it again, whoever switched it off
	RunOnError RunStrategy = "rerun-on-failure" // start it after a crash or a reboot of its host; a guest that powers off stays off
	RunManual  RunStrategy = "manual"           // leave it off
)

// RunStrategies lists them.
var RunStrategies = []RunStrategy{RunAlways, RunOnError, RunManual}

// Machine is a virtual machine.
type Machine struct {
	ID           MachineID
	AccountID    AccountID
	CloudspaceID CloudspaceID
	Name         string
	Description  string
	State        MachineState
	Reason       string
	ImageID      ImageID
	SizeID       SizeID
	VCPUs        int64
	MemoryMiB    int64
	DiskGiB      int64
	NodeID       NodeID
	// PlacementEpoch grows each time the machine is placed or deleted: an agent
	// refuses to start or adopt a machine with an older one.
	PlacementEpoch int64
	DesiredPower   Power
	ObservedPower  Power
	ObservedAt     Time
	RunStrategy    RunStrategy
	Address        string // in the cloudspace's network
	MAC            string
	SSHKeys        []string // authorized_keys lines, as given at create
	UserData       string
	OperationID    OperationID // the live operation while the state is transitional
	Meta
}

// MaxUserData is the largest user-data in bytes, as other clouds have it.
const MaxUserData = 64 << 10

// Validate checks what a user may set.
func (m *Machine) Validate() error {
	if err := ValidateName(KindMachine, m.Name); err != nil {
		return err
	}
	if len(m.UserData) > MaxUserData {
		return FieldErrorf("user_data", "has %d bytes; at most %d are allowed", len(m.UserData), MaxUserData)
	}
	if !slices.Contains(RunStrategies, m.RunStrategy) {
		return FieldErrorf("run_strategy", "%q is no run strategy; they are %v", m.RunStrategy, RunStrategies)
	}
	for _, k := range m.SSHKeys {
		if err := ValidatePublicKey("ssh_keys", k); err != nil {
			return err
		}
	}
	return nil
}

// DiskState is the state of a disk.
type DiskState string

// The disk states. A boot disk follows its machine's operation.
const (
	DiskCreating DiskState = "creating"
	DiskReady    DiskState = "ready"
	DiskResizing DiskState = "resizing"
	DiskDeleting DiskState = "deleting"
	DiskDeleted  DiskState = "deleted"
	DiskFailed   DiskState = "failed"
)

// DiskTransitions is the transition table of disks.
var DiskTransitions = Transitions[DiskState]{
	DiskCreating: {DiskReady, DiskFailed, DiskDeleting},
	DiskReady:    {DiskResizing, DiskDeleting},
	DiskResizing: {DiskReady, DiskDeleting},
	DiskDeleting: {DiskDeleted, DiskFailed},
	DiskFailed:   {DiskCreating, DiskDeleting},
}

// Transitional reports whether the state needs a live operation.
func (s DiskState) Transitional() bool {
	return s == DiskCreating || s == DiskResizing || s == DiskDeleting
}

// Disk is a volume. In this version each belongs to a machine as its boot disk.
type Disk struct {
	ID           DiskID
	AccountID    AccountID
	CloudspaceID CloudspaceID
	MachineID    MachineID
	NodeID       NodeID
	Name         string
	State        DiskState
	Reason       string
	SizeGiB      int64
	ImageID      ImageID
	Boot         bool
	OperationID  OperationID
	Meta
}

// Validate checks what a user may set.
func (d *Disk) Validate() error {
	if d.SizeGiB < 1 || d.SizeGiB > 64<<10 {
		return FieldErrorf("size_gib", "must be 1 GiB to 64 TiB, not %d GiB", d.SizeGiB)
	}
	return ValidateName(KindDisk, d.Name)
}

// PortForwardState is the state of a port forward.
type PortForwardState string

// The port forward states.
const (
	PortForwardCreating PortForwardState = "creating"
	PortForwardActive   PortForwardState = "active"
	PortForwardDeleting PortForwardState = "deleting"
	PortForwardDeleted  PortForwardState = "deleted"
	PortForwardFailed   PortForwardState = "failed"
)

// PortForwardTransitions is the transition table of port forwards.
var PortForwardTransitions = Transitions[PortForwardState]{
	PortForwardCreating: {PortForwardActive, PortForwardFailed, PortForwardDeleting},
	PortForwardActive:   {PortForwardDeleting},
	PortForwardDeleting: {PortForwardDeleted, PortForwardFailed},
	PortForwardFailed:   {PortForwardDeleting},
}

// Transitional reports whether the state needs a live operation.
func (s PortForwardState) Transitional() bool {
	return s == PortForwardCreating || s == PortForwardDeleting
}

// PortForward leads a public port of the cloudspace's gateway node to a machine.
type PortForward struct {
	ID           PortForwardID
	AccountID    AccountID
	CloudspaceID CloudspaceID
	MachineID    MachineID
	NodeID       NodeID // the gateway node that holds the public port
	Protocol     string // tcp or udp
	PublicPort   int64
	Port         int64
	State        PortForwardState
	Reason       string
	OperationID  OperationID
	Meta
}

// Validate checks what a user may set.
func (p *PortForward) Validate() error {
	if p.Protocol != "tcp" && p.Protocol != "udp" {
		return FieldErrorf("protocol", "%q is no protocol here; they are tcp and udp", p.Protocol)
	}
	if p.PublicPort < 1024 || p.PublicPort > 65535 {
		return FieldErrorf("public_port", "must be 1024 to 65535, not %d", p.PublicPort)
	}
	if p.Port < 1 || p.Port > 65535 {
		return FieldErrorf("port", "must be 1 to 65535, not %d", p.Port)
	}
	return nil
}
