package rest

import (
	"context"
	"time"

	"atoll/api"
	"atoll/internal/cloud"
	"atoll/internal/control"
)

func joinTokenView(t *cloud.JoinToken) api.JoinToken {
	return api.JoinToken{
		ID: string(t.ID), LocationID: string(t.LocationID), Roles: listed(texts[string](t.Roles)), UsesLeft: t.UsesLeft,
		ExpiresAt: t.ExpiresAt.Time(), Meta: metaView(t.Meta),
	}
}

func (s *Server) registerJoinTokens() {
	const tag = "Join tokens"
	add(s, get("/join-tokens", "list-join-tokens", tag, "List join tokens"), s.joinTokenList)
	add(s, post("/join-tokens", "create-join-token", tag, "Make a token with which nodes join"), s.joinTokenCreate)
	add(s, get("/join-tokens/{join_token}", "get-join-token", tag, "Show a join token"), s.joinTokenGet)
	add(s, remove("/join-tokens/{join_token}", "delete-join-token", tag, "Delete a join token; nodes that joined stay"), s.joinTokenDelete)
}

func (s *Server) joinTokenList(ctx context.Context, r *control.Request, in *Listing) (*page[api.JoinToken], error) {
	list, next, err := s.control.JoinTokens(ctx, r, in.query())
	if err != nil {
		return nil, err
	}
	return pageOf(list, next, joinTokenView), nil
}

type joinTokenCreate struct {
	Creating
	Body api.JoinTokenCreate
}

// joinTokenLife is how long a join token holds that says nothing of it.
const joinTokenLife = 24 * time.Hour

func (s *Server) joinTokenCreate(ctx context.Context, r *control.Request, in *joinTokenCreate) (*created[api.JoinTokenCreated], error) {
	callOf(ctx).secret = true
	b := in.Body
	ttl, err := duration("ttl", b.TTL)
	if err != nil {
		return nil, err
	}
	if b.TTL == "" {
		ttl = joinTokenLife
	}
	secret, t, err := s.control.CreateJoinToken(ctx, r, control.NewJoinToken{
		Uses: max(b.Uses, 1), Roles: texts[cloud.Role](b.Roles), TTL: ttl, Location: b.Location,
	})
	if err != nil {
		return nil, err
	}
	servers, err := s.control.AgentServers(ctx)
	if err != nil {
		return nil, err
	}
	return newObject("/join-tokens", t.ID, t.Meta, api.JoinTokenCreated{JoinToken: joinTokenView(t), Secret: secret, Servers: servers}), nil
}

// JoinTokenIn names a join token in the path.
type JoinTokenIn struct {
	JoinToken string `path:"join_token" format:"uuid"`
}

func (s *Server) joinTokenGet(ctx context.Context, r *control.Request, in *JoinTokenIn) (*body[api.JoinToken], error) {
	t, err := s.control.JoinToken(ctx, r, cloud.JoinTokenID(in.JoinToken))
	if err != nil {
		return nil, err
	}
	return object(t.Meta, joinTokenView(t)), nil
}

type joinTokenDelete struct {
	JoinTokenIn
	Change
}

func (s *Server) joinTokenDelete(ctx context.Context, r *control.Request, in *joinTokenDelete) (*none, error) {
	return &none{}, s.control.DeleteJoinToken(ctx, r, cloud.JoinTokenID(in.JoinToken))
}
