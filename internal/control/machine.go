package control

import (
	"context"
	"encoding/json"
	"slices"

	"atoll/internal/authz"
	"atoll/internal/cloud"
	"atoll/internal/store"
)

func machineTarget(m *cloud.Machine) target {
	return target{cloud.KindMachine, m.Name, m.AccountID, m.CloudspaceID, m.ID, ""}
}

func machineSubject(m *cloud.Machine) subject {
	return subject{cloud.KindMachine, string(m.ID), m.Name, m.AccountID, m.CloudspaceID, ""}
}

// NewMachine is what a machine is made from. Account, Cloudspace, Image and Size
// are ids or names.
type NewMachine struct {
	Account, Cloudspace, Name, Description string
	Image, Size                            string
	DiskGiB                                int64    // 0 takes the size's
	SSHKeys                                []string // authorized_keys lines, or names of the account's ssh keys
	UserData                               string
	RunStrategy                            cloud.RunStrategy // "" is rerun-on-failure
}

// CreateMachine places a machine, takes its quota and starts its creation.
func (c *Control) CreateMachine(ctx context.Context, r *Request, in NewMachine) (*cloud.Machine, *cloud.Operation, error) {
	var m *cloud.Machine
	var o *cloud.Operation
	err := c.change(ctx, r, "machine.create", func(ch *change) error {
		s, err := findCloudspace(ch.Tx, in.Account, in.Cloudspace)
		if err != nil {
			return err
		}
		if err := r.allow(authz.Create, target{cloud.KindMachine, in.Name, s.AccountID, s.ID, "", ""}); err != nil {
			return hideIn(err, r, cloudspaceTarget(s), spaceRef(in.Account, in.Cloudspace))
		}
		if _, err := ch.active(s.AccountID); err != nil {
			return err
		}
		if err := ch.LockCloudspace(s.ID); err != nil {
			return err
		}
		if s, err = ch.Cloudspace(s.ID); err != nil {
			return err
		}
		if s.State != cloud.CloudspaceActive {
			return cloud.StateErrorf(string(s.State), "cloudspace %s is %s and takes no machines", s.Name, s.State)
		}
		if m, err = ch.newMachine(s, in); err != nil {
			return err
		}
		o, err = ch.createMachine(s, m)
		return err
	})
	return m, o, err
}

// newMachine checks the input and makes the row, not yet placed.
func (ch *change) newMachine(s *cloud.Cloudspace, in NewMachine) (*cloud.Machine, error) {
	img, err := usableImage(ch.Tx, s.AccountID, in.Image)
	if err != nil {
		return nil, err
	}
	if in.Size == "" {
		return nil, cloud.FieldErrorf("size", "is required")
	}
	size, err := findSize(ch.Tx, in.Size)
	if err != nil {
		return nil, err
	}
	keys, err := ch.sshKeys(s.AccountID, in.SSHKeys)
	if err != nil {
		return nil, err
	}
	m := &cloud.Machine{
		ID: cloud.NewID[cloud.MachineID](), AccountID: s.AccountID, CloudspaceID: s.ID, Name: in.Name, Description: in.Description,
		State: cloud.MachineCreating, ImageID: img.ID, SizeID: size.ID, VCPUs: size.VCPUs, MemoryMiB: size.MemoryMiB, DiskGiB: size.DiskGiB,
		DesiredPower: cloud.PowerOn, ObservedPower: cloud.PowerUnknown, RunStrategy: in.RunStrategy,
		MAC: newMAC(), SSHKeys: keys, UserData: in.UserData,
	}
	if in.DiskGiB != 0 {
		m.DiskGiB = in.DiskGiB
	}
	if m.RunStrategy == "" {
		m.RunStrategy = cloud.RunOnError
	}
	if err := m.Validate(); err != nil {
		return nil, err
	}
	if m.DiskGiB<<10 < img.VirtualMiB {
		return nil, cloud.FieldErrorf("disk_gib", "image %s needs a disk of at least %d GiB, not %d; choose a larger size or disk",
			img.Name, (img.VirtualMiB+1023)>>10, m.DiskGiB)
	}
	m.Address, err = freeAddress(ch.Tx, s)
	return m, err
}

