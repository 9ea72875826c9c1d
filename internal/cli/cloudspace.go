package cli

import (
	"context"

	"github.com/spf13/cobra"

	"atoll/api"
	"atoll/client"
)

var cloudspaces = &kind[api.Cloudspace]{
	noun: "cloudspace", level: inAccount,
	reader:  func(c *client.Client) client.Reader[api.Cloudspace] { return c.Cloudspaces().Reader },
	deleter: func(c *client.Client) client.Deleter[api.Cloudspace] { return c.Cloudspaces().Deleter },
	id:      func(v *api.Cloudspace) string { return v.ID },
	name:    func(v *api.Cloudspace) string { return v.Name },
	filters: []string{"account"},
	columns: []column[api.Cloudspace]{
		{"NAME", func(v *api.Cloudspace) string { return v.Name }},
		{"STATE", func(v *api.Cloudspace) string { return v.State }},
		{"NETWORK", func(v *api.Cloudspace) string { return v.Network }},
		{"ACCOUNT", func(v *api.Cloudspace) string { return v.AccountID }},
		{"AGE", func(v *api.Cloudspace) string { return age(v.CreatedAt) }},
		{"REASON", func(v *api.Cloudspace) string { return v.Reason }},
	},
}

func (a *app) cloudspaceCommand() *cobra.Command {
	var in api.CloudspaceCreate
	create := a.command("create NAME", "Create a cloudspace", cobra.ExactArgs(1), func(ctx context.Context, c *client.Client, args []string) error {
		var err error
		if in.Account, err = a.theAccount(ctx, c); err != nil {
			return err
		}
		in.Name = args[0]
		r, err := c.Cloudspaces().Create(ctx, in, a.options()...)
		return one(ctx, a, c, cloudspaces, words{"creating", "created"}, args[0], r, err)
	})
	create.Flags().StringVar(&in.Location, "location", "", "where; may be left out if there is one location")
	create.Flags().StringVar(&in.Network, "network", "", "private IPv4 network such as 192.168.103.0/24")
	completeFlag(a, locations, create, "location")

	var up api.CloudspaceUpdate
	var u updates
	update := updateCommand(a, cloudspaces, &u, func(ctx context.Context, c *client.Client, ref string, o ...client.Option) (*client.Result[api.Cloudspace], error) {
		return c.Cloudspaces().Update(ctx, ref, up, o...)
	})
	u.text(update, &up.Name, "name", "new name")
	return a.noun("cloudspace", "Private networks with their machines",
		a.mutating(create), listCommand(a, cloudspaces, nil), showCommand(a, cloudspaces), update, deleteCommand(a, cloudspaces, nil))
}
