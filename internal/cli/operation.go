package cli

import (
	"context"

	"github.com/spf13/cobra"

	"atoll/api"
	"atoll/client"
)

var operations = &kind[api.Operation]{
	noun: "operation", level: inInstallation,
	reader:  func(c *client.Client) client.Reader[api.Operation] { return c.Operations().Reader },
	id:      func(o *api.Operation) string { return o.ID },
	filters: []string{"cloudspace", "account"},
	columns: []column[api.Operation]{
		{"ID", func(o *api.Operation) string { return o.ID }},
		{"KIND", func(o *api.Operation) string { return o.Kind }},
		{"SUBJECT", func(o *api.Operation) string { return o.SubjectName }},
		{"STATE", func(o *api.Operation) string { return o.State }},
		{"PROGRESS", func(o *api.Operation) string { return num(o.Progress) + "%" }},
		{"STEP", func(o *api.Operation) string { return o.StepName }},
		{"AGE", func(o *api.Operation) string { return age(o.CreatedAt) }},
		{"MESSAGE", func(o *api.Operation) string {
			if o.Error != "" {
				return o.Error
			}
			return o.Message
		}},
	},
}

func (a *app) operationCommand() *cobra.Command {
	return a.noun("operation", "Changes that go on or have ended",
		listCommand(a, operations, nil), a.operationShow(),
		a.operationVerb("cancel", "Ask operations to end and to undo what they did", words{"canceling", "asked to cancel"}, client.Operations.Cancel),
		a.operationVerb("retry", "Start failed operations again", words{"running", "retried"}, client.Operations.Retry))
}

// operationShow also waits, for those who did not at the beginning.
func (a *app) operationShow() *cobra.Command {
	cmd := a.command("show ID", "Show an operation", cobra.ExactArgs(1), func(ctx context.Context, c *client.Client, args []string) error {
		if a.wait {
			if op, err := a.await(ctx, c, args[0]); op == nil { // one that failed is shown too
				return err
			}
		}
		o, err := c.Operations().Get(ctx, args[0])
		if err != nil {
			return err
		}
		if err := printOne(a, o, o.ID); err != nil {
			return err
		}
		if a.wait {
			return client.OperationError(o)
		}
		return nil
	})
	cmd.Flags().BoolVar(&a.wait, "wait", false, "wait until it has ended; fail if it did")
	return completing(a, operations, cmd)
}

func (a *app) operationVerb(name, short string, w words, do func(client.Operations, context.Context, string, ...client.Option) (*client.Result[api.Operation], error)) *cobra.Command {
	return completing(a, operations, a.mutating(a.command(name+" ID...", short, cobra.MinimumNArgs(1), func(ctx context.Context, c *client.Client, args []string) error {
		return verb(ctx, a, c, operations, w, args, func(ref string, o ...client.Option) (*client.Result[api.Operation], error) {
			return do(c.Operations(), ctx, ref, o...)
		})
	})))
}
