package rest

import (
	"context"

	"atoll/api"
	"atoll/internal/cloud"
	"atoll/internal/control"
)

func serviceAccountView(u *cloud.User) api.ServiceAccount {
	return api.ServiceAccount{
		ID: string(u.ID), AccountID: string(u.AccountID), Name: u.Name, FullName: u.FullName, Disabled: u.Disabled, Meta: metaView(u.Meta),
	}
}

// ServiceAccountIn names a service account in the path.
type ServiceAccountIn struct {
	ServiceAccount string `path:"service_account" doc:"Id, or name in the account."`
	Account        string `query:"account" doc:"Id or name; to find it by its name."`
}

func (s *Server) registerServiceAccounts() {
	const tag, all, one = "Service accounts", "/service-accounts", "/service-accounts/{service_account}"
	add(s, get(all, "list-service-accounts", tag, "List service accounts"), s.serviceAccountList)
	add(s, post(all, "create-service-account", tag, "Create a service account"), s.serviceAccountCreate)
	add(s, get(one, "get-service-account", tag, "Show a service account"), s.serviceAccountGet)
	add(s, patch(one, "update-service-account", tag, "Change, disable or enable a service account"), s.serviceAccountUpdate)
	add(s, remove(one, "delete-service-account", tag, "Delete a service account and its tokens"), s.serviceAccountDelete)
}

func (s *Server) serviceAccountList(ctx context.Context, r *control.Request, in *Listing) (*page[api.ServiceAccount], error) {
	list, next, err := s.control.ServiceAccounts(ctx, r, in.query())
	if err != nil {
		return nil, err
	}
	return pageOf(list, next, serviceAccountView), nil
}

type serviceAccountCreate struct {
	Creating
	Body api.ServiceAccountCreate
}

func (s *Server) serviceAccountCreate(ctx context.Context, r *control.Request, in *serviceAccountCreate) (*created[api.ServiceAccount], error) {
	account, err := s.accountID(ctx, r, in.Body.Account)
	if err != nil {
		return nil, err
	}
	u := &cloud.User{AccountID: account, Name: in.Body.Name, FullName: in.Body.FullName}
	if err := s.control.CreateServiceAccount(ctx, r, u); err != nil {
		return nil, err
	}
	return newObject("/service-accounts", u.ID, u.Meta, serviceAccountView(u)), nil
}

func (s *Server) serviceAccountGet(ctx context.Context, r *control.Request, in *ServiceAccountIn) (*body[api.ServiceAccount], error) {
	u, err := s.control.ServiceAccount(ctx, r, in.Account, in.ServiceAccount)
	if err != nil {
		return nil, err
	}
	return object(u.Meta, serviceAccountView(u)), nil
}

type serviceAccountUpdate struct {
	ServiceAccountIn
	Versioned
	Body api.ServiceAccountUpdate
}

func (s *Server) serviceAccountUpdate(ctx context.Context, r *control.Request, in *serviceAccountUpdate) (*body[api.ServiceAccount], error) {
	u, err := s.control.ServiceAccount(ctx, r, in.Account, in.ServiceAccount)
	if err != nil {
		return nil, err
	}
	if u, err = s.changeUser(ctx, r, string(u.ID), control.UserUpdate{FullName: in.Body.FullName}, in.Body.Disabled); err != nil {
		return nil, err
	}
	return object(u.Meta, serviceAccountView(u)), nil
}

type serviceAccountDelete struct {
	ServiceAccountIn
	Versioned
}

func (s *Server) serviceAccountDelete(ctx context.Context, r *control.Request, in *serviceAccountDelete) (*none, error) {
	u, err := s.control.ServiceAccount(ctx, r, in.Account, in.ServiceAccount)
	if err != nil {
		return nil, err
	}
	return &none{}, s.control.DeleteUser(ctx, r, string(u.ID))
}
