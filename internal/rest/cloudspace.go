package rest

import (
	"context"
	"net/http"

	"atoll/api"
	"atoll/internal/cloud"
	"atoll/internal/control"
)

func cloudspaceView(c *cloud.Cloudspace) api.Cloudspace {
	return api.Cloudspace{
		ID: string(c.ID), AccountID: string(c.AccountID), LocationID: string(c.LocationID), Name: c.Name, State: string(c.State), Reason: c.Reason,
		Network: c.Network, NodeID: string(c.NodeID), OperationID: string(c.OperationID), Meta: metaView(c.Meta),
	}
}

// CloudspaceIn names a cloudspace in the path.
type CloudspaceIn struct {
	Cloudspace string `path:"cloudspace" doc:"Id, or name in the account."`
	Account    string `query:"account" doc:"Id or name; to find it by its name."`
}

func (s *Server) registerCloudspaces() {
	const tag, all, one = "Cloudspaces", "/cloudspaces", "/cloudspaces/{cloudspace}"
	add(s, get(all, "list-cloudspaces", tag, "List cloudspaces"), s.cloudspaceList)
	add(s, post(all, "create-cloudspace", tag, "Create a cloudspace"), s.cloudspaceCreate)
	add(s, get(one, "get-cloudspace", tag, "Show a cloudspace"), s.cloudspaceGet)
	add(s, patch(one, "update-cloudspace", tag, "Rename a cloudspace"), s.cloudspaceUpdate)
	addStart(s, start(http.MethodDelete, one, "delete-cloudspace", tag, "Delete an empty cloudspace"), s.cloudspaceDelete)
}

func (s *Server) cloudspaceList(ctx context.Context, r *control.Request, in *Listing) (*page[api.Cloudspace], error) {
	list, next, err := s.control.Cloudspaces(ctx, r, in.query())
	if err != nil {
		return nil, err
	}
	return pageOf(list, next, cloudspaceView), nil
}

type cloudspaceCreate struct {
	Creating
	Body api.CloudspaceCreate
}

func (s *Server) cloudspaceCreate(ctx context.Context, r *control.Request, in *cloudspaceCreate) (*created[api.Cloudspace], error) {
	c, err := s.control.CreateCloudspace(ctx, r, control.NewCloudspace(in.Body))
	if err != nil {
		return nil, err
	}
	return newObject("/cloudspaces", c.ID, c.Meta, cloudspaceView(c)), nil
}

func (s *Server) cloudspaceGet(ctx context.Context, r *control.Request, in *CloudspaceIn) (*body[api.Cloudspace], error) {
	c, err := s.control.Cloudspace(ctx, r, in.Account, in.Cloudspace)
	if err != nil {
		return nil, err
	}
	return object(c.Meta, cloudspaceView(c)), nil
}

type cloudspaceUpdate struct {
	CloudspaceIn
	Versioned
	Body api.CloudspaceUpdate
}

func (s *Server) cloudspaceUpdate(ctx context.Context, r *control.Request, in *cloudspaceUpdate) (*body[api.Cloudspace], error) {
	name := ""
	if in.Body.Name != nil {
		if name = *in.Body.Name; name == "" {
			return nil, cloud.ValidateName(cloud.KindCloudspace, name)
		}
	}
	c, err := s.control.RenameCloudspace(ctx, r, in.Account, in.Cloudspace, name)
	if err != nil {
		return nil, err
	}
	return object(c.Meta, cloudspaceView(c)), nil
}

type cloudspaceDelete struct {
	CloudspaceIn
	Versioned
	Waiting
}

func (s *Server) cloudspaceDelete(ctx context.Context, r *control.Request, in *cloudspaceDelete) (*cloud.Operation, error) {
	return s.control.DeleteCloudspace(ctx, r, in.Account, in.Cloudspace)
}
