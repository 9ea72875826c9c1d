package rest

import (
	"context"
	"net/http"

	"atoll/api"
	"atoll/internal/cloud"
	"atoll/internal/control"
)

func portForwardView(f *control.ReachedPortForward) api.PortForward {
	return api.PortForward{
		ID: string(f.ID), AccountID: string(f.AccountID), CloudspaceID: string(f.CloudspaceID), MachineID: string(f.MachineID),
		NodeID: string(f.NodeID), Address: f.Address, Protocol: f.Protocol, PublicPort: f.PublicPort, Port: f.Port, State: string(f.State), Reason: f.Reason,
		OperationID: string(f.OperationID), Meta: metaView(f.Meta),
	}
}

// PortForwardIn names a port forward in the path.
type PortForwardIn struct {
	PortForward string `path:"port_forward" format:"uuid"`
}

func (in PortForwardIn) id() cloud.PortForwardID { return cloud.PortForwardID(in.PortForward) }

func (s *Server) registerPortForwards() {
	const tag, all, one = "Port forwards", "/port-forwards", "/port-forwards/{port_forward}"
	add(s, get(all, "list-port-forwards", tag, "List port forwards"), s.portForwardList)
	addStart(s, start(http.MethodPost, all, "create-port-forward", tag, "Create a port forward"), s.portForwardCreate)
	add(s, get(one, "get-port-forward", tag, "Show a port forward"), s.portForwardGet)
	addStart(s, start(http.MethodDelete, one, "delete-port-forward", tag, "Delete a port forward"), s.portForwardDelete)
}

func (s *Server) portForwardList(ctx context.Context, r *control.Request, in *Listing) (*page[api.PortForward], error) {
	list, next, err := s.control.PortForwards(ctx, r, in.query())
	if err != nil {
		return nil, err
	}
	return pageOf(list, next, portForwardView), nil
}

type portForwardCreate struct {
	Creating
	Waiting
	Body api.PortForwardCreate
}

func (s *Server) portForwardCreate(ctx context.Context, r *control.Request, in *portForwardCreate) (*cloud.Operation, error) {
	b := in.Body
	_, o, err := s.control.CreatePortForward(ctx, r, control.NewPortForward{
		Machine:  control.MachineRef{Account: b.Account, Cloudspace: b.Cloudspace, Machine: b.Machine},
		Protocol: b.Protocol, PublicPort: b.PublicPort, Port: b.Port,
	})
	return o, err
}

func (s *Server) portForwardGet(ctx context.Context, r *control.Request, in *PortForwardIn) (*body[api.PortForward], error) {
	f, err := s.control.PortForward(ctx, r, in.id())
	if err != nil {
		return nil, err
	}
	return object(f.Meta, portForwardView(f)), nil
}

type portForwardDelete struct {
	PortForwardIn
	Versioned
	Waiting
}

func (s *Server) portForwardDelete(ctx context.Context, r *control.Request, in *portForwardDelete) (*cloud.Operation, error) {
	_, o, err := s.control.DeletePortForward(ctx, r, in.id())
	return o, err
}