// usableImage returns a ready image that the account may use, and keeps it so
// until the transaction ends.
func usableImage(tx *store.Tx, account cloud.AccountID, ref string) (*cloud.Image, error) {
	if ref == "" {
		return nil, cloud.FieldErrorf("image", "is required")
	}
	img, err := findImage(tx, account, ref)
	if err != nil {
		return nil, err
	}
	if img, err = tx.KeepImage(img.ID); err != nil {
		return nil, err
	}
	if img.AccountID != "" && img.AccountID != account {
		return nil, cloud.Errorf(cloud.NotFound, "there is no image %s", ref)
	}
	if img.State != cloud.ImageReady {
		return nil, cloud.StateErrorf(string(img.State), "image %s is %s; only a ready one can be used", img.Name, img.State)
	}
	return img, nil
}

// sshKeys replaces names of the account's keys by the keys.
func (ch *change) sshKeys(account cloud.AccountID, in []string) ([]string, error) {
	out := make([]string, 0, len(in))
	for _, k := range in {
		if cloud.ValidateName(cloud.KindSSHKey, k) == nil {
			key, err := ch.SSHKeyNamed(account, k)
			if err != nil {
				return nil, err
			}
			k = key.PublicKey
		}
		out = append(out, k)
	}
	return out, nil
}

// createMachine places the machine and writes rows, ledger, event and operation.
func (ch *change) createMachine(s *cloud.Cloudspace, m *cloud.Machine) (*cloud.Operation, error) {
	o := machineOperation("machine.create", m)
	if err := ch.placeMachine(s, m, o); err != nil {
		return nil, err
	}
	m.OperationID = o.ID
	if err := ch.CreateMachine(m); err != nil {
		return nil, err
	}
	disk := &cloud.Disk{
		ID: cloud.NewID[cloud.DiskID](), AccountID: m.AccountID, CloudspaceID: m.CloudspaceID, MachineID: m.ID, NodeID: m.NodeID,
		Name: m.Name + "-boot", State: cloud.DiskCreating, SizeGiB: m.DiskGiB, ImageID: m.ImageID, Boot: true, OperationID: o.ID,
	}
	if err := ch.CreateDisk(disk); err != nil {
		return nil, err
	}
	if err := ch.event("machine.create", machineSubject(m), nil, m); err != nil {
		return nil, err
	}
	return ch.start(o)
}

// placeMachine chooses the node and takes quota and capacity.
func (ch *change) placeMachine(s *cloud.Cloudspace, m *cloud.Machine, o *cloud.Operation) error {
	want := need{m.VCPUs, m.MemoryMiB, m.DiskGiB}
	p := machinePosting(m, o.ID, "create")
	p.node = ""
	takes := want.amounts().plus(runningAmounts(m)) // it starts at once
	if err := ch.post(p, takes); err != nil {       // the account's limit before the nodes' room: it is the user's to change
		return err
	}
	n, candidates, err := place(ch.Tx, s, want)
	ch.plan.Placement = candidates
	if err != nil {
		return err
	}
	m.NodeID = n.ID
	m.PlacementEpoch++
	for _, r := range cloud.Resources { // always in the same order: no deadlocks
		amount := takes[r]
		if amount == 0 {
			continue
		}
		e := cloud.Entry{
			Scope: cloud.Scope{Kind: cloud.KindNode, ID: string(n.ID)}, Resource: r, Delta: amount,
			SubjectKind: cloud.KindMachine, SubjectID: string(m.ID), OperationID: o.ID, Reason: "create",
		}
		if err := ch.Post(e); err != nil {
			return err
		}
	}
	if s.NodeID == "" {
		s.NodeID = n.ID
		return ch.UpdateCloudspace(s)
	}
	return nil
}

func machinePosting(m *cloud.Machine, o cloud.OperationID, reason string) posting {
	return posting{m.AccountID, m.CloudspaceID, "", m.NodeID, cloud.KindMachine, string(m.ID), o, reason}
}

func machineOperation(kind string, m *cloud.Machine) *cloud.Operation {
	return &cloud.Operation{
		ID: cloud.NewID[cloud.OperationID](), Kind: kind, AccountID: m.AccountID, CloudspaceID: m.CloudspaceID,
		SubjectKind: cloud.KindMachine, SubjectID: string(m.ID), SubjectName: m.Name,
	}
}

// MachineRef names a machine: by id, or by name in a cloudspace (id, or name in
// an account).
type MachineRef struct{ Account, Cloudspace, Machine string }

