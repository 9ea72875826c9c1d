package cli

import (
	"github.com/spf13/cobra"

	"atoll/api"
	"atoll/client"
)

var leftovers = &kind[api.Leftover]{
	noun: "leftover", level: inInstallation,
	reader:  func(c *client.Client) client.Reader[api.Leftover] { return c.Leftovers().Reader },
	deleter: func(c *client.Client) client.Deleter[api.Leftover] { return c.Leftovers().Deleter },
	id:      func(v *api.Leftover) string { return v.ID },
	columns: []column[api.Leftover]{
		{"ID", func(v *api.Leftover) string { return v.ID }},
		{"NODE", func(v *api.Leftover) string { return v.NodeID }},
		{"KIND", func(v *api.Leftover) string { return v.Kind }},
		{"OBJECT", func(v *api.Leftover) string { return v.ObjectID }},
		{"REASON", func(v *api.Leftover) string { return v.Reason }},
		{"AGE", func(v *api.Leftover) string { return age(v.CreatedAt) }},
	},
}

func (a *app) leftoverCommand() *cobra.Command {
	return a.noun("leftover", "What could not be removed from nodes that were away", listCommand(a, leftovers, nil), showCommand(a, leftovers), deleteCommand(a, leftovers, nil))
}
