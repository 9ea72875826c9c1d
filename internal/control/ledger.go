package control

import (
	"fmt"
	"maps"

	"atoll/internal/cloud"
	"atoll/internal/store"
)

// amounts are changes of several resources at once.
type amounts map[cloud.Resource]int64

func (a amounts) negative() amounts {
	out := amounts{}
	for r, n := range a {
		out[r] = -n
	}
	return out
}

// plus adds b to a copy of a.
func (a amounts) plus(b amounts) amounts {
	out := maps.Clone(a)
	for r, n := range b {
		out[r] += n
	}
	return out
}

// posting is one movement in the ledger: on the account, the cloudspace or project and,
// for what takes a node's capacity, the node.
type posting struct {
	account     cloud.AccountID
	cloudspace  cloud.CloudspaceID
	project     cloud.ProjectID
	node        cloud.NodeID
	subjectKind cloud.Kind
	subjectID   string
	operation   cloud.OperationID
	reason      string
}

type poster interface {
	Post(cloud.Entry) error
	Balance(cloud.Scope, cloud.Resource) (cloud.Balance, error)
	Account(cloud.AccountID) (*cloud.Account, error)
	Cloudspace(cloud.CloudspaceID) (*cloud.Cloudspace, error)
	Project(cloud.ProjectID) (*cloud.Project, error)
}

// facts posts what has happened already, which no limit can refuse.
type facts struct{ *store.Tx }

func (f facts) Post(e cloud.Entry) error { return f.PostFact(e) }

// post writes the entries and balances of the amounts. A limit that would be
// passed is a Quota error that names limit, rest and who can raise it.
func post(tx poster, p posting, what amounts) error {
	for _, r := range cloud.Resources { // always in the same order: no deadlocks
		if what[r] == 0 {
			continue
		}
		for _, scope := range p.scopes() {
			err := tx.Post(cloud.Entry{
				Scope: scope, Resource: r, Delta: what[r], SubjectKind: p.subjectKind, SubjectID: p.subjectID,
				OperationID: p.operation, Reason: p.reason,
			})
			if cloud.Is(err, cloud.Quota) {
				return explainQuota(tx, scope, r, what[r])
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (p posting) scopes() []cloud.Scope {
	out := []cloud.Scope{{Kind: cloud.KindAccount, ID: string(p.account)}}
	if p.cloudspace != "" {
		out = append(out, cloud.Scope{Kind: cloud.KindCloudspace, ID: string(p.cloudspace)})
	}
	if p.project != "" {
		out = append(out, cloud.Scope{Kind: cloud.KindProject, ID: string(p.project)})
	}
	if p.node != "" {
		out = append(out, cloud.Scope{Kind: cloud.KindNode, ID: string(p.node)})
	}
	return out
}

func explainQuota(tx poster, scope cloud.Scope, r cloud.Resource, want int64) error {
	b, err := tx.Balance(scope, r)
	if err != nil {
		return err
	}
	left := max(0, b.Limit-b.Amount)
	if scope.Kind == cloud.KindNode {
		return cloud.Errorf(cloud.Capacity, "the node has %d %s left of %d, and %d are needed", left, r, b.Limit, want)
	}
	name, who := scopeName(tx, scope), "an operator of the installation"
	if scope.Kind == cloud.KindCloudspace || scope.Kind == cloud.KindProject {
		who = "an admin of the account"
	}
	return cloud.Errorf(cloud.Quota, "the quota of %s %s allows %d %s, %d are in use and %d left; %d more are needed. %s can raise it",
		scope.Kind, name, b.Limit, r, b.Amount, left, want, who)
}

func scopeName(tx poster, scope cloud.Scope) string {
	switch scope.Kind {
	case cloud.KindAccount:
		if a, err := tx.Account(cloud.AccountID(scope.ID)); err == nil {
			return a.Name
		}
	case cloud.KindCloudspace:
		if s, err := tx.Cloudspace(cloud.CloudspaceID(scope.ID)); err == nil {
			return s.Name
		}
	case cloud.KindProject:
		if p, err := tx.Project(cloud.ProjectID(scope.ID)); err == nil {
			return p.Name
		}
	}
	return fmt.Sprint(scope.ID)
}

// post is post for a mutation: the plan shows the quota deltas.
func (ch *change) post(p posting, what amounts) error {
	for _, r := range cloud.Resources {
		if what[r] == 0 {
			continue
		}
		for _, scope := range p.scopes() {
			if scope.Kind == cloud.KindNode {
				continue
			}
			b, err := ch.Balance(scope, r)
			if err != nil {
				return err
			}
			ch.plan.Quota = append(ch.plan.Quota, cloud.QuotaDelta{
				Scope: scope, ScopeName: scopeName(ch, scope), Resource: r, Delta: what[r], Amount: b.Amount, Limit: b.Limit,
			})
		}
	}
	return post(ch.Tx, p, what)
}
