package rest

import (
	"context"
	"time"

	"atoll/api"
	"atoll/internal/cloud"
	"atoll/internal/control"
)

func tokenView(t *cloud.Token) api.Token {
	return api.Token{
		ID: string(t.ID), UserID: string(t.UserID), Name: t.Name, Scope: t.Scope, AccountID: string(t.AccountID),
		ExpiresAt: t.ExpiresAt.Time(), LastUsedAt: t.LastUsedAt.Time(), Meta: metaView(t.Meta),
	}
}

// OfUser says whose tokens or sessions are meant.
type OfUser struct {
	User string `query:"user" doc:"Id or name; a service account by its id. Yours if left out."`
}

// userID finds the id of a user that a caller names; the caller's own for none.
func (s *Server) userID(ctx context.Context, r *control.Request, ref string) (cloud.UserID, error) {
	if ref == "" || cloud.IsID(ref) {
		if ref == "" {
			return r.User.ID, nil
		}
		return cloud.UserID(ref), nil
	}
	u, err := s.control.User(ctx, r, ref)
	if err != nil {
		return "", err
	}
	return u.ID, nil
}

func (s *Server) registerTokens() {
	const tag, all, one = "Tokens", "/tokens", "/tokens/{token}"
	add(s, get(all, "list-tokens", tag, "List a user's tokens"), s.tokenList)
	add(s, post(all, "create-token", tag, "Create a token"), s.tokenCreate)
	add(s, get(one, "get-token", tag, "Show a token"), s.tokenGet)
	add(s, remove(one, "delete-token", tag, "Delete a token: it holds no longer"), s.tokenDelete)
}

type tokenList struct {
	Listing
	OfUser
}

func (s *Server) tokenList(ctx context.Context, r *control.Request, in *tokenList) (*page[api.Token], error) {
	user, err := s.userID(ctx, r, in.User)
	if err != nil {
		return nil, err
	}
	list, next, err := s.control.Tokens(ctx, r, user, in.query())
	if err != nil {
		return nil, err
	}
	return pageOf(list, next, tokenView), nil
}

type tokenCreate struct {
	Creating
	Body api.TokenCreate
}

func (s *Server) tokenCreate(ctx context.Context, r *control.Request, in *tokenCreate) (*created[api.TokenCreated], error) {
	callOf(ctx).secret = true
	b := in.Body
	ttl, err := duration("ttl", b.TTL)
	if err != nil {
		return nil, err
	}
	user, err := s.userID(ctx, r, b.User)
	if err != nil {
		return nil, err
	}
	t := &cloud.Token{Name: b.Name, Scope: b.Scope}
	if t.AccountID, err = s.accountID(ctx, r, b.Account); err != nil {
		return nil, err
	}
	if ttl > 0 {
		t.ExpiresAt = cloud.TimeOf(time.Now().Add(ttl))
	}
	secret, err := s.control.CreateToken(ctx, r, user, t)
	if err != nil {
		return nil, err
	}
	return newObject("/tokens", t.ID, t.Meta, api.TokenCreated{Token: tokenView(t), Secret: secret}), nil
}

// TokenIn names a token in the path.
type TokenIn struct {
	Token string `path:"token" doc:"Id, or name among the user's."`
	OfUser
}

func (s *Server) findToken(ctx context.Context, r *control.Request, in TokenIn) (*cloud.Token, error) {
	user, err := s.userID(ctx, r, in.User)
	if err != nil {
		return nil, err
	}
	return s.control.Token(ctx, r, user, in.Token)
}

func (s *Server) tokenGet(ctx context.Context, r *control.Request, in *TokenIn) (*body[api.Token], error) {
	t, err := s.findToken(ctx, r, *in)
	if err != nil {
		return nil, err
	}
	return object(t.Meta, tokenView(t)), nil
}

type tokenDelete struct {
	TokenIn
	Versioned
}

func (s *Server) tokenDelete(ctx context.Context, r *control.Request, in *tokenDelete) (*none, error) {
	t, err := s.findToken(ctx, r, in.TokenIn)
	if err != nil {
		return nil, err
	}
	return &none{}, s.control.DeleteToken(ctx, r, t.ID)
}
