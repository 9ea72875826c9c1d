package rest

import (
	"context"
	"net/http"

	"atoll/api"
	"atoll/internal/cloud"
	"atoll/internal/control"
)

func wikiRevisionView(v *cloud.WikiRevision) api.WikiRevision {
	return api.WikiRevision{
		PageID: string(v.PageID), Number: v.Number, Current: v.Current, Title: v.Title, Comment: v.Comment, RestoredFrom: v.RestoredFrom,
		AuthorID: string(v.AuthorID), Author: v.AuthorName, Size: v.Size, Body: v.Body, CreatedAt: v.CreatedAt.Time(),
	}
}

func (s *Server) registerWikiRevisions() {
	const tag, all, one = "Pages", "/pages/{page}/revisions", "/pages/{page}/revisions/{number}"
	add(s, get(all, "list-page-revisions", tag, "List a page's revisions, the newest first"), s.wikiRevisionList)
	add(s, get(one, "get-page-revision", tag, "Show a revision of a page with its text"), s.wikiRevisionGet)
	add(s, get(one+"/diff", "diff-page-revision", tag, "Compare a revision of a page with another one"), s.wikiRevisionDiff)
	add(s, operation(http.MethodPost, one+"/restore", "restore-page-revision", tag, "Make an old revision of a page the newest", http.StatusOK), s.wikiRevisionRestore)
}

type wikiRevisionList struct {
	WikiPageIn
	Listing
}

func (s *Server) wikiRevisionList(ctx context.Context, r *control.Request, in *wikiRevisionList) (*page[api.WikiRevision], error) {
	q := in.query()
	if q.Sort == "" {
		q.Sort = "-number"
	}
	list, next, err := s.control.WikiRevisions(ctx, r, in.ref(), q)
	if err != nil {
		return nil, err
	}
	return pageOf(list, next, wikiRevisionView), nil
}

// WikiRevisionIn names a revision in the path.
type WikiRevisionIn struct {
	WikiPageIn
	Number int64 `path:"number" minimum:"1" doc:"Its number; they begin with 1."`
}

func (s *Server) wikiRevisionGet(ctx context.Context, r *control.Request, in *WikiRevisionIn) (*struct{ Body api.WikiRevision }, error) {
	v, err := s.control.WikiRevision(ctx, r, in.ref(), in.Number)
	if err != nil {
		return nil, err
	}
	return &struct{ Body api.WikiRevision }{wikiRevisionView(v)}, nil
}

type wikiRevisionDiff struct {
	WikiRevisionIn
	From int64 `query:"from" minimum:"-1" default:"-1" doc:"The revision to compare with: the one before if left out or -1; 0 is an empty page."`
}

func (s *Server) wikiRevisionDiff(ctx context.Context, r *control.Request, in *wikiRevisionDiff) (*struct{ Body api.WikiDiff }, error) {
	from := in.From
	if from < 0 {
		from = in.Number - 1
	}
	d, err := s.control.WikiDiff(ctx, r, in.ref(), from, in.Number)
	if err != nil {
		return nil, err
	}
	return &struct{ Body api.WikiDiff }{api.WikiDiff{From: d.From, To: d.To, Added: d.Added, Removed: d.Removed, Unified: d.Unified}}, nil
}

type wikiRevisionRestore struct {
	WikiRevisionIn
	Versioned
}

func (s *Server) wikiRevisionRestore(ctx context.Context, r *control.Request, in *wikiRevisionRestore) (*body[api.WikiPage], error) {
	p, err := s.control.RestoreWikiRevision(ctx, r, in.ref(), in.Number)
	if err != nil {
		return nil, err
	}
	return object(p.Meta, wikiPageView(p)), nil
}