// String is the machine as the caller named it, for the answer that there is
// none: the same whichever part of it is not there, or not for the caller.
func (m MachineRef) String() string {
	if cloud.IsID(m.Machine) {
		return m.Machine
	}
	return m.Machine + " in cloudspace " + spaceRef(m.Account, m.Cloudspace)
}

func findMachine(tx *store.Tx, ref MachineRef) (*cloud.Machine, error) {
	if cloud.IsID(ref.Machine) {
		return tx.Machine(cloud.MachineID(ref.Machine))
	}
	if ref.Cloudspace == "" {
		return nil, cloud.FieldErrorf("cloudspace", "is required to find machine %q by its name; or give its id", ref.Machine)
	}
	s, err := findCloudspace(tx, ref.Account, ref.Cloudspace)
	var m *cloud.Machine
	if err == nil {
		m, err = tx.MachineNamed(s.ID, ref.Machine)
	}
	if cloud.Is(err, cloud.NotFound) {
		err = cloud.Errorf(cloud.NotFound, "there is no %s %s", cloud.KindMachine, ref)
	}
	return m, err
}

// Machine returns the machine if the caller may see it.
func (c *Control) Machine(ctx context.Context, r *Request, ref MachineRef) (*cloud.Machine, error) {
	var m *cloud.Machine
	err := c.view(ctx, func(tx *store.Tx) (err error) {
		if m, err = findMachine(tx, ref); err != nil {
			return err
		}
		return r.permit(authz.Read, machineTarget(m), ref.String())
	})
	return m, err
}

// Machines returns a page of the machines that the caller may see.
func (c *Control) Machines(ctx context.Context, r *Request, q store.Query) (list []cloud.Machine, next string, err error) {
	err = c.view(ctx, func(tx *store.Tx) error {
		list, next, err = tx.Machines(r.query(cloud.KindMachine, q))
		return err
	})
	return list, next, err
}

// machineFor finds the machine for a change.
func (ch *change) machineFor(a authz.Action, ref MachineRef) (*cloud.Machine, error) {
	m, err := findMachine(ch.Tx, ref)
	if err != nil {
		return nil, err
	}
	if err := ch.r.permit(a, machineTarget(m), ref.String()); err != nil {
		return nil, err
	}
	if _, err := ch.active(m.AccountID); err != nil {
		return nil, err
	}
	return m, ch.match(cloud.KindMachine, m.Name, m.Version)
}

// MachineChange is what an update may set; nil keeps.
type MachineChange struct {
	Name, Description, Size *string
	DiskGiB                 *int64
	RunStrategy             *cloud.RunStrategy
}

// UpdateMachine changes words at once and, of a stopped machine, its size by an
// operation (nil if none was needed).
func (c *Control) UpdateMachine(ctx context.Context, r *Request, ref MachineRef, in MachineChange) (*cloud.Machine, *cloud.Operation, error) {
	var m *cloud.Machine
	var o *cloud.Operation
	err := c.change(ctx, r, "machine.update", func(ch *change) (err error) {
		if m, err = ch.machineFor(authz.Update, ref); err != nil {
			return err
		}
		before := *m
		set(&m.Name, in.Name)
		set(&m.Description, in.Description)
		set(&m.RunStrategy, in.RunStrategy)
		if err := m.Validate(); err != nil {
			return err
		}
		if in.Size != nil || in.DiskGiB != nil {
			if o, err = ch.resizeMachine(m, in); err != nil {
				return err
			}
		}
		if err := ch.UpdateMachine(m); err != nil {
			return err
		}
		if err := ch.event("machine.update", machineSubject(m), &before, m); err != nil {
			return err
		}
		if o != nil {
			o, err = ch.start(o)
		}
		return err
	})
	return m, o, err
}

// resize is the input of machine.resize.
type resize struct {
	SizeID    cloud.SizeID `json:"size_id"`
	VCPUs     int64        `json:"vcpus"`
	MemoryMiB int64        `json:"memory_mib"`
	DiskGiB   int64        `json:"disk_gib"`
}

