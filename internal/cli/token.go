package cli

import (
	"context"

	"github.com/spf13/cobra"

	"atoll/api"
	"atoll/client"
)

var tokens = &kind[api.Token]{
	noun: "token", level: inInstallation,
	reader:  func(c *client.Client) client.Reader[api.Token] { return c.Tokens().Reader },
	deleter: func(c *client.Client) client.Deleter[api.Token] { return c.Tokens().Deleter },
	id:      func(t *api.Token) string { return t.ID },
	name:    func(t *api.Token) string { return t.Name },
	columns: []column[api.Token]{
		{"NAME", func(t *api.Token) string { return t.Name }},
		{"SCOPE", func(t *api.Token) string { return t.Scope }},
		{"ACCOUNT", func(t *api.Token) string { return t.AccountID }},
		{"EXPIRES", func(t *api.Token) string { return clock(t.ExpiresAt) }},
		{"LAST USED", func(t *api.Token) string { return clock(t.LastUsedAt) }},
	},
}

func (a *app) tokenCommand() *cobra.Command {
	var in api.TokenCreate
	create := a.command("create NAME", "Make a token; it is shown once", cobra.ExactArgs(1), func(ctx context.Context, c *client.Client, args []string) error {
		in.Name, in.Account = args[0], a.account
		r, err := c.Tokens().Create(ctx, in, a.options()...)
		if err != nil {
			return err
		}
		if r.Object == nil {
			return finish(ctx, a, c, tokens, words{}, change[api.Token]{args[0], &client.Result[api.Token]{Plan: r.Plan}})
		}
		return a.printSecret(r.Object, r.Object.Name, r.Object.Secret, "token %s, for ATOLL_TOKEN; it is shown only now:", r.Object.Name)
	})
	f := create.Flags()
	f.StringVar(&in.Scope, "scope", "full", "full or read")
	f.StringVar(&in.TTL, "ttl", "", "how long it holds, such as 720h; for ever if left out")
	f.StringVar(&in.User, "user", "", "whose it is: a service account's id; yours if left out")
	return a.noun("token", "API tokens",
		a.mutating(create), listCommand(a, tokens, nil), showCommand(a, tokens), deleteCommand(a, tokens, nil))
}
