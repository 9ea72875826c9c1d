package rest

import (
	"context"

	"atoll/api"
	"atoll/internal/cloud"
	"atoll/internal/control"
)

func membershipView(m *cloud.Membership) api.Membership {
	return api.Membership{
		ID: string(m.ID), UserID: string(m.UserID), Role: string(m.Role), AccountID: string(m.AccountID),
		CloudspaceID: string(m.CloudspaceID), MachineID: string(m.MachineID), ProjectID: string(m.ProjectID), Provider: m.Provider,
		Meta: metaView(m.Meta),
	}
}

func memberView(m *control.Member) api.Membership {
	v := membershipView(&m.Membership)
	v.User, v.UserKind = m.UserName, string(m.UserKind)
	return v
}

// MembershipIn names a membership in the path.
type MembershipIn struct {
	Membership string `path:"membership" format:"uuid"`
}

func (in MembershipIn) id() cloud.MembershipID { return cloud.MembershipID(in.Membership) }

func (s *Server) registerMemberships() {
	const tag, all, one = "Memberships", "/memberships", "/memberships/{membership}"
	add(s, get(all, "list-memberships", tag, "List who has which role where"), s.membershipList)
	add(s, post(all, "create-membership", tag, "Give a user a role"), s.membershipCreate)
	add(s, get(one, "get-membership", tag, "Show a membership"), s.membershipGet)
	add(s, patch(one, "update-membership", tag, "Change the role"), s.membershipUpdate)
	add(s, remove(one, "delete-membership", tag, "Take the role away"), s.membershipDelete)
}

func (s *Server) membershipList(ctx context.Context, r *control.Request, in *Listing) (*page[api.Membership], error) {
	list, next, err := s.control.Memberships(ctx, r, in.query())
	if err != nil {
		return nil, err
	}
	return pageOf(list, next, memberView), nil
}

type membershipCreate struct {
	Creating
	Body api.MembershipCreate
}

func (s *Server) membershipCreate(ctx context.Context, r *control.Request, in *membershipCreate) (*created[api.Membership], error) {
	b := in.Body
	n := control.NewMembership{User: b.User, ServiceAccount: b.ServiceAccount, Role: cloud.UserRole(b.Role)}
	switch {
	case b.Machine != "":
		m, err := s.control.Machine(ctx, r, control.MachineRef{Account: b.Account, Cloudspace: b.Cloudspace, Machine: b.Machine})
		if err != nil {
			return nil, err
		}
		n.Machine = m.ID
	case b.Cloudspace != "":
		c, err := s.control.Cloudspace(ctx, r, b.Account, b.Cloudspace)
		if err != nil {
			return nil, err
		}
		n.Cloudspace = c.ID
	case b.Project != "":
		p, err := s.control.Project(ctx, r, control.ProjectRef{Account: b.Account, Project: b.Project})
		if err != nil {
			return nil, err
		}
		n.Project = p.ID
	default:
		var err error
		if n.Account, err = s.accountID(ctx, r, b.Account); err != nil {
			return nil, err
		}
	}
	m, err := s.control.CreateMembership(ctx, r, n)
	if err != nil {
		return nil, err
	}
	return newObject("/memberships", m.ID, m.Meta, membershipView(m)), nil
}

func (s *Server) membershipGet(ctx context.Context, r *control.Request, in *MembershipIn) (*body[api.Membership], error) {
	m, err := s.control.Membership(ctx, r, in.id())
	if err != nil {
		return nil, err
	}
	return object(m.Meta, memberView(m)), nil
}

type membershipUpdate struct {
	MembershipIn
	Versioned
	Body api.MembershipUpdate
}

func (s *Server) membershipUpdate(ctx context.Context, r *control.Request, in *membershipUpdate) (*body[api.Membership], error) {
	m, err := s.control.UpdateMembership(ctx, r, in.id(), cloud.UserRole(in.Body.Role))
	if err != nil {
		return nil, err
	}
	return object(m.Meta, membershipView(m)), nil
}

type membershipDelete struct {
	MembershipIn
	Versioned
}

func (s *Server) membershipDelete(ctx context.Context, r *control.Request, in *membershipDelete) (*none, error) {
	return &none{}, s.control.DeleteMembership(ctx, r, in.id())
}