// grow is what a resize takes more, the positive parts of the difference.
func (z resize) grow(m *cloud.Machine) amounts {
	return amounts{
		cloud.ResourceVCPUs:     max(0, z.VCPUs-m.VCPUs),
		cloud.ResourceMemoryMiB: max(0, z.MemoryMiB-m.MemoryMiB),
		cloud.ResourceDiskGiB:   max(0, z.DiskGiB-m.DiskGiB),
	}
}

// shrink is what a resize gives back.
func (z resize) shrink(m *cloud.Machine) amounts {
	return amounts{
		cloud.ResourceVCPUs:     min(0, z.VCPUs-m.VCPUs),
		cloud.ResourceMemoryMiB: min(0, z.MemoryMiB-m.MemoryMiB),
	}
}

func (ch *change) resizeMachine(m *cloud.Machine, in MachineChange) (*cloud.Operation, error) {
	z := resize{m.SizeID, m.VCPUs, m.MemoryMiB, m.DiskGiB}
	if in.Size != nil {
		size, err := findSize(ch.Tx, *in.Size)
		if err != nil {
			return nil, err
		}
		z = resize{size.ID, size.VCPUs, size.MemoryMiB, max(m.DiskGiB, size.DiskGiB)}
	}
	set(&z.DiskGiB, in.DiskGiB)
	if z.DiskGiB < m.DiskGiB {
		return nil, cloud.FieldErrorf("disk_gib", "a disk cannot shrink: it has %d GiB", m.DiskGiB)
	}
	if m.State != cloud.MachineStopped {
		return nil, cloud.StateErrorf(string(m.State), "machine %s is %s; stop it before you resize it", m.Name, m.State)
	}
	o := machineOperation("machine.resize", m)
	var err error
	if o.Input, err = json.Marshal(z); err != nil {
		return nil, err
	}
	if err := ch.post(machinePosting(m, o.ID, "resize"), z.grow(m)); err != nil {
		return nil, err
	}
	m.State, m.OperationID = cloud.MachineResizing, o.ID
	return o, nil
}

// StartMachine, StopMachine, RebootMachine and DeleteMachine start the operation
// of that name. A start of a running machine, or a stop of a stopped one, is a
// Conflict with the current state.
func (c *Control) StartMachine(ctx context.Context, r *Request, ref MachineRef) (*cloud.Machine, *cloud.Operation, error) {
	return c.powerMachine(ctx, r, ref, "machine.start", cloud.MachineStarting, []cloud.MachineState{cloud.MachineStopped}, nil)
}

// StopOptions say how to stop.
type StopOptions struct {
	Force bool `json:"force"` // switch off at once, without asking the guest
}

// StopMachine asks the guest to power off and switches it off after a grace.
func (c *Control) StopMachine(ctx context.Context, r *Request, ref MachineRef, opt StopOptions) (*cloud.Machine, *cloud.Operation, error) {
	return c.powerMachine(ctx, r, ref, "machine.stop", cloud.MachineStopping, []cloud.MachineState{cloud.MachineRunning}, opt)
}

// RebootMachine restarts the guest.
func (c *Control) RebootMachine(ctx context.Context, r *Request, ref MachineRef) (*cloud.Machine, *cloud.Operation, error) {
	return c.powerMachine(ctx, r, ref, "machine.reboot", cloud.MachineRebooting, []cloud.MachineState{cloud.MachineRunning}, nil)
}

func (c *Control) powerMachine(ctx context.Context, r *Request, ref MachineRef, kind string, to cloud.MachineState, from []cloud.MachineState, input any) (*cloud.Machine, *cloud.Operation, error) {
	var m *cloud.Machine
	var o *cloud.Operation
	err := c.change(ctx, r, kind, func(ch *change) (err error) {
		if m, err = ch.machineFor(authz.Execute, ref); err != nil {
			return err
		}
		if !slices.Contains(from, m.State) {
			return cloud.StateErrorf(string(m.State), "machine %s is %s; this needs it to be %s", m.Name, m.State, from[0])
		}
		o, err = ch.startPower(m, kind, to, input)
		if err != nil {
			return err
		}
		return ch.event(kind, machineSubject(m), nil, nil)
	})
	return m, o, err
}

