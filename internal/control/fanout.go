package control

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"atoll/internal/authz"
	"atoll/internal/cloud"
	"atoll/internal/op"
	"atoll/internal/store"
)

// Run is one command or script on many nodes: an operation with a job for each.
type Run struct {
	Command   []string        `json:"command,omitempty"`
	Script    string          `json:"script,omitempty"` // name or id
	Args      json.RawMessage `json:"args,omitempty"`
	Nodes     []string        `json:"-"` // names or ids
	Role      cloud.Role      `json:"-"`
	All       bool            `json:"-"`
	Location  string          `json:"-"`
	Batch     string          `json:"-"`          // how many at a time: a number or a percentage; "" for all
	StopAfter int64           `json:"stop_after"` // no new jobs after so many failures; 0 never stops
	TimeoutMS int64           `json:"timeout_ms"`

	ScriptID  cloud.ScriptID `json:"script_id,omitempty"`
	Targets   []runTarget    `json:"targets"`
	BatchSize int            `json:"batch_size"`
}

type runTarget struct {
	ID   cloud.NodeID `json:"id"`
	Name string       `json:"name"`
}

// StartRun starts the fan-out. It is for operators only.
func (c *Control) StartRun(ctx context.Context, r *Request, in Run) (*cloud.Operation, error) {
	var o *cloud.Operation
	err := c.change(ctx, r, "run", func(ch *change) error {
		if err := r.allow(authz.Execute, target{kind: cloud.KindNode, name: "of the installation"}); err != nil {
			return err
		}
		if err := ch.resolveRun(&in); err != nil {
			return err
		}
		input, err := json.Marshal(in)
		if err != nil {
			return err
		}
		name := strings.Join(in.Command, " ")
		if in.Script != "" {
			name = in.Script
		}
		for _, t := range in.Targets {
			ch.plan.Placement = append(ch.plan.Placement, cloud.Candidate{NodeID: t.ID, Node: t.Name, Chosen: true, Reason: "matches"})
		}
		o = &cloud.Operation{
			ID: cloud.NewID[cloud.OperationID](), Kind: "run", SubjectKind: cloud.KindInstallation, SubjectID: "run",
			SubjectName: firstRunes(name, 100), Input: input,
		}
		if err := ch.event("run", subject{kind: cloud.KindOperation, id: string(o.ID), name: o.SubjectName}, nil, nil); err != nil {
			return err
		}
		o, err = ch.start(o)
		return err
	})
	return o, err
}

func firstRunes(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n]) + "…"
	}
	return s
}

// resolveRun finds the nodes and the script.
func (ch *change) resolveRun(in *Run) error {
	if (len(in.Command) == 0) == (in.Script == "") {
		return cloud.FieldErrorf("command", "give either a command or a script")
	}
	if n := len(strings.Join(in.Command, " ")) + len(in.Args); n > cloud.MaxJobArgs {
		return cloud.FieldErrorf("args", "have %d bytes; at most %d are allowed", n, cloud.MaxJobArgs)
	}
	if in.Script != "" {
		sc, err := ch.r.scriptToRun(ch.Tx, "", in.Script, in.Args)
		if err != nil {
			return err
		}
		in.ScriptID = sc.ID
	}
	if in.TimeoutMS < 0 || in.StopAfter < 0 {
		return cloud.FieldErrorf("timeout_ms", "and stop_after must not be negative")
	}
	var err error
	if in.Targets, err = findTargets(ch.Tx, in); err != nil {
		return err
	}
	in.BatchSize, err = batchSize(in.Batch, len(in.Targets))
	return err
}

// findTargets are the nodes that the run names; offline ones take part and fail
// in time, so that the result shows them.
func findTargets(tx *store.Tx, in *Run) ([]runTarget, error) {
	nodes, err := allNodes(tx)
	if err != nil {
		return nil, err
	}
	var location cloud.LocationID
	if in.Location != "" {
		l, err := findLocation(tx, in.Location)
		if err != nil {
			return nil, err
		}
		location = l.ID
	}
	ways := 0
	for _, given := range []bool{len(in.Nodes) > 0, in.Role != "", in.All} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		return nil, cloud.FieldErrorf("node", "say where: exactly one of node, role and all")
	}
	wanted := map[string]bool{}
	for _, ref := range in.Nodes {
		wanted[ref] = true
	}
	var out []runTarget
	for i := range nodes {
		n := &nodes[i]
		hit := in.All || in.Role != "" && n.HasRole(in.Role) || wanted[n.Name] || wanted[string(n.ID)]
		delete(wanted, n.Name)
		delete(wanted, string(n.ID))
		if hit && (location == "" || n.LocationID == location) {
			out = append(out, runTarget{n.ID, n.Name})
		}
	}
	for ref := range wanted {
		return nil, cloud.FieldErrorf("node", "there is no node %s", ref)
	}
	if len(out) == 0 {
		return nil, cloud.FieldErrorf("node", "no node matches")
	}
	return out, nil
}

