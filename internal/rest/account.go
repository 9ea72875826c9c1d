package rest

import (
	"context"

	"atoll/api"
	"atoll/internal/cloud"
	"atoll/internal/control"
)

func accountView(a *cloud.Account) api.Account {
	return api.Account{ID: string(a.ID), Name: a.Name, Description: a.Description, State: string(a.State), Meta: metaView(a.Meta)}
}

// AccountIn names an account in the path.
type AccountIn struct {
	Account string `path:"account" doc:"Id or name."`
}

// accountID finds the id of an account that a caller names; "" for none.
func (s *Server) accountID(ctx context.Context, r *control.Request, ref string) (cloud.AccountID, error) {
	if ref == "" || cloud.IsID(ref) {
		return cloud.AccountID(ref), nil
	}
	a, err := s.control.Account(ctx, r, ref)
	if err != nil {
		return "", err
	}
	return a.ID, nil
}

func (s *Server) registerAccounts() {
	const tag, one = "Accounts", "/accounts/{account}"
	add(s, get("/accounts", "list-accounts", tag, "List accounts"), s.accountList)
	add(s, post("/accounts", "create-account", tag, "Create an account"), s.accountCreate)
	add(s, get(one, "get-account", tag, "Show an account"), s.accountGet)
	add(s, patch(one, "update-account", tag, "Change, enable or disable an account"), s.accountUpdate)
	add(s, remove(one, "delete-account", tag, "Delete an empty account"), s.accountDelete)
}

func (s *Server) accountList(ctx context.Context, r *control.Request, in *Listing) (*page[api.Account], error) {
	list, next, err := s.control.Accounts(ctx, r, in.query())
	if err != nil {
		return nil, err
	}
	return pageOf(list, next, accountView), nil
}

type accountCreate struct {
	Creating
	Body api.AccountCreate
}

func (s *Server) accountCreate(ctx context.Context, r *control.Request, in *accountCreate) (*created[api.Account], error) {
	a := &cloud.Account{Name: in.Body.Name, Description: in.Body.Description}
	if err := s.control.CreateAccount(ctx, r, a, limitsOf(in.Body.Limits)); err != nil {
		return nil, err
	}
	return newObject("/accounts", a.ID, a.Meta, accountView(a)), nil
}

func (s *Server) accountGet(ctx context.Context, r *control.Request, in *AccountIn) (*body[api.Account], error) {
	a, err := s.control.Account(ctx, r, in.Account)
	if err != nil {
		return nil, err
	}
	return object(a.Meta, accountView(a)), nil
}

type accountUpdate struct {
	AccountIn
	Versioned
	Body api.AccountUpdate
}

func (s *Server) accountUpdate(ctx context.Context, r *control.Request, in *accountUpdate) (*body[api.Account], error) {
	b := in.Body
	var a *cloud.Account
	var err error
	switch {
	case b.State != nil && (b.Name != nil || b.Description != nil):
		return nil, cloud.FieldErrorf("state", "is changed in a request of its own")
	case b.State != nil:
		a, err = s.control.SetAccountState(ctx, r, in.Account, cloud.AccountState(*b.State))
	default:
		a, err = s.control.UpdateAccount(ctx, r, in.Account, control.AccountUpdate{Name: b.Name, Description: b.Description})
	}
	if err != nil {
		return nil, err
	}
	return object(a.Meta, accountView(a)), nil
}

type accountDelete struct {
	AccountIn
	Versioned
}

func (s *Server) accountDelete(ctx context.Context, r *control.Request, in *accountDelete) (*none, error) {
	return &none{}, s.control.DeleteAccount(ctx, r, in.Account)
}