// startPower moves the machine into the transitional state with its operation.
func (ch *change) startPower(m *cloud.Machine, kind string, to cloud.MachineState, input any) (*cloud.Operation, error) {
	if err := cloud.MachineTransitions.Check(cloud.KindMachine, m.Name, m.State, to); err != nil {
		return nil, err
	}
	o := machineOperation(kind, m)
	if input != nil {
		b, err := json.Marshal(input)
		if err != nil {
			return nil, err
		}
		o.Input = b
	}
	m.State, m.OperationID, m.Reason = to, o.ID, ""
	switch to {
	case cloud.MachineStarting:
		diff, err := runningDiff(ch.Tx, m, true)
		if err != nil {
			return nil, err
		}
		if err := ch.post(machinePosting(m, o.ID, "start"), diff); err != nil {
			return nil, err
		}
		m.DesiredPower = cloud.PowerOn
	case cloud.MachineRebooting:
		m.DesiredPower = cloud.PowerOn
	case cloud.MachineStopping:
		m.DesiredPower = cloud.PowerOff
	}
	if err := ch.UpdateMachine(m); err != nil {
		return nil, err
	}
	return ch.start(o)
}

// deletion is the input of machine.delete.
type deletion struct {
	Force bool              `json:"force"`
	After cloud.OperationID `json:"after,omitempty"` // an older operation that is being canceled
}

// DeleteMachine removes the machine with its disk and forwards. With force it
// does not need the node: what that still holds becomes leftovers.
func (c *Control) DeleteMachine(ctx context.Context, r *Request, ref MachineRef, force bool) (*cloud.Machine, *cloud.Operation, error) {
	var m *cloud.Machine
	var o *cloud.Operation
	err := c.change(ctx, r, "machine.delete", func(ch *change) (err error) {
		if m, err = ch.machineFor(authz.Delete, ref); err != nil {
			return err
		}
		in := deletion{Force: force}
		if m.State != cloud.MachineDeleting || !force {
			if err := cloud.MachineTransitions.Check(cloud.KindMachine, m.Name, m.State, cloud.MachineDeleting); err != nil {
				return err
			}
		}
		if !force {
			if err := ch.answers(m.NodeID); err != nil {
				return err
			}
		}
		if in.After, err = ch.supersede(m.OperationID); err != nil {
			return err
		}
		o = machineOperation("machine.delete", m)
		if o.Input, err = json.Marshal(in); err != nil {
			return err
		}
		m.State, m.OperationID, m.DesiredPower = cloud.MachineDeleting, o.ID, cloud.PowerOff
		m.PlacementEpoch++
		if err := ch.UpdateMachine(m); err != nil {
			return err
		}
		if err := ch.deleteDependents(m, o.ID); err != nil {
			return err
		}
		if err := ch.event("machine.delete", machineSubject(m), m, nil); err != nil {
			return err
		}
		o, err = ch.start(o)
		return err
	})
	return m, o, err
}

// answers refuses work for a node that is away, with the way out.
func (ch *change) answers(id cloud.NodeID) error {
	n, err := ch.Node(id)
	if err != nil {
		return err
	}
	if n.State != cloud.NodeOnline {
		return cloud.Errorf(cloud.Unavailable, "node %s is %s; wait until it is back, or use --force to delete without it", n.Name, n.State)
	}
	return nil
}

// supersede cancels the live operation that a newer one replaces and returns it.
func (ch *change) supersede(id cloud.OperationID) (cloud.OperationID, error) {
	if id == "" {
		return "", nil
	}
	o, err := ch.Operation(id)
	if err != nil || !o.State.Live() {
		return "", err
	}
	if o.State == cloud.OperationRunning {
		if err := ch.c.ops.Cancel(ch.Tx, id); err != nil {
			return "", err
		}
	}
	return id, nil
}

// deleteDependents moves the machine's disks and forwards under its operation.
func (ch *change) deleteDependents(m *cloud.Machine, o cloud.OperationID) error {
	disks, err := ch.DisksOf(m.ID)
	if err != nil {
		return err
	}
	for i := range disks {
		disks[i].State, disks[i].OperationID = cloud.DiskDeleting, o
		if err := ch.UpdateDisk(&disks[i]); err != nil {
			return err
		}
	}
	forwards, err := ch.PortForwardsOf(m.ID)
	if err != nil {
		return err
	}
	for i := range forwards {
		forwards[i].State, forwards[i].OperationID = cloud.PortForwardDeleting, o
		if err := ch.UpdatePortForward(&forwards[i]); err != nil {
			return err
		}
	}
	return nil
}
