package cli

import (
	"context"
	"encoding/json"
	"fmt"

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
	var follow bool
	var feed client.Feed
	list := listCommand(a, events, func(_ context.Context, _ *client.Client, o *client.ListOptions) error {
		if feed.Kind != "" {
			o.Filter = append(o.Filter, "kind="+feed.Kind)
		}
		return nil
	})
	stored := list.RunE
	list.RunE = func(cmd *cobra.Command, args []string) error {
		if !follow {
			return stored(cmd, args)
		}
		feed.All = cmd.Flags().Changed("after")
		return a.command("", "", nil, func(ctx context.Context, c *client.Client, _ []string) error {
			return a.follow(ctx, c, feed)
		}).RunE(cmd, args)
	}
	f := list.Flags()
	f.BoolVarP(&follow, "follow", "f", false, "print events as they happen, until interrupted")
	f.Int64Var(&feed.After, "after", 0, "with --follow: begin after the event with this number; 0 for all")
	f.StringVar(&feed.Kind, "kind", "", "only events about this kind, such as machine")
	list.MarkFlagsMutuallyExclusive("follow", "filter")
	list.MarkFlagsMutuallyExclusive("follow", "sort")
	return a.noun("event", "What happened: changes, refusals, logins", list, a.eventVerify())
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

func (a *app) follow(ctx context.Context, c *client.Client, feed client.Feed) error {
	account, _, err := a.defaults()
	if err != nil {
		return err
	}
	if account != "" {
		if feed.Account, err = accountID(ctx, c, account); err != nil {
			return err
		}
	}
	for e, err := range c.Events().Follow(ctx, feed) {
		if ctx.Err() != nil && a.timeout == 0 {
			return nil // interrupted, which is how it ends
		}
		if err != nil {
			return err
		}
		switch a.output {
		case "json", "yaml":
			err = a.printLine(e)
		case "name":
			_, err = fmt.Fprintln(a.Stdout, e.ID)
		default:
			_, err = fmt.Fprintf(a.Stdout, "%d  %s  %-20s  %-7s  %s  %s  %s\n", e.Seq, clock(e.At), e.Action, e.Outcome,
				cell(e.ActorName), cell(eventSubject(&e)), printable(e.Message))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// printLine prints one object of a stream: a line of JSON, or a YAML document.
func (a *app) printLine(v any) error {
	if a.output == "yaml" {
		fmt.Fprintln(a.Stdout, "---")
		return a.printData(v)
	}
	return json.NewEncoder(a.Stdout).Encode(v)
}
