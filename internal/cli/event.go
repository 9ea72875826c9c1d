package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"

	"github.com/spf13/cobra"

	"atoll/api"
	"atoll/client"
)

var events = &kind[api.Event]{
	noun: "event", level: inInstallation,
	reader:  func(c *client.Client) client.Reader[api.Event] { return c.Events().Reader },
	id:      func(e *api.Event) string { return e.ID },
	filters: []string{"cloudspace", "account"},
	columns: []column[api.Event]{
		{"SEQ", func(e *api.Event) string { return num(e.Seq) }},
		{"AT", func(e *api.Event) string { return clock(e.At) }},
		{"ACTION", func(e *api.Event) string { return e.Action }},
		{"OUTCOME", func(e *api.Event) string { return e.Outcome }},
		{"ACTOR", func(e *api.Event) string { return e.ActorName }},
		{"SUBJECT", eventSubject},
		{"MESSAGE", func(e *api.Event) string { return e.Message }},
	},
}

func eventSubject(e *api.Event) string {
	name := e.SubjectName
	if name == "" {
		name = e.SubjectID
	}
	return e.SubjectKind + " " + name
}

func (a *app) eventCommand() *cobra.Command {
	var follow, notices bool
	var feed client.Feed
	var of eventsOf
	list := listCommand(a, events, func(_ context.Context, _ *client.Client, o *client.ListOptions) error {
		var err error
		if o.In, err = of.query(o.In); err != nil {
			return err
		}
		if feed.Kind != "" {
			o.Filter = append(o.Filter, "kind="+feed.Kind)
		}
		return nil
	})
	stored := list.RunE
	list.RunE = func(cmd *cobra.Command, args []string) error {
		if !follow && notices {
			return usagef("--notices goes with --follow: notices are not stored")
		}
		if !follow {
			return stored(cmd, args)
		}
		feed.All = cmd.Flags().Changed("after")
		return a.command("", "", nil, func(ctx context.Context, c *client.Client, _ []string) error {
			return a.follow(ctx, c, feed, notices)
		}).RunE(cmd, args)
	}
	f := list.Flags()
	f.BoolVarP(&follow, "follow", "f", false, "print events as they happen, until interrupted")
	f.BoolVar(&notices, "notices", false, "with --follow: also changes of operations and jobs that are no events, such as progress")
	f.Int64Var(&feed.After, "after", 0, "with --follow: begin after the event with this number; 0 for all")
	f.StringVar(&feed.Kind, "kind", "", "only events about this kind, such as machine")
	for _, flag := range of.flags(list) {
		list.MarkFlagsMutuallyExclusive("follow", flag)
	}
	list.MarkFlagsMutuallyExclusive("follow", "filter")
	list.MarkFlagsMutuallyExclusive("follow", "sort")
	return a.noun("event", "What happened: changes, refusals, logins", list, a.eventVerify(), a.eventExport())
}

func (a *app) eventVerify() *cobra.Command {
	return a.command("verify", "Check that no event was changed, removed or put in", cobra.NoArgs, func(ctx context.Context, c *client.Client, _ []string) error {
		v, err := c.Events().Verify(ctx)
		if err != nil {
			return err
		}
		if err := printOne(a, v, v.Hash); err != nil {
			return err
		}
		if !v.OK {
			return fmt.Errorf("the audit log is broken at event %d: %s", v.Broken, v.Reason)
		}
		return nil
	})
}

func (a *app) follow(ctx context.Context, c *client.Client, feed client.Feed, notices bool) error {
	account, _, err := a.defaults()
	if err != nil {
		return err
	}
	if account != "" {
		if feed.Account, err = accountID(ctx, c, account); err != nil {
			return err
		}
	}
	if notices {
		return printEach(ctx, a, c.Events().Watch(ctx, feed), a.printMessage)
	}
	return printEach(ctx, a, c.Events().Follow(ctx, feed), a.printEvent)
}

// printEach prints what comes until the command is interrupted, which is how it
// ends.
func printEach[T any](ctx context.Context, a *app, list iter.Seq2[T, error], show func(T) error) error {
	for v, err := range list {
		if ctx.Err() != nil && a.timeout == 0 {
			return nil
		}
		if err != nil {
			return err
		}
		if err := show(v); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) printEvent(e api.Event) (err error) {
	switch a.output {
	case "json", "yaml":
		return a.printLine(e)
	case "name":
		_, err = fmt.Fprintln(a.Stdout, e.ID)
	default:
		_, err = fmt.Fprintf(a.Stdout, "%d  %s  %-20s  %-7s  %s  %s  %s\n", e.Seq, clock(e.At), e.Action, e.Outcome,
			cell(e.ActorName), cell(eventSubject(&e)), printable(e.Message))
	}
	return err
}

// printMessage prints an event or a notice; as data both with their type.
func (a *app) printMessage(m api.FeedMessage) (err error) {
	n := m.Notice
	switch {
	case a.output == "json" || a.output == "yaml":
		return a.printLine(m)
	case n == nil:
		return a.printEvent(*m.Event)
	case a.output == "name" && n.Many:
	case a.output == "name":
		_, err = fmt.Fprintln(a.Stdout, n.ID)
	case n.Many:
		_, err = fmt.Fprintf(a.Stdout, "-  many objects of the kind %s changed\n", n.Kind)
	case n.Progress != nil:
		_, err = fmt.Fprintf(a.Stdout, "-  %s %s  %s  %d %%  %s\n", n.Kind, n.ID, n.State, *n.Progress, printable(n.Message))
	default:
		_, err = fmt.Fprintf(a.Stdout, "-  %s %s  %s\n", n.Kind, n.ID, n.State)
	}
	return err
}

// printLine prints one object of a stream: a line of JSON, or a YAML document.
func (a *app) printLine(v any) error {
	if a.output == "yaml" {
		fmt.Fprintln(a.Stdout, "---")
		return a.printData(v)
	}
	return json.NewEncoder(a.Stdout).Encode(v)
}
