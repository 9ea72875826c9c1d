package rest

import (
	"context"

	"atoll/api"
	"atoll/internal/cloud"
	"atoll/internal/control"
)

func (s *Server) registerSearch() {
	add(s, get("/search", "search", "Search", "Find objects of all kinds by a part of the name or title, or by id"), s.search)
}

type search struct {
	Text  string   `query:"q" required:"true" minLength:"1" maxLength:"128" doc:"A part of the name or of a page's title, or an id." example:"web"`
	Limit int      `query:"limit" minimum:"1" maximum:"50" doc:"Objects of each kind; 8 if left out."`
	Kind  []string `query:"kind,explode" doc:"Only of these kinds." example:"[\"machine\"]"`
}

func (s *Server) search(ctx context.Context, r *control.Request, in *search) (*body[api.SearchResult], error) {
	list, more, err := s.control.Search(ctx, r, in.Text, texts[cloud.Kind](in.Kind), in.Limit)
	if err != nil {
		return nil, err
	}
	out := api.SearchResult{Items: make([]api.SearchHit, 0, len(list)), More: more}
	for i := range list {
		f := &list[i]
		out.Items = append(out.Items, api.SearchHit{
			Kind: string(f.Kind), ID: f.ID, Name: f.Name, Title: f.Title, State: f.State, AccountID: string(f.AccountID), Account: f.Account,
			ParentKind: string(f.ParentKind), ParentID: f.ParentID, Parent: f.Parent,
		})
	}
	return &body[api.SearchResult]{Body: out}, nil
}
