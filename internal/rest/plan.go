package rest

import (
	"atoll/api"
	"atoll/internal/cloud"
)

func planView(p *cloud.Plan) api.Plan {
	v := api.Plan{Action: p.Action, Steps: p.Steps, Application: changesView(p.Application), Deployment: changesView(p.Deployment)}
	for _, c := range p.Placement {
		v.Placement = append(v.Placement, api.Candidate{NodeID: string(c.NodeID), Node: c.Node, Chosen: c.Chosen, Reason: c.Reason})
	}
	for _, q := range p.Quota {
		v.Quota = append(v.Quota, api.QuotaDelta{
			ScopeKind: string(q.Scope.Kind), ScopeID: q.Scope.ID, Scope: q.ScopeName,
			Resource: string(q.Resource), Delta: q.Delta, Amount: q.Amount, Limit: q.Limit,
		})
	}
	return v
}
