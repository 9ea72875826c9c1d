package rest

import (
	"context"

	"atoll/api"
	"atoll/internal/cloud"
	"atoll/internal/control"
)

func userView(u *cloud.User) api.User {
	return api.User{
		ID: string(u.ID), Name: u.Name, Email: u.Email, FullName: u.FullName, Role: string(u.Role), Disabled: u.Disabled,
		HasPassword: u.PasswordHash != "", TwoFactor: u.HasSecondFactor(), Issuer: u.Issuer, LockedUntil: u.LockedUntil.Time(), LastLoginAt: u.LastLoginAt.Time(), Meta: metaView(u.Meta),
	}
}

// UserIn names a user in the path.
type UserIn struct {
	User string `path:"user" doc:"Id or name."`
}

func (s *Server) registerUsers() {
	const tag, one = "Users", "/users/{user}"
	add(s, get("/users", "list-users", tag, "List users"), s.userList)
	add(s, post("/users", "create-user", tag, "Create a user"), s.userCreate)
	add(s, get(one, "get-user", tag, "Show a user"), s.userGet)
	add(s, patch(one, "update-user", tag, "Change, disable or enable a user"), s.userUpdate)
	add(s, remove(one, "delete-user", tag, "Delete a user"), s.userDelete)
	add(s, operation("POST", one+"/password", "set-user-password", tag, "Set a user's password", 204), s.userPassword)
	add(s, remove(one+"/totp", "reset-user-totp", tag, "End a user's second factor and sessions"), s.userResetTOTP)
	add(s, remove(one+"/identity", "unlink-user", tag, "End that a user belongs to an account at an identity provider"), s.userUnlink)
	add(s, post(one+"/setup-link", "create-setup-link", tag, "Make a one-time link with which the user sets a password"), s.userSetupLink)
}

func (s *Server) userList(ctx context.Context, r *control.Request, in *Listing) (*page[api.User], error) {
	list, next, err := s.control.Users(ctx, r, in.query())
	if err != nil {
		return nil, err
	}
	return pageOf(list, next, userView), nil
}

type userCreate struct {
	Creating
	Body api.UserCreate
}

func (s *Server) userCreate(ctx context.Context, r *control.Request, in *userCreate) (*created[api.UserCreated], error) {
	callOf(ctx).secret = true
	b := in.Body
	u := &cloud.User{Name: b.Name, Email: b.Email, FullName: b.FullName, Role: cloud.UserRole(b.Role)}
	if err := s.control.CreateUser(ctx, r, u, b.Password); err != nil {
		return nil, err
	}
	v := api.UserCreated{User: userView(u)}
	if b.Password == "" {
		link, err := s.setupLink(ctx, r, string(u.ID))
		if err != nil {
			return nil, err
		}
		v.SetupLink = *link
	}
	return newObject("/users", u.ID, u.Meta, v), nil
}

func (s *Server) setupLink(ctx context.Context, r *control.Request, ref string) (*api.SetupLink, error) {
	secret, expires, err := s.control.NewSetupLink(ctx, r, ref)
	if err != nil {
		return nil, err
	}
	// After the #: browsers keep it from servers, proxies and their logs.
	return &api.SetupLink{SetupURL: s.publicURL() + "/setup#" + secret, SetupSecret: secret, SetupExpires: expires.Time()}, nil
}

func (s *Server) userGet(ctx context.Context, r *control.Request, in *UserIn) (*body[api.User], error) {
	u, err := s.control.User(ctx, r, in.User)
	if err != nil {
		return nil, err
	}
	return object(u.Meta, userView(u)), nil
}

type userUpdate struct {
	UserIn
	Versioned
	Body api.UserUpdate
}

func (s *Server) userUpdate(ctx context.Context, r *control.Request, in *userUpdate) (*body[api.User], error) {
	b := in.Body
	u, err := s.changeUser(ctx, r, in.User, control.UserUpdate{Name: b.Name, FullName: b.FullName, Email: b.Email, Role: word[cloud.UserRole](b.Role)}, b.Disabled)
	if err != nil {
		return nil, err
	}
	return object(u.Meta, userView(u)), nil
}

// changeUser changes a user or service account, or disables or enables it.
func (s *Server) changeUser(ctx context.Context, r *control.Request, ref string, up control.UserUpdate, disabled *bool) (*cloud.User, error) {
	switch {
	case disabled != nil && up != control.UserUpdate{}:
		return nil, cloud.FieldErrorf("disabled", "is changed in a request of its own")
	case disabled != nil:
		return s.control.SetUserDisabled(ctx, r, ref, *disabled)
	}
	return s.control.UpdateUser(ctx, r, ref, up)
}

type userDelete struct {
	UserIn
	Versioned
}

func (s *Server) userDelete(ctx context.Context, r *control.Request, in *userDelete) (*none, error) {
	return &none{}, s.control.DeleteUser(ctx, r, in.User)
}

func (s *Server) userResetTOTP(ctx context.Context, r *control.Request, in *userDelete) (*none, error) {
	return &none{}, s.control.ResetTOTP(ctx, r, in.User)
}

func (s *Server) userUnlink(ctx context.Context, r *control.Request, in *userDelete) (*none, error) {
	return &none{}, s.control.UnlinkUser(ctx, r, in.User)
}

type userPassword struct {
	UserIn
	Change
	Body api.PasswordSet
}

func (s *Server) userPassword(ctx context.Context, r *control.Request, in *userPassword) (*none, error) {
	return &none{}, s.control.SetPassword(ctx, r, in.User, in.Body.OldPassword, in.Body.Password)
}

type userSetupLink struct {
	UserIn
	Creating
}

func (s *Server) userSetupLink(ctx context.Context, r *control.Request, in *userSetupLink) (*body[api.SetupLink], error) {
	callOf(ctx).secret = true
	link, err := s.setupLink(ctx, r, in.User)
	if err != nil {
		return nil, err
	}
	return &body[api.SetupLink]{Body: *link}, nil
}
