package cli

import (
	"context"

	"github.com/spf13/cobra"

	"atoll/api"
	"atoll/client"
)

var foundColumns = []column[api.SearchHit]{
	{"KIND", func(f *api.SearchHit) string { return f.Kind }},
	{"NAME", func(f *api.SearchHit) string { return f.Name }},
	{"TITLE", func(f *api.SearchHit) string { return f.Title }},
	{"STATE", func(f *api.SearchHit) string { return f.State }},
	{"ACCOUNT", func(f *api.SearchHit) string { return f.Account }},
	{"IN", foundParent},
	{"ID", func(f *api.SearchHit) string { return f.ID }},
}

func foundParent(f *api.SearchHit) string {
	if f.Parent == "" {
		return ""
	}
	return f.ParentKind + " " + f.Parent
}

func (a *app) searchCommand() *cobra.Command {
	var kinds []string
	var limit int
	cmd := a.command("search TEXT", "Find objects of all kinds by a part of the name or title, or by id", cobra.ExactArgs(1), func(ctx context.Context, c *client.Client, args []string) error {
		r, err := c.Search(ctx, args[0], limit, kinds...)
		if err != nil {
			return err
		}
		if r.More {
			a.note("there is more: see --limit and --kind")
		}
		return printList(a, r.Items, foundColumns, func(f *api.SearchHit) string { return f.ID })
	})
	a.common(cmd)
	cmd.Flags().StringArrayVar(&kinds, "kind", nil, "only this kind, such as machine; repeatable")
	cmd.Flags().IntVar(&limit, "limit", 0, "how many of each kind, 8 if left out")
	return cmd
}
