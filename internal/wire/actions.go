package wire

import "atoll/internal/cloud"

// The built-in actions that change a node, with the type of their arguments.
// All of them are idempotent: they are given what should be and make it so.
const (
	ActionImageEnsure   = "image.ensure"   // ImageArgs: have the image in the node's cache
	ActionVolumeEnsure  = "volume.ensure"  // VolumeArgs: have the volume, at least as large as said
	ActionVolumeDelete  = "volume.delete"  // VolumeRef
	ActionMachineStart  = "machine.start"  // MachineSpec: have it run
	ActionMachineStop   = "machine.stop"   // MachineStop
	ActionMachineReboot = "machine.reboot" // MachineRef
	ActionMachineDelete = "machine.delete" // MachineRef: process, seed and taps; not its volumes
	ActionNetworkEnsure = "network.ensure" // NetworkSpec: have exactly this network
	ActionNetworkDelete = "network.delete" // NetworkRef
	ActionHostFacts     = "host.facts"     // no arguments; answers cloud.NodeFacts
)

// Failure is the result of a built-in action that failed: the error's kind and
// field; its message is the result's Error.
type Failure struct {
	Kind  cloud.ErrorKind `json:"kind"`
	Field string          `json:"field,omitempty"`
}

// ImageArgs is an image to have in the cache.
type ImageArgs struct {
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
	Format string `json:"format"` // qcow2 or raw
}

// VolumeArgs is a volume to have.
type VolumeArgs struct {
	ID      cloud.DiskID `json:"id"`
	SizeGiB int64        `json:"size_gib"`
	Image   *ImageArgs   `json:"image,omitempty"` // what a new volume starts from; nil for empty
}

// VolumeRef names a volume.
type VolumeRef struct {
	ID cloud.DiskID `json:"id"`
}

// MachineRef names a machine and the placement that is meant.
type MachineRef struct {
	ID    cloud.MachineID `json:"id"`
	Epoch int64           `json:"epoch"`
}

// MachineStop says how to stop. After Grace the machine is switched off hard;
// 0 does so at once.
type MachineStop struct {
	MachineRef
	GraceMS int64 `json:"grace_ms"`
}

// MachineSpec is all that a node must know to run a machine.
type MachineSpec struct {
	MachineRef
	Name      string         `json:"name"`
	VCPUs     int64          `json:"vcpus"`
	MemoryMiB int64          `json:"memory_mib"`
	Disks     []cloud.DiskID `json:"disks"` // in order; the first one boots
	NICs      []NIC          `json:"nics,omitempty"`
	Seed      Seed           `json:"seed"`
}

// NIC is a network card in a cloudspace's network, which is on the node already.
type NIC struct {
	Network cloud.CloudspaceID `json:"network"`
	MAC     string             `json:"mac"`
}

// Seed is the content of a NoCloud seed
// (https://cloudinit.readthedocs.io/en/latest/reference/datasources/nocloud.html).
type Seed struct {
	MetaData      string `json:"meta_data"`
	UserData      string `json:"user_data"`
	NetworkConfig string `json:"network_config,omitempty"`
}

// NetworkSpec is the whole wanted state of a cloudspace's network on a node.
type NetworkSpec struct {
	ID         cloud.CloudspaceID `json:"id"`
	Number     int64              `json:"number"`     // names bridge and namespace; VXLAN id
	Generation int64              `json:"generation"` // an older one than the node has is refused
	CIDR       string             `json:"cidr"`
	Domain     string             `json:"domain"` // DNS domain of the machines
	Leases     []Lease            `json:"leases,omitempty"`
	Forwards   []Forward          `json:"forwards,omitempty"`
}

// Lease is the fixed address of a machine.
type Lease struct {
	MAC      string `json:"mac"`
	Address  string `json:"address"`
	Hostname string `json:"hostname"`
}

// Forward leads a public port of the node to an address in the network.
type Forward struct {
	Protocol   string `json:"protocol"` // tcp or udp
	PublicPort int64  `json:"public_port"`
	Address    string `json:"address"`
	Port       int64  `json:"port"`
}

// NetworkRef names a network.
type NetworkRef struct {
	ID     cloud.CloudspaceID `json:"id"`
	Number int64              `json:"number"`
}
