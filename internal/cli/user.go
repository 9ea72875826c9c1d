package cli

import (
	"context"

	"github.com/spf13/cobra"

	"atoll/api"
	"atoll/client"
)

var users = &kind[api.User]{
	noun: "user", level: inInstallation,
	reader:  func(c *client.Client) client.Reader[api.User] { return c.Users().Reader },
	deleter: func(c *client.Client) client.Deleter[api.User] { return c.Users().Deleter },
	id:      func(u *api.User) string { return u.ID },
	name:    func(u *api.User) string { return u.Name },
	columns: []column[api.User]{
		{"NAME", func(u *api.User) string { return u.Name }},
		{"FULL NAME", func(u *api.User) string { return u.FullName }},
		{"EMAIL", func(u *api.User) string { return u.Email }},
		{"ROLE", func(u *api.User) string { return u.Role }},
		{"DISABLED", func(u *api.User) string { return yes(u.Disabled) }},
		{"2ND FACTOR", func(u *api.User) string { return yes(u.TwoFactor) }},
		{"LAST LOGIN", func(u *api.User) string { return clock(u.LastLoginAt) }},
	},
}

func (a *app) userCommand() *cobra.Command {
	var in api.UserCreate
	create := a.command("create NAME", "Create a user and print the link that sets the password", cobra.ExactArgs(1), func(ctx context.Context, c *client.Client, args []string) error {
		in.Name = args[0]
		r, err := c.Users().Create(ctx, in, a.options()...)
		if err != nil {
			return err
		}
		if r.Object == nil {
			return finish(ctx, a, c, users, words{}, change[api.User]{args[0], &client.Result[api.User]{Plan: r.Plan}})
		}
		return a.printSecret(r.Object, r.Object.Name, r.Object.SetupURL, "user %s created; with this link, shown only now, a password can be set once:", r.Object.Name)
	})
	f := create.Flags()
	f.StringVar(&in.Email, "email", "", "mail address")
	f.StringVar(&in.FullName, "full-name", "", "name of the person")
	f.StringVar(&in.Role, "role", "", "role in the installation: admin, operator, support or billing; most have none")

	var up api.UserUpdate
	var u updates
	update := updateCommand(a, users, &u, func(ctx context.Context, c *client.Client, ref string, o ...client.Option) (*client.Result[api.User], error) {
		return c.Users().Update(ctx, ref, up, o...)
	})
	u.text(update, &up.Name, "name", "login name; for operators")
	u.text(update, &up.Email, "email", "mail address")
	u.text(update, &up.FullName, "full-name", "name of the person")
	u.text(update, &up.Role, "role", "role in the installation: admin, operator, support, billing or none with ''")
	u.bool(update, &up.Disabled, "disabled", "true ends all sessions and refuses all tokens")
	return a.noun("user", "People",
		a.mutating(create), listCommand(a, users, nil), showCommand(a, users), update, deleteCommand(a, users, nil), a.passwordCommand(), a.setupLinkCommand(), a.totpCommand(), a.unlinkCommand())
}

func (a *app) setupLinkCommand() *cobra.Command {
	return completing(a, users, a.command("setup-link NAME", "Make a link with which the user sets a password, once", cobra.ExactArgs(1), func(ctx context.Context, c *client.Client, args []string) error {
		link, err := c.Users().SetupLink(ctx, args[0])
		if err != nil {
			return err
		}
		return a.printSecret(link, args[0], link.SetupURL, "with this link, shown only now, %s can set a password once:", args[0])
	}))
}

func (a *app) passwordCommand() *cobra.Command {
	var stdin bool
	cmd := a.command("password [NAME]", "Set a password, your own if no name is given", cobra.MaximumNArgs(1), func(ctx context.Context, c *client.Client, args []string) error {
		me, err := c.Me(ctx)
		if err != nil {
			return err
		}
		name, in := me.User.Name, api.PasswordSet{}
		if len(args) == 1 {
			name = args[0]
		}
		own := name == me.User.Name || name == me.User.ID
		if own && me.User.HasPassword {
			if in.OldPassword, err = a.secret("Present password: ", stdin); err != nil {
				return err
			}
		}
		if in.Password, err = a.secret("New password of "+name+": ", stdin); err != nil {
			return err
		}
		if !stdin {
			again, err := a.secret("The same again: ", stdin)
			if err != nil {
				return err
			}
			if again != in.Password {
				return usagef("the two are not the same; nothing was changed")
			}
		}
		if own && !me.User.HasPassword {
			err = a.firstPassword(ctx, c, name, in.Password)
		} else {
			err = c.Users().SetPassword(ctx, name, in, a.options()...)
		}
		if err == nil && !a.dryRun {
			a.note("password of %s set", name)
		}
		return err
	})
	cmd.Flags().BoolVar(&stdin, "stdin", false, "read passwords from standard input, one a line: your present one if it is your own, then the new one")
	return completing(a, users, a.mutating(cmd))
}

// firstPassword sets one's own first password, by a set-up link: there is no old
// one to show.
func (a *app) firstPassword(ctx context.Context, c *client.Client, name, password string) error {
	if a.dryRun {
		return a.printPlan(&api.Plan{Action: "user.password"})
	}
	link, err := c.Users().SetupLink(ctx, name)
	if err != nil {
		return err
	}
	return c.Setup(ctx, api.Setup{Secret: link.SetupSecret, Password: password})
}