// batchSize reads "10", "10%" or "" for all.
func batchSize(text string, n int) (int, error) {
	if text == "" {
		return n, nil
	}
	var k int
	num, percent := strings.CutSuffix(text, "%")
	if _, err := fmt.Sscanf(num, "%d", &k); err != nil || k < 1 || fmt.Sprint(k) != num || percent && k > 100 {
		return 0, cloud.FieldErrorf("batch", "%q is no batch: give a number of nodes or a percentage such as 10%%", text)
	}
	if percent {
		k = max(1, n*k/100)
	}
	return min(k, n), nil
}

// runGrace is how long after its timeout the job of a node that does not answer
// is waited for.
const runGrace = time.Minute

func (c *Control) fanOut() op.Definition {
	return op.Definition{
		Kind: "run", Limit: cloud.MaxJobTimeout + time.Hour,
		Steps:   []op.Step{{Name: "run on the nodes", Do: c.fanOutStep}},
		Settled: countRun,
	}
}

// fanOutStep starts the jobs batch by batch and ends when all have ended.
func (c *Control) fanOutStep(s *op.Scope) error {
	var in Run
	if err := s.Input(&in); err != nil {
		return err
	}
	late, err := s.Tx.QueuedTooLong(s.Op.ID, runGrace)
	if err != nil {
		return err
	}
	for i := range late {
		if err := c.jobs.Cancel(s.Tx, late[i].ID, "the node did not take it in time"); err != nil {
			return err
		}
	}
	counts, err := s.Tx.CountJobsOf(s.Op.ID) // a job at a time would be too slow for ten thousand nodes
	if err != nil {
		return err
	}
	var next, live, failed int
	for state, n := range counts {
		next += n
		switch {
		case !state.Final():
			live += n
		case state != cloud.JobSucceeded:
			failed += n
		}
	}
	if in.StopAfter == 0 || int64(failed) < in.StopAfter {
		var add []*cloud.Job
		for ; next < len(in.Targets) && live < in.BatchSize; next++ {
			add = append(add, c.runJob(s.Op, &in, next))
			live++
		}
		if err := c.jobs.Add(s.Tx, add...); err != nil {
			return err
		}
	}
	ended := next - live
	s.Progress(int64(100*ended/len(in.Targets)), "%d of %d nodes done, %d failed", ended, len(in.Targets), failed)
	switch {
	case live > 0:
		return op.ErrWait
	case next < len(in.Targets):
		return cloud.Errorf(cloud.Conflict, "stopped after %d failures; %d nodes were not tried", failed, len(in.Targets)-next)
	case failed > 0:
		return cloud.Errorf(cloud.Conflict, "%d of %d nodes failed", failed, len(in.Targets))
	}
	return nil
}

// countRun leaves the final count as the operation's message, also when it
// failed or was canceled.
func countRun(s *op.Scope, cause *cloud.Error) error {
	if cause == nil {
		return nil
	}
	counts, err := s.Tx.CountJobsOf(s.Op.ID)
	if err != nil {
		return err
	}
	done, all := counts[cloud.JobSucceeded], 0
	for _, n := range counts {
		all += n
	}
	s.Progress(s.Op.Progress, "%d nodes succeeded, %d did not", done, all-done)
	return nil
}

func (c *Control) runJob(o *cloud.Operation, in *Run, i int) *cloud.Job {
	j := &cloud.Job{
		Action: cloud.ActionCommand, TargetNode: in.Targets[i].ID, TimeoutMS: in.TimeoutMS,
		SubjectKind: cloud.KindNode, SubjectID: string(in.Targets[i].ID), OperationID: o.ID, Step: "node " + in.Targets[i].Name,
		CreatedBy: o.CreatedBy,
	}
	if in.ScriptID != "" {
		j.Action, j.ScriptID, j.Args = cloud.ActionScript, in.ScriptID, in.Args
		return j
	}
	j.Args, _ = json.Marshal(map[string]any{"argv": in.Command}) // strings always have a JSON form
	return j
}
