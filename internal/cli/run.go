package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"atoll/api"
	"atoll/client"
)

var resultColumns = []column[client.NodeResult]{
	{"NODE", func(r *client.NodeResult) string { return r.Node }},
	{"STATE", func(r *client.NodeResult) string { return r.State }},
	{"EXIT", exitText},
	{"OUTPUT", outputText},
}

// exitText is the exit code, if there was a process that ended by itself.
func exitText(r *client.NodeResult) string {
	if r.State == "succeeded" || r.State == "failed" && r.Exit != 0 {
		return num(r.Exit)
	}
	return ""
}

func outputText(r *client.NodeResult) string {
	if r.State == "succeeded" {
		return firstLine(r.Output)
	}
	return cmp.Or(firstLine(r.Output), firstLine(r.Error))
}

// runCommand is a fan-out. Its --timeout is that of each job.
func (a *app) runCommand() *cobra.Command {
	var in runInput
	cmd := a.command("run (--node NODE | --role ROLE | --all) -- COMMAND...", "Run a command on nodes", cobra.MinimumNArgs(1), func(ctx context.Context, c *client.Client, args []string) error {
		in.Command = args
		return a.fanOut(ctx, c, in)
	})
	cmd.Flags().SetInterspersed(false) // what follows the command is the command's
	a.common(cmd)
	return a.runFlags(cmd, &in)
}

// runInput is what a run is made from, and whether its results are wanted here.
type runInput struct {
	api.RunCreate
	timeout time.Duration
	wait    bool
}

func (a *app) runFlags(cmd *cobra.Command, in *runInput) *cobra.Command {
	f := cmd.Flags()
	f.StringSliceVar(&in.Nodes, "node", nil, "on this node, by id or name; repeatable")
	f.StringVar(&in.Role, "role", "", "on each node with the role")
	f.BoolVar(&in.All, "all", false, "on each node")
	f.StringVar(&in.Location, "location", "", "only on nodes of this location, by id or name")
	f.StringVar(&in.Batch, "batch", "", "how many at a time, a number or a percentage such as 10%; all if left out")
	f.Int64Var(&in.StopAfter, "stop-after", 0, "begin no more after so many failures")
	f.DurationVar(&in.timeout, "timeout", 0, "of each node's job; 10m if left out")
	cmd.MarkFlagsOneRequired("node", "role", "all")
	cmd.MarkFlagsMutuallyExclusive("node", "role", "all")
	completeFlag(a, nodes, cmd, "node")
	completeFlag(a, locations, cmd, "location")
	f.BoolVar(&a.dryRun, "dry-run", false, "print what would be done, and change nothing")
	f.BoolVar(&in.wait, "wait", true, "wait for the results; --wait=false prints the operation")
	return cmd
}

func (a *app) fanOut(ctx context.Context, c *client.Client, in runInput) error {
	if in.timeout > 0 {
		in.Timeout = in.timeout.String()
	}
	r, err := c.StartRun(ctx, in.RunCreate, a.options()...)
	if err != nil {
		return err
	}
	if r.Plan != nil || !in.wait {
		return finish(ctx, a, c, operations, words{"running", "started"}, change[api.Operation]{"", r})
	}
	op := r.Operation.ID
	show := a.progressOf()
	results := c.Results(ctx, op, show)
	if terminal(a.Stdout) && a.output == "" {
		err = a.liveTable(results, show != nil)
	} else {
		err = a.resultTable(results)
	}
	if show != nil {
		a.status("")
	}
	var failed *client.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &failed) && failed.Operation != "":
		return &runError{err}
	}
	return &waitError{op, err}
}

// progressOf shows an operation's progress if there is a terminal to show it on.
func (a *app) progressOf() func(*api.Operation) {
	if !terminal(a.Stderr) {
		return nil
	}
	return func(o *api.Operation) { a.status(progressText(o)) }
}

// resultTable prints all results when the last is there, by node.
func (a *app) resultTable(results iter.Seq2[client.NodeResult, error]) error {
	var rows []client.NodeResult
	var failure error
	for r, err := range results {
		if err != nil {
			failure = err
			break
		}
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(x, y client.NodeResult) int { return natural(x.Node, y.Node) })
	return errors.Join(failure, printList(a, rows, resultColumns, func(r *client.NodeResult) string { return r.Node }))
}

// liveTable prints each result as soon as it is there, above the progress.
func (a *app) liveTable(results iter.Seq2[client.NodeResult, error], status bool) error {
	const row = "%-24s  %-10s  %-4s  %s\n"
	fmt.Fprintf(a.Stdout, row, "NODE", "STATE", "EXIT", "OUTPUT")
	room := max(20, a.width()-45)
	for r, err := range results {
		if err != nil {
			return err
		}
		if status {
			a.status("")
		}
		out := []rune(cell(outputText(&r)))
		if len(out) > room {
			out = append(out[:room-1], '…')
		}
		fmt.Fprintf(a.Stdout, row, r.Node, r.State, cell(exitText(&r)), string(out))
	}
	return nil
}

// natural orders names so that node-9 is before node-10.
func natural(x, y string) int {
	for x != "" && y != "" {
		nx, dx := digits(x)
		ny, dy := digits(y)
		if dx > 0 && dy > 0 {
			if c := cmp.Compare(nx, ny); c != 0 {
				return c
			}
			x, y = x[dx:], y[dy:]
			continue
		}
		if x[0] != y[0] {
			return cmp.Compare(x[0], y[0])
		}
		x, y = x[1:], y[1:]
	}
	return cmp.Compare(len(x), len(y))
}

// digits reads the number at the beginning and its length.
func digits(s string) (n uint64, length int) {
	for length < len(s) && length < 18 && s[length] >= '0' && s[length] <= '9' {
		length++
	}
	if length > 0 {
		n, _ = strconv.ParseUint(s[:length], 10, 64) // at most 18 digits fit
	}
	return n, length
}
