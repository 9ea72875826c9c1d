package rest

import (
	"context"

	"atoll/api"
	"atoll/internal/cloud"
	"atoll/internal/control"
)

func wikiSpaceView(s *control.WikiSpace) api.WikiSpace {
	return api.WikiSpace{
		ID: string(s.ID), AccountID: string(s.AccountID), ProjectID: string(s.ProjectID), Name: s.Name, Title: s.Title, Description: s.Description,
		Readers: string(s.Readers), Pages: s.Pages, MayWrite: s.MayWrite, MayManage: s.MayManage, Meta: metaView(s.Meta),
	}
}

// WikiSpaceIn names a space in the path.
type WikiSpaceIn struct {
	Space   string `path:"space" doc:"Id, or name in its scope."`
	Account string `query:"account" doc:"Id or name; to find a space of an account or its project by name."`
	Project string `query:"project" doc:"Id or name; to find a project's space by name."`
}

func (in WikiSpaceIn) ref() control.WikiSpaceRef {
	return control.WikiSpaceRef{Account: in.Account, Project: in.Project, Space: in.Space}
}

func (s *Server) registerWikiSpaces() {
	const tag, all, one = "Pages", "/spaces", "/spaces/{space}"
	add(s, get(all, "list-spaces", tag, "List spaces of pages"), s.wikiSpaceList)
	add(s, post(all, "create-space", tag, "Create a space of pages"), s.wikiSpaceCreate)
	add(s, get(one, "get-space", tag, "Show a space"), s.wikiSpaceGet)
	add(s, patch(one, "update-space", tag, "Change a space"), s.wikiSpaceUpdate)
	add(s, remove(one, "delete-space", tag, "Delete a space"), s.wikiSpaceDelete)
}

func (s *Server) wikiSpaceList(ctx context.Context, r *control.Request, in *Listing) (*page[api.WikiSpace], error) {
	list, next, err := s.control.WikiSpaces(ctx, r, in.query())
	if err != nil {
		return nil, err
	}
	return pageOf(list, next, wikiSpaceView), nil
}

type wikiSpaceCreate struct {
	Creating
	Body api.WikiSpaceCreate
}

func (s *Server) wikiSpaceCreate(ctx context.Context, r *control.Request, in *wikiSpaceCreate) (*created[api.WikiSpace], error) {
	b := &in.Body
	readers := cloud.WikiReaders(b.Readers)
	v, err := s.control.CreateWikiSpace(ctx, r, b.Account, b.Project, control.WikiSpaceChange{
		Name: &b.Name, Title: &b.Title, Description: &b.Description, Readers: &readers,
	})
	if err != nil {
		return nil, err
	}
	return newObject("/spaces", v.ID, v.Meta, wikiSpaceView(v)), nil
}

func (s *Server) wikiSpaceGet(ctx context.Context, r *control.Request, in *WikiSpaceIn) (*body[api.WikiSpace], error) {
	v, err := s.control.WikiSpace(ctx, r, in.ref())
	if err != nil {
		return nil, err
	}
	return object(v.Meta, wikiSpaceView(v)), nil
}

type wikiSpaceUpdate struct {
	WikiSpaceIn
	Versioned
	Body api.WikiSpaceUpdate
}

func (s *Server) wikiSpaceUpdate(ctx context.Context, r *control.Request, in *wikiSpaceUpdate) (*body[api.WikiSpace], error) {
	b := &in.Body
	v, err := s.control.UpdateWikiSpace(ctx, r, in.ref(), control.WikiSpaceChange{
		Name: b.Name, Title: b.Title, Description: b.Description, Readers: word[cloud.WikiReaders](b.Readers),
	})
	if err != nil {
		return nil, err
	}
	return object(v.Meta, wikiSpaceView(v)), nil
}

type wikiSpaceDelete struct {
	WikiSpaceIn
	Versioned
	Force bool `query:"force" doc:"With the pages that it has."`
}

func (s *Server) wikiSpaceDelete(ctx context.Context, r *control.Request, in *wikiSpaceDelete) (*none, error) {
	return &none{}, s.control.DeleteWikiSpace(ctx, r, in.ref(), in.Force)
}
