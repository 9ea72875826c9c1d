package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"atoll/api"
	"atoll/internal/cloud"
	"atoll/internal/control"
)

func quotaView(b *cloud.Balance) api.Quota {
	return api.Quota{
		ScopeKind: string(b.Scope.Kind), ScopeID: b.Scope.ID, Resource: string(b.Resource), Amount: b.Amount, Limit: b.Limit,
	}
}

func capacityView(b *cloud.NodeBalance) api.Quota {
	v := quotaView(&b.Balance)
	v.Scope = b.Node
	return v
}

func entryView(e *cloud.Entry) api.LedgerEntry {
	return api.LedgerEntry{
		ID: e.ID, At: e.At.Time(), Resource: string(e.Resource), Delta: e.Delta, SubjectKind: string(e.SubjectKind),
		SubjectID: e.SubjectID, OperationID: string(e.OperationID), Reason: e.Reason,
	}
}

func limitsOf(in map[string]int64) map[cloud.Resource]int64 {
	out := map[cloud.Resource]int64{}
	for k, v := range in {
		out[cloud.Resource(k)] = v
	}
	return out
}

// scoped is an input that names an account, cloudspace or project.
type scoped interface {
	scope(ctx context.Context, s *Server, r *control.Request) (cloud.Scope, error)
}

func (in AccountIn) scope(ctx context.Context, s *Server, r *control.Request) (cloud.Scope, error) {
	id, err := s.accountID(ctx, r, in.Account)
	return cloud.Scope{Kind: cloud.KindAccount, ID: string(id)}, err
}

func (in CloudspaceIn) scope(ctx context.Context, s *Server, r *control.Request) (cloud.Scope, error) {
	if cloud.IsID(in.Cloudspace) {
		return cloud.Scope{Kind: cloud.KindCloudspace, ID: in.Cloudspace}, nil
	}
	c, err := s.control.Cloudspace(ctx, r, in.Account, in.Cloudspace)
	if err != nil {
		return cloud.Scope{}, err
	}
	return cloud.Scope{Kind: cloud.KindCloudspace, ID: string(c.ID)}, nil
}

func (in ProjectIn) scope(ctx context.Context, s *Server, r *control.Request) (cloud.Scope, error) {
	if cloud.IsID(in.Project) {
		return cloud.Scope{Kind: cloud.KindProject, ID: in.Project}, nil
	}
	p, err := s.control.Project(ctx, r, in.ref())
	if err != nil {
		return cloud.Scope{}, err
	}
	return cloud.Scope{Kind: cloud.KindProject, ID: string(p.ID)}, nil
}

// The inputs of all scopes; Huma needs each as a type of its own.
type (
	projectQuotaSet struct {
		ProjectIn
		Change
		Body api.QuotaSet
	}
	projectLedger struct {
		ProjectIn
		Listing
	}
	projectUsage struct {
		ProjectIn
		Span
	}
	accountQuotaSet struct {
		AccountIn
		Change
		Body api.QuotaSet
	}
	cloudspaceQuotaSet struct {
		CloudspaceIn
		Change
		Body api.QuotaSet
	}
	accountLedger struct {
		AccountIn
		Listing
	}
	cloudspaceLedger struct {
		CloudspaceIn
		Listing
	}
	accountUsage struct {
		AccountIn
		Span
	}
	cloudspaceUsage struct {
		CloudspaceIn
		Span
	}
)

// Span is from one time up to another.
type Span struct {
	From time.Time `query:"from" required:"true" doc:"RFC 3339." example:"2026-01-01T00:00:00Z"`
	To   time.Time `query:"to" doc:"RFC 3339; now if left out."`
}

// quotaOps describes the operations of one kind of scope.
func quotaOps(path, name string) (show, set, ledger, usage huma.Operation) {
	const tag = "Quotas"
	return get(path+"/quota", "get-"+name+"-quota", tag, "Show use and limits of the "+name),
		operation(http.MethodPut, path+"/quota", "set-"+name+"-quota", tag, "Set limits of the "+name, http.StatusOK),
		get(path+"/ledger", "list-"+name+"-ledger", tag, "List the ledger's entries of the "+name),
		get(path+"/usage", "get-"+name+"-usage", tag, "Show what the "+name+" used between two times")
}

