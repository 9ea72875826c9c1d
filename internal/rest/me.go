package rest

import (
	"context"

	"atoll/api"
	"atoll/internal/control"
)

func (s *Server) registerMe() {
	add(s, get("/me", "get-me", "Me", "Show who the caller is and what it may"), s.me)
}

func (s *Server) me(_ context.Context, r *control.Request, _ *struct{}) (*body[api.Me], error) {
	me := api.Me{
		User: userView(r.User), Kind: string(r.User.Kind()), AccountID: string(r.User.AccountID),
		Memberships: []api.Membership{}, Credential: r.Credential, ReadOnly: r.ReadOnly, CSRF: r.CSRF,
	}
	if r.Account != "" {
		me.AccountID = string(r.Account)
	}
	for i := range r.Memberships {
		me.Memberships = append(me.Memberships, membershipView(&r.Memberships[i]))
	}
	return &body[api.Me]{Body: me}, nil
}
