package rest

import (
	"context"

	"atoll/api"
	"atoll/internal/cloud"
	"atoll/internal/control"
)

func leftoverView(l *cloud.Leftover) api.Leftover {
	return api.Leftover{
		ID: string(l.ID), NodeID: string(l.NodeID), Kind: string(l.Kind), ObjectID: l.ObjectID, AccountID: string(l.AccountID),
		Epoch: l.Epoch, Reason: l.Reason, JobID: string(l.JobID), Meta: metaView(l.Meta),
	}
}

func (s *Server) registerLeftovers() {
	const tag = "Leftovers"
	add(s, get("/leftovers", "list-leftovers", tag, "List what nodes that were away still hold"), s.leftoverList)
	add(s, get("/leftovers/{leftover}", "get-leftover", tag, "Show a leftover"), s.leftoverGet)
	add(s, remove("/leftovers/{leftover}", "delete-leftover", tag, "Forget a leftover of a node that never comes back"), s.leftoverDelete)
}

func (s *Server) leftoverList(ctx context.Context, r *control.Request, in *Listing) (*page[api.Leftover], error) {
	list, next, err := s.control.Leftovers(ctx, r, in.query())
	if err != nil {
		return nil, err
	}
	return pageOf(list, next, leftoverView), nil
}

// LeftoverIn names a leftover in the path.
type LeftoverIn struct {
	Leftover string `path:"leftover" format:"uuid"`
}

func (s *Server) leftoverGet(ctx context.Context, r *control.Request, in *LeftoverIn) (*body[api.Leftover], error) {
	l, err := s.control.Leftover(ctx, r, cloud.LeftoverID(in.Leftover))
	if err != nil {
		return nil, err
	}
	return object(l.Meta, leftoverView(l)), nil
}

type leftoverDelete struct {
	LeftoverIn
	Versioned
}

func (s *Server) leftoverDelete(ctx context.Context, r *control.Request, in *leftoverDelete) (*none, error) {
	return &none{}, s.control.DeleteLeftover(ctx, r, cloud.LeftoverID(in.Leftover))
}
