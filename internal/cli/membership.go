package cli

import (
	"cmp"
	"context"

	"github.com/spf13/cobra"

	"atoll/api"
	"atoll/client"
)

var memberships = &kind[api.Membership]{
	noun: "membership", level: inInstallation,
	reader:  func(c *client.Client) client.Reader[api.Membership] { return c.Memberships().Reader },
	deleter: func(c *client.Client) client.Deleter[api.Membership] { return c.Memberships().Deleter },
	id:      func(m *api.Membership) string { return m.ID },
	filters: []string{"cloudspace", "account"},
	columns: []column[api.Membership]{
		{"ID", func(m *api.Membership) string { return m.ID }},
		{"USER", func(m *api.Membership) string { return cmp.Or(m.User, m.UserID) }},
		{"ROLE", func(m *api.Membership) string { return m.Role }},
		{"ON", func(m *api.Membership) string {
			switch {
			case m.ProjectID != "":
				return "project " + m.ProjectID
			case m.MachineID != "":
				return "machine " + m.MachineID
			case m.CloudspaceID != "":
				return "cloudspace " + m.CloudspaceID
			}
			return "account " + m.AccountID
		}},
	},
}

func (a *app) membershipCommand() *cobra.Command {
	var in api.MembershipCreate
	create := a.command("create --user USER --role ROLE", "Give a role on an account, or on --cloudspace, --machine or --project", cobra.NoArgs, func(ctx context.Context, c *client.Client, _ []string) error {
		var err error
		switch {
		case isID(in.Machine), isID(in.Project):
		case in.Project != "":
			in.Account, err = a.theAccount(ctx, c)
		case in.Machine != "":
			in.Account, in.Cloudspace, err = a.theCloudspace(ctx, c)
		case isID(a.cloudspace):
			in.Cloudspace = a.cloudspace
		default: // a cloudspace only if it is named here: the context's must not narrow a role unseen
			in.Cloudspace = a.cloudspace
			in.Account, err = a.theAccount(ctx, c)
		}
		if err != nil {
			return err
		}
		r, err := c.Memberships().Create(ctx, in, a.options()...)
		return one(ctx, a, c, memberships, words{"creating", "created"}, "", r, err)
	})
	f := create.Flags()
	f.StringVar(&in.User, "user", "", "who: a user, by id or name")
	f.StringVar(&in.ServiceAccount, "service-account", "", "who: a service account, by id or name")
	f.StringVar(&in.Role, "role", "", "admin, writer or reader")
	f.StringVar(&in.Machine, "machine", "", "on this machine only, by id or name")
	f.StringVar(&in.Project, "project", "", "on this project only, by id or name")
	create.MarkFlagsMutuallyExclusive("machine", "project")
	must(create.MarkFlagRequired("role"))
	create.MarkFlagsOneRequired("user", "service-account")
	create.MarkFlagsMutuallyExclusive("user", "service-account")
	completeFlag(a, users, create, "user")

	var up api.MembershipUpdate
	var role *string
	var u updates
	update := updateCommand(a, memberships, &u, func(ctx context.Context, c *client.Client, ref string, o ...client.Option) (*client.Result[api.Membership], error) {
		up.Role = *role
		return c.Memberships().Update(ctx, ref, up, o...)
	})
	u.text(update, &role, "role", "admin, writer or reader")
	return a.noun("membership", "Who has which role where",
		a.mutating(create), listCommand(a, memberships, nil), showCommand(a, memberships), update, deleteCommand(a, memberships, nil))
}
