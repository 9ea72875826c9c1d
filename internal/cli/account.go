package cli

import (
	"context"

	"github.com/spf13/cobra"

	"atoll/api"
	"atoll/client"
)

var accounts = &kind[api.Account]{
	noun: "account", level: inInstallation,
	reader:  func(c *client.Client) client.Reader[api.Account] { return c.Accounts().Reader },
	deleter: func(c *client.Client) client.Deleter[api.Account] { return c.Accounts().Deleter },
	id:      func(v *api.Account) string { return v.ID },
	name:    func(v *api.Account) string { return v.Name },
	columns: []column[api.Account]{
		{"NAME", func(v *api.Account) string { return v.Name }},
		{"STATE", func(v *api.Account) string { return v.State }},
		{"DESCRIPTION", func(v *api.Account) string { return v.Description }},
		{"AGE", func(v *api.Account) string { return age(v.CreatedAt) }},
	},
}

func (a *app) accountCommand() *cobra.Command {
	var in api.AccountCreate
	var limits map[string]int64
	create := a.command("create NAME", "Create an account", cobra.ExactArgs(1), func(ctx context.Context, c *client.Client, args []string) error {
		in.Name, in.Limits = args[0], limits
		r, err := c.Accounts().Create(ctx, in, a.options()...)
		return one(ctx, a, c, accounts, words{"creating", "created"}, args[0], r, err)
	})
	create.Flags().StringVar(&in.Description, "description", "", "who it is")
	create.Flags().StringToInt64Var(&limits, "quota", nil, "limits such as vcpus=64,memory_mib=131072; what is left out has none")

	var up api.AccountUpdate
	var u updates
	update := updateCommand(a, accounts, &u, func(ctx context.Context, c *client.Client, ref string, o ...client.Option) (*client.Result[api.Account], error) {
		return c.Accounts().Update(ctx, ref, up, o...)
	})
	u.text(update, &up.Name, "name", "new name")
	u.text(update, &up.Description, "description", "who it is")
	u.text(update, &up.State, "state", "active or disabled")
	return a.noun("account", "Tenants",
		a.mutating(create), listCommand(a, accounts, nil), showCommand(a, accounts), update, deleteCommand(a, accounts, nil))
}
