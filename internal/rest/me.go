package rest

import (
	"context"

	"atoll/api"
	"atoll/internal/control"
)

func (s *Server) registerMe() {
	addEnrolling(s, get("/me", "get-me", "Me", "Show who the caller is and what it may"), s.me)
}

func (s *Server) me(ctx context.Context, r *control.Request, _ *struct{}) (*body[api.Me], error) {
	me := api.Me{
		User: userView(r.User), Kind: string(r.User.Kind()), AccountID: string(r.User.AccountID),
		Memberships: []api.MyMembership{}, Credential: r.Credential, ReadOnly: r.ReadOnly, CSRF: r.CSRF, Provider: r.Provider,
	}
	if r.Account != "" {
		me.AccountID = string(r.Account)
	}
	own, err := s.control.OwnMemberships(ctx, r)
	if err != nil {
		return nil, err
	}
	for i := range own {
		m := &own[i]
		me.Memberships = append(me.Memberships, api.MyMembership{
			Membership: membershipView(&m.Membership), Account: m.Account, Cloudspace: m.Cloudspace, Machine: m.Machine, Project: m.Project,
		})
	}
	f, err := s.control.SecondFactor(ctx, r)
	if err != nil {
		return nil, err
	}
	me.SecondFactor = api.SecondFactor{Enabled: f.Enabled, Required: f.Required, Enrol: r.Enrol, RecoveryCodesLeft: f.RecoveryCodes}
	installation, roles := r.Permissions()
	me.Permissions = api.Permissions{Installation: allowedView(installation), Roles: map[string]map[string][]string{}}
	for role, allowed := range roles {
		me.Permissions.Roles[string(role)] = allowedView(allowed)
	}
	return &body[api.Me]{Body: me}, nil
}

func allowedView(in control.Allowed) map[string][]string {
	out := map[string][]string{}
	for kind, actions := range in {
		out[string(kind)] = texts[string](actions)
	}
	return out
}
