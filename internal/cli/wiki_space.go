package cli

import (
	"context"

	"github.com/spf13/cobra"

	"atoll/api"
	"atoll/client"
)

var wikiSpaces = &kind[api.WikiSpace]{
	noun: "space", level: inWiki,
	reader:  func(c *client.Client) client.Reader[api.WikiSpace] { return c.WikiSpaces().Reader },
	deleter: func(c *client.Client) client.Deleter[api.WikiSpace] { return c.WikiSpaces().Deleter },
	id:      func(s *api.WikiSpace) string { return s.ID },
	name:    func(s *api.WikiSpace) string { return s.Name },
	filters: []string{"account", "project"},
	columns: []column[api.WikiSpace]{
		{"NAME", func(s *api.WikiSpace) string { return s.Name }},
		{"SCOPE", func(s *api.WikiSpace) string {
			switch {
			case s.ProjectID != "":
				return "project " + s.ProjectID
			case s.AccountID != "":
				return "account " + s.AccountID
			}
			return "installation"
		}},
		{"READERS", func(s *api.WikiSpace) string { return s.Readers }},
		{"PAGES", func(s *api.WikiSpace) string { return num(s.Pages) }},
		{"AGE", func(s *api.WikiSpace) string { return age(s.CreatedAt) }},
		{"TITLE", func(s *api.WikiSpace) string { return s.Title }},
	},
}

// wikiScope is where the name of a space is to be found: in the project of --project,
// in the account of --account or the context, else in the installation.
func (a *app) wikiScope() (account, project string, err error) {
	if a.installation {
		return "", "", nil
	}
	account, _, err = a.defaults()
	return account, a.project, err
}

func (a *app) wikiScopeFlags(cmd *cobra.Command) *cobra.Command {
	f := cmd.PersistentFlags()
	f.StringVar(&a.project, "project", "", "project that the space belongs to, by id or name")
	f.BoolVar(&a.installation, "installation", false, "the space is the installation's, whatever the context's account is")
	return cmd
}

func (a *app) wikiSpaceCommand() *cobra.Command {
	var in api.WikiSpaceCreate
	create := a.command("create NAME", "Create a space of pages", cobra.ExactArgs(1), func(ctx context.Context, c *client.Client, args []string) error {
		var err error
		if in.Account, in.Project, err = a.wikiScope(); err != nil {
			return err
		}
		in.Name = args[0]
		r, err := c.WikiSpaces().Create(ctx, in, a.options()...)
		return one(ctx, a, c, wikiSpaces, words{"creating", "created"}, args[0], r, err)
	})
	f := create.Flags()
	f.StringVar(&in.Title, "title", "", "its title; the name if left out")
	f.StringVar(&in.Description, "description", "", "what it is for")
	f.StringVar(&in.Readers, "readers", "", "who reads its pages: scope (who has a role there) or everyone")

	var change api.WikiSpaceUpdate
	var u updates
	update := updateCommand(a, wikiSpaces, &u, func(ctx context.Context, c *client.Client, ref string, o ...client.Option) (*client.Result[api.WikiSpace], error) {
		return c.WikiSpaces().Update(ctx, ref, change, o...)
	})
	u.text(update, &change.Name, "name", "new name")
	u.text(update, &change.Title, "title", "new title")
	u.text(update, &change.Description, "description", "what it is for")
	u.text(update, &change.Readers, "readers", "scope or everyone")

	var force bool
	remove := deleteCommand(a, wikiSpaces, func() []client.Option {
		if force {
			return []client.Option{client.Param("force", "true")}
		}
		return nil
	})
	remove.Flags().BoolVar(&force, "force", false, "with its pages")
	return a.wikiScopeFlags(a.noun("space", "Sets of pages, such as runbooks",
		a.mutating(create), listCommand(a, wikiSpaces, nil), showCommand(a, wikiSpaces), update, remove))
}