func (s *Server) registerQuotas() {
	add(s, get("/capacity", "get-capacity", "Nodes", "Show what is placed on each node of what it has"), s.capacity)
	show, set, ledger, usage := quotaOps("/accounts/{account}", "account")
	add(s, show, func(ctx context.Context, r *control.Request, in *AccountIn) (*body[api.QuotaList], error) {
		return s.quota(ctx, r, in)
	})
	add(s, set, func(ctx context.Context, r *control.Request, in *accountQuotaSet) (*body[api.QuotaList], error) {
		return s.quotaSet(ctx, r, in, in.Body)
	})
	add(s, ledger, func(ctx context.Context, r *control.Request, in *accountLedger) (*page[api.LedgerEntry], error) {
		return s.ledger(ctx, r, in, in.Listing)
	})
	add(s, usage, func(ctx context.Context, r *control.Request, in *accountUsage) (*body[api.Usage], error) {
		return s.usage(ctx, r, in, in.Span)
	})
	show, set, ledger, usage = quotaOps("/projects/{project}", "project")
	add(s, show, func(ctx context.Context, r *control.Request, in *ProjectIn) (*body[api.QuotaList], error) {
		return s.quota(ctx, r, in)
	})
	add(s, set, func(ctx context.Context, r *control.Request, in *projectQuotaSet) (*body[api.QuotaList], error) {
		return s.quotaSet(ctx, r, in, in.Body)
	})
	add(s, ledger, func(ctx context.Context, r *control.Request, in *projectLedger) (*page[api.LedgerEntry], error) {
		return s.ledger(ctx, r, in, in.Listing)
	})
	add(s, usage, func(ctx context.Context, r *control.Request, in *projectUsage) (*body[api.Usage], error) {
		return s.usage(ctx, r, in, in.Span)
	})
	show, set, ledger, usage = quotaOps("/cloudspaces/{cloudspace}", "cloudspace")
	add(s, show, func(ctx context.Context, r *control.Request, in *CloudspaceIn) (*body[api.QuotaList], error) {
		return s.quota(ctx, r, in)
	})
	add(s, set, func(ctx context.Context, r *control.Request, in *cloudspaceQuotaSet) (*body[api.QuotaList], error) {
		return s.quotaSet(ctx, r, in, in.Body)
	})
	add(s, ledger, func(ctx context.Context, r *control.Request, in *cloudspaceLedger) (*page[api.LedgerEntry], error) {
		return s.ledger(ctx, r, in, in.Listing)
	})
	add(s, usage, func(ctx context.Context, r *control.Request, in *cloudspaceUsage) (*body[api.Usage], error) {
		return s.usage(ctx, r, in, in.Span)
	})
}

func (s *Server) capacity(ctx context.Context, r *control.Request, _ *struct{}) (*body[api.QuotaList], error) {
	list, err := s.control.Capacity(ctx, r)
	if err != nil {
		return nil, err
	}
	return &body[api.QuotaList]{Body: api.QuotaList{Items: pageOf(list, "", capacityView).Body.Items}}, nil
}

func quotaList(list []cloud.Balance, notes []string) *body[api.QuotaList] {
	return &body[api.QuotaList]{Body: api.QuotaList{Items: pageOf(list, "", quotaView).Body.Items, Notes: notes}}
}

func (s *Server) quota(ctx context.Context, r *control.Request, in scoped) (*body[api.QuotaList], error) {
	scope, err := in.scope(ctx, s, r)
	if err != nil {
		return nil, err
	}
	list, err := s.control.Quota(ctx, r, scope)
	if err != nil {
		return nil, err
	}
	return quotaList(list, nil), nil
}

func (s *Server) quotaSet(ctx context.Context, r *control.Request, in scoped, b api.QuotaSet) (*body[api.QuotaList], error) {
	scope, err := in.scope(ctx, s, r)
	if err != nil {
		return nil, err
	}
	list, notes, err := s.control.SetLimits(ctx, r, scope, limitsOf(b.Limits))
	if err != nil {
		return nil, err
	}
	return quotaList(list, notes), nil
}

func (s *Server) ledger(ctx context.Context, r *control.Request, in scoped, l Listing) (*page[api.LedgerEntry], error) {
	scope, err := in.scope(ctx, s, r)
	if err != nil {
		return nil, err
	}
	list, next, err := s.control.Entries(ctx, r, scope, l.query())
	if err != nil {
		return nil, err
	}
	return pageOf(list, next, entryView), nil
}

func (s *Server) usage(ctx context.Context, r *control.Request, in scoped, span Span) (*body[api.Usage], error) {
	scope, err := in.scope(ctx, s, r)
	if err != nil {
		return nil, err
	}
	u, err := s.control.Usage(ctx, r, scope, cloud.TimeOf(span.From), cloud.TimeOf(span.To))
	if err != nil {
		return nil, err
	}
	v := api.Usage{From: u.From.Time(), To: u.To.Time(), Resources: map[string]int64{}, Counters: u.Counters}
	for k, n := range u.Resources {
		v.Resources[string(k)] = n
	}
	return &body[api.Usage]{Body: v}, nil
}
