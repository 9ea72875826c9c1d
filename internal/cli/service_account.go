package cli

import (
	"context"

	"github.com/spf13/cobra"

	"atoll/api"
	"atoll/client"
)

var serviceAccounts = &kind[api.ServiceAccount]{
	noun: "service-account", level: inAccount,
	reader:  func(c *client.Client) client.Reader[api.ServiceAccount] { return c.ServiceAccounts().Reader },
	deleter: func(c *client.Client) client.Deleter[api.ServiceAccount] { return c.ServiceAccounts().Deleter },
	id:      func(s *api.ServiceAccount) string { return s.ID },
	name:    func(s *api.ServiceAccount) string { return s.Name },
	filters: []string{"account"},
	columns: []column[api.ServiceAccount]{
		{"NAME", func(s *api.ServiceAccount) string { return s.Name }},
		{"ID", func(s *api.ServiceAccount) string { return s.ID }},
		{"FULL NAME", func(s *api.ServiceAccount) string { return s.FullName }},
		{"DISABLED", func(s *api.ServiceAccount) string { return yes(s.Disabled) }},
		{"AGE", func(s *api.ServiceAccount) string { return age(s.CreatedAt) }},
	},
}

func (a *app) serviceAccountCommand() *cobra.Command {
	var in api.ServiceAccountCreate
	create := a.command("create NAME", "Create a service account", cobra.ExactArgs(1), func(ctx context.Context, c *client.Client, args []string) error {
		var err error
		if in.Account, err = a.theAccount(ctx, c); err != nil {
			return err
		}
		in.Name = args[0]
		r, err := c.ServiceAccounts().Create(ctx, in, a.options()...)
		return one(ctx, a, c, serviceAccounts, words{"creating", "created"}, args[0], r, err)
	})
	create.Flags().StringVar(&in.FullName, "full-name", "", "what it is for")

	var up api.ServiceAccountUpdate
	var u updates
	update := updateCommand(a, serviceAccounts, &u, func(ctx context.Context, c *client.Client, ref string, o ...client.Option) (*client.Result[api.ServiceAccount], error) {
		return c.ServiceAccounts().Update(ctx, ref, up, o...)
	})
	u.text(update, &up.FullName, "full-name", "what it is for")
	u.bool(update, &up.Disabled, "disabled", "true refuses all its tokens")
	return a.noun("service-account", "Users for programs such as a CI",
		a.mutating(create), listCommand(a, serviceAccounts, nil), showCommand(a, serviceAccounts), update, deleteCommand(a, serviceAccounts, nil))
}
