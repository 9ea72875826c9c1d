package rest

import (
	"context"
	"net/http"

	"atoll/api"
	"atoll/internal/cloud"
	"atoll/internal/control"
)

func (s *Server) registerRuns() {
	addStart(s, start(http.MethodPost, "/runs", "create-run", "Runs", "Run a command or script on many nodes"), s.runCreate)
}

type runCreate struct {
	Creating
	Waiting
	Body api.RunCreate
}

func (s *Server) runCreate(ctx context.Context, r *control.Request, in *runCreate) (*cloud.Operation, error) {
	b := in.Body
	timeout, err := duration("timeout", b.Timeout)
	if err != nil {
		return nil, err
	}
	return s.control.StartRun(ctx, r, control.Run{
		Command: b.Command, Script: b.Script, Args: b.Args, Nodes: b.Nodes, Role: cloud.Role(b.Role), All: b.All,
		Location: b.Location, Batch: b.Batch, StopAfter: b.StopAfter, TimeoutMS: timeout.Milliseconds(),
	})
}
