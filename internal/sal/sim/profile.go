package sim

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"atoll/internal/cloud"
)

// Accelerator is what Probe answers on simulated nodes.
const Accelerator = "sim"

const kernel = "0.0.0-simulated"

// Call is a kind of call to a node, for the profile.
type Call string

// The kinds of calls.
const (
	HostFacts      Call = "host.facts"
	ProcessRun     Call = "process.run"
	ProcessRemnant Call = "process.remnants"
	ImageEnsure    Call = "image.ensure"
	ImageList      Call = "image.list"
	ImageDelete    Call = "image.delete"
	VolumeEnsure   Call = "volume.ensure"
	VolumeDelete   Call = "volume.delete"
	VolumeList     Call = "volume.list"
	MachineProbe   Call = "machine.probe"
	MachineStart   Call = "machine.start"
	MachineStop    Call = "machine.stop"
	MachineReboot  Call = "machine.reboot"
	MachineDelete  Call = "machine.delete"
	MachineList    Call = "machine.list"
	MachineUsage   Call = "machine.usage"
	MachineConsole Call = "machine.console"
	MachineScreen  Call = "machine.screen"
	NetworkEnsure  Call = "network.ensure"
	NetworkDelete  Call = "network.delete"
	NetworkList    Call = "network.list"
	NetworkAttach  Call = "network.attach"
	NetworkDetach  Call = "network.detach"
)

// changes reports whether the call changes the node or runs a command: only
// such calls meet faults.
func (c Call) changes() bool {
	switch c {
	case HostFacts, ProcessRemnant, ImageList, VolumeList, MachineProbe, MachineList, MachineUsage, MachineConsole, MachineScreen, NetworkList:
		return false
	}
	return true
}

// Profile says what the nodes of a fleet are and how long their calls take.
type Profile struct {
	// Latency of each kind of call; one that is not named takes no time.
	Latency map[Call]Latency
	// Shapes that the nodes have, each equally often; nil for those of Typical.
	Shapes []Shape
}

// Latency is how long a call takes: Base, up to Jitter more, and PerGiB for
// each GiB that it moves.
type Latency struct {
	Base, Jitter, PerGiB time.Duration
}

// Shape is the hardware of a node.
type Shape struct {
	CPUs      int
	CPUModel  string
	MemoryMiB int64
	DiskMiB   int64
	// Spread is by how many percent memory and disk of a node may be smaller.
	Spread int
}

// Typical is the profile of a common server with a gigabit network; machines
// start in one to two seconds.
func Typical() Profile {
	ms := time.Millisecond
	return Profile{
		Latency: map[Call]Latency{
			HostFacts:      {Base: 2 * ms, Jitter: 8 * ms},
			ProcessRun:     {Base: 3 * ms, Jitter: 12 * ms},
			ProcessRemnant: {Base: ms},
			ImageEnsure:    {Base: 20 * ms, Jitter: 80 * ms, PerGiB: 9 * time.Second},
			ImageDelete:    {Base: 10 * ms, Jitter: 40 * ms},
			VolumeEnsure:   {Base: 30 * ms, Jitter: 70 * ms},
			VolumeDelete:   {Base: 10 * ms, Jitter: 40 * ms},
			MachineProbe:   {Base: 150 * ms, Jitter: 200 * ms},
			MachineStart:   {Base: time.Second, Jitter: time.Second},
			MachineStop:    {Base: time.Second, Jitter: 3 * time.Second},
			MachineReboot:  {Base: time.Second, Jitter: 2 * time.Second},
			MachineDelete:  {Base: 100 * ms, Jitter: 200 * ms},
			MachineList:    {Base: ms, Jitter: 4 * ms},
			MachineUsage:   {Base: ms, Jitter: 4 * ms},
			MachineConsole: {Base: ms},
			MachineScreen:  {Base: ms},
			NetworkEnsure:  {Base: 150 * ms, Jitter: 250 * ms},
			NetworkDelete:  {Base: 100 * ms, Jitter: 100 * ms},
			NetworkAttach:  {Base: 5 * ms, Jitter: 10 * ms},
			NetworkDetach:  {Base: 5 * ms, Jitter: 10 * ms},
		},
		Shapes: []Shape{
			{CPUs: 16, CPUModel: "Simulated CPU, 16 cores", MemoryMiB: 64 << 10, DiskMiB: 1 << 20, Spread: 3},
			{CPUs: 32, CPUModel: "Simulated CPU, 32 cores", MemoryMiB: 128 << 10, DiskMiB: 2 << 20, Spread: 3},
			{CPUs: 64, CPUModel: "Simulated CPU, 64 cores", MemoryMiB: 256 << 10, DiskMiB: 4 << 20, Spread: 3},
		},
	}
}

// Faster returns the profile with all calls that much faster.
func (p Profile) Faster(times float64) Profile {
	fast := make(map[Call]Latency, len(p.Latency))
	for call, l := range p.Latency {
		part := func(d time.Duration) time.Duration { return time.Duration(float64(d) / times) }
		fast[call] = Latency{part(l.Base), part(l.Jitter), part(l.PerGiB)}
	}
	p.Latency = fast
	return p
}

// draw always takes the same number of random values, whatever the latency is.
func (l Latency) draw(r *rand.Rand, bytes int64) time.Duration {
	part := r.Float64()
	return l.Base + time.Duration(part*float64(l.Jitter)) + time.Duration(float64(bytes)/(1<<30)*float64(l.PerGiB))
}

func (p *Profile) validate() error {
	for call, l := range p.Latency {
		if l.Base < 0 || l.Jitter < 0 || l.PerGiB < 0 {
			return cloud.FieldErrorf("latency", "of %s must not be negative", call)
		}
	}
	for i, s := range p.Shapes {
		if s.CPUs < 1 || s.MemoryMiB < 1 || s.DiskMiB < 1 || s.Spread < 0 || s.Spread > 99 {
			return cloud.FieldErrorf(fmt.Sprintf("shapes.%d", i), "needs CPUs, memory and disk of at least 1 and a spread of 0 to 99 percent")
		}
	}
	return nil
}

// address returns the host's address in the benchmark network 198.18.0.0/15.
func address(id uint64) string {
	return netip.AddrFrom4([4]byte{198, 18 + byte(id>>16&1), byte(id >> 8), byte(id)}).String()
}
