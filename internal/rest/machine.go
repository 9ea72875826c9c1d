package rest

import (
	"context"
	"net/http"

	"atoll/api"
	"atoll/internal/cloud"
	"atoll/internal/control"
)

func machineView(m *cloud.Machine) api.Machine {
	return api.Machine{
		ID: string(m.ID), AccountID: string(m.AccountID), CloudspaceID: string(m.CloudspaceID), Name: m.Name, Description: m.Description,
		State: string(m.State), Reason: m.Reason, ImageID: string(m.ImageID), SizeID: string(m.SizeID),
		VCPUs: m.VCPUs, MemoryMiB: m.MemoryMiB, DiskGiB: m.DiskGiB, NodeID: string(m.NodeID), PlacementEpoch: m.PlacementEpoch,
		DesiredPower: string(m.DesiredPower), ObservedPower: string(m.ObservedPower), ObservedAt: m.ObservedAt.Time(),
		RunStrategy: string(m.RunStrategy), Address: m.Address, MAC: m.MAC, SSHKeys: m.SSHKeys, OperationID: string(m.OperationID),
		Meta: metaView(m.Meta),
	}
}

// MachineIn names a machine in the path.
type MachineIn struct {
	Machine    string `path:"machine" doc:"Id, or name in the cloudspace."`
	Cloudspace string `query:"cloudspace" doc:"Id, or name in the account; to find the machine by its name."`
	Account    string `query:"account" doc:"Id or name; to find the cloudspace by its name."`
}

func (in MachineIn) ref() control.MachineRef {
	return control.MachineRef{Account: in.Account, Cloudspace: in.Cloudspace, Machine: in.Machine}
}

func (s *Server) registerMachines() {
	const tag, all, one = "Machines", "/machines", "/machines/{machine}"
	add(s, get(all, "list-machines", tag, "List machines"), s.machineList)
	addStart(s, start(http.MethodPost, all, "create-machine", tag, "Create a machine"), s.machineCreate)
	add(s, get(one, "get-machine", tag, "Show a machine"), s.machineGet)
	update := patch(one, "update-machine", tag, "Change a machine; answers 202 when its size changes by an operation")
	add(s, update, s.machineUpdate)
	addStart(s, start(http.MethodPost, one+"/start", "start-machine", tag, "Start a stopped machine"), s.machineStart)
	addStart(s, start(http.MethodPost, one+"/stop", "stop-machine", tag, "Stop a running machine"), s.machineStop)
	addStart(s, start(http.MethodPost, one+"/reboot", "reboot-machine", tag, "Reboot a running machine"), s.machineReboot)
	addStart(s, start(http.MethodDelete, one, "delete-machine", tag, "Delete a machine with its disk and port forwards"), s.machineDelete)
}

func (s *Server) machineList(ctx context.Context, r *control.Request, in *Listing) (*page[api.Machine], error) {
	list, next, err := s.control.Machines(ctx, r, in.query())
	if err != nil {
		return nil, err
	}
	return pageOf(list, next, machineView), nil
}

type machineCreate struct {
	Creating
	Waiting
	Body api.MachineCreate
}

func (s *Server) machineCreate(ctx context.Context, r *control.Request, in *machineCreate) (*cloud.Operation, error) {
	b := in.Body
	_, o, err := s.control.CreateMachine(ctx, r, control.NewMachine{
		Account: b.Account, Cloudspace: b.Cloudspace, Name: b.Name, Description: b.Description, Image: b.Image, Size: b.Size,
		DiskGiB: b.DiskGiB, SSHKeys: b.SSHKeys, UserData: b.UserData, RunStrategy: cloud.RunStrategy(b.RunStrategy),
	})
	return o, err
}

func (s *Server) machineGet(ctx context.Context, r *control.Request, in *MachineIn) (*body[api.Machine], error) {
	m, err := s.control.Machine(ctx, r, in.ref())
	if err != nil {
		return nil, err
	}
	return object(m.Meta, machineView(m)), nil
}

type machineUpdate struct {
	MachineIn
	Versioned
	Waiting
	Body api.MachineUpdate
}

func (s *Server) machineUpdate(ctx context.Context, r *control.Request, in *machineUpdate) (*changed[api.Machine], error) {
	b := in.Body
	m, o, err := s.control.UpdateMachine(ctx, r, in.ref(), control.MachineChange{
		Name: b.Name, Description: b.Description, Size: b.Size, DiskGiB: b.DiskGiB, RunStrategy: word[cloud.RunStrategy](b.RunStrategy),
	})
	if err != nil {
		return nil, err
	}
	return changedBy(ctx, s, r, o, in.wait(), object(m.Meta, machineView(m)), func() (*body[api.Machine], error) {
		return s.machineGet(ctx, r, &MachineIn{Machine: string(m.ID)})
	})
}

type machineAction struct {
	MachineIn
	Versioned
	Waiting
}

func (s *Server) machineStart(ctx context.Context, r *control.Request, in *machineAction) (*cloud.Operation, error) {
	_, o, err := s.control.StartMachine(ctx, r, in.ref())
	return o, err
}

func (s *Server) machineReboot(ctx context.Context, r *control.Request, in *machineAction) (*cloud.Operation, error) {
	_, o, err := s.control.RebootMachine(ctx, r, in.ref())
	return o, err
}

type machineStop struct {
	MachineIn
	Versioned
	Waiting
	Body *api.MachineStop
}

func (s *Server) machineStop(ctx context.Context, r *control.Request, in *machineStop) (*cloud.Operation, error) {
	_, o, err := s.control.StopMachine(ctx, r, in.ref(), control.StopOptions{Force: in.Body != nil && in.Body.Force})
	return o, err
}

type machineDelete struct {
	MachineIn
	Versioned
	Waiting
	Force bool `query:"force" doc:"Without its node: what that still holds is removed when it returns."`
}

func (s *Server) machineDelete(ctx context.Context, r *control.Request, in *machineDelete) (*cloud.Operation, error) {
	_, o, err := s.control.DeleteMachine(ctx, r, in.ref(), in.Force)
	return o, err
}
