package cli

import (
	"context"

	"github.com/spf13/cobra"

	"atoll/api"
	"atoll/client"
)

var locations = &kind[api.Location]{
	noun: "location", level: inInstallation,
	reader:  func(c *client.Client) client.Reader[api.Location] { return c.Locations().Reader },
	deleter: func(c *client.Client) client.Deleter[api.Location] { return c.Locations().Deleter },
	id:      func(l *api.Location) string { return l.ID },
	name:    func(l *api.Location) string { return l.Name },
	columns: []column[api.Location]{
		{"NAME", func(l *api.Location) string { return l.Name }},
		{"DESCRIPTION", func(l *api.Location) string { return l.Description }},
		{"AGE", func(l *api.Location) string { return age(l.CreatedAt) }},
	},
}

func (a *app) locationCommand() *cobra.Command {
	var in api.LocationCreate
	create := a.command("create NAME", "Add a location", cobra.ExactArgs(1), func(ctx context.Context, c *client.Client, args []string) error {
		in.Name = args[0]
		r, err := c.Locations().Create(ctx, in, a.options()...)
		return one(ctx, a, c, locations, words{"creating", "created"}, args[0], r, err)
	})
	create.Flags().StringVar(&in.Description, "description", "", "what it is")

	var up api.LocationUpdate
	var u updates
	update := updateCommand(a, locations, &u, func(ctx context.Context, c *client.Client, ref string, o ...client.Option) (*client.Result[api.Location], error) {
		return c.Locations().Update(ctx, ref, up, o...)
	})
	u.text(update, &up.Name, "name", "new name")
	u.text(update, &up.Description, "description", "what it is")
	return a.noun("location", "Sites of nodes",
		a.mutating(create), listCommand(a, locations, nil), showCommand(a, locations), update, deleteCommand(a, locations, nil))
}
