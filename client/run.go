package client

import (
	"context"
	"iter"
	"net/http"
	"time"

	"atoll/api"
)

// NodeResult is how a run ended on one node.
type NodeResult struct {
	Node   string `json:"node"` // its name
	State  string `json:"state"`
	Exit   int64  `json:"exit"`
	Output string `json:"output"` // the last 4 KiB
	Error  string `json:"error,omitempty"`
	Job    string `json:"job"` // id; "" if the node's turn never came
}

// StartRun starts a command or script on many nodes.
func (c *Client) StartRun(ctx context.Context, in api.RunCreate, opts ...Option) (*Result[api.Operation], error) {
	return change[api.Operation](ctx, c, http.MethodPost, "runs", in, opts)
}

// Run runs a command or script on many nodes and gives the result of each node
// as soon as it is there. A node that failed is a result; after the last result
// comes an *Error with Operation set if any node failed or was not tried. Leaving
// the loop early does not stop the run.
func (c *Client) Run(ctx context.Context, in api.RunCreate, opts ...Option) iter.Seq2[NodeResult, error] {
	return func(yield func(NodeResult, error) bool) {
		r, err := c.StartRun(ctx, in, opts...)
		if err != nil {
			yield(NodeResult{}, err)
			return
		}
		if r.Operation == nil { // a dry run
			return
		}
		for res, err := range c.Results(ctx, r.Operation.ID, nil) {
			if !yield(res, err) {
				return
			}
		}
	}
}

// Results gives the result of each node of a run, as Run does. progress, if not
// nil, is called with the state of the operation.
func (c *Client) Results(ctx context.Context, operation string, progress func(*api.Operation)) iter.Seq2[NodeResult, error] {
	return func(yield func(NodeResult, error) bool) {
		names, err := c.nodeNames(ctx)
		if err != nil {
			yield(NodeResult{}, err)
			return
		}
		seen := map[string]bool{}
		for {
			started := time.Now()
			op, err := c.Operations().Get(ctx, operation, Hold(watchedHold))
			if err != nil {
				yield(NodeResult{}, err)
				return
			}
			for j, err := range c.Jobs().All(ctx, ListOptions{Limit: 1000, Filter: []string{"operation=" + operation}}) {
				if err != nil {
					yield(NodeResult{}, err)
					return
				}
				if seen[j.ID] || !Final(j.State) {
					continue
				}
				seen[j.ID] = true
				if !yield(nodeResult(&j, names), nil) {
					return
				}
			}
			if progress != nil {
				progress(op)
			}
			if !op.Live() {
				if err := OperationError(op); err != nil {
					yield(NodeResult{}, err)
				}
				return
			}
			if err := pause(ctx, started); err != nil {
				yield(NodeResult{}, err)
				return
			}
		}
	}
}

func (c *Client) nodeNames(ctx context.Context) (map[string]string, error) {
	names := map[string]string{}
	for n, err := range c.Nodes().All(ctx, ListOptions{Limit: 1000}) {
		if err != nil {
			return nil, err
		}
		names[n.ID] = n.Name
	}
	return names, nil
}

func nodeResult(j *api.Job, names map[string]string) NodeResult {
	r := NodeResult{Node: names[j.TargetNodeID], State: j.State, Exit: j.ExitCode, Output: j.Output, Error: j.Error, Job: j.ID}
	if r.Node == "" {
		r.Node = j.TargetNodeID
	}
	return r
}
