package cli

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"atoll/api"
	"atoll/client"
)

var projects = &kind[api.Project]{
	noun: "project", level: inAccount,
	reader:  func(c *client.Client) client.Reader[api.Project] { return c.Projects().Reader },
	deleter: func(c *client.Client) client.Deleter[api.Project] { return c.Projects().Deleter },
	id:      func(p *api.Project) string { return p.ID },
	name:    func(p *api.Project) string { return p.Name },
	filters: []string{"account"},
	columns: []column[api.Project]{
		{"NAME", func(p *api.Project) string { return p.Name }},
		{"BASE DOMAIN", func(p *api.Project) string { return p.BaseDomain }},
		{"NAMESPACE", func(p *api.Project) string { return p.Namespace }},
		{"SCRIPTS", func(p *api.Project) string { return p.Folder + p.BundleID }},
		{"RUNNER", func(p *api.Project) string { return p.Role }},
		{"AGE", func(p *api.Project) string { return age(p.CreatedAt) }},
	},
}

func (a *app) projectCommand() *cobra.Command {
	var in api.ProjectCreate
	var u updates
	create := a.command("create NAME --base-domain DOMAIN", "Create a project", cobra.ExactArgs(1), func(ctx context.Context, c *client.Client, args []string) error {
		if err := u.set(); err != nil {
			return err
		}
		var err error
		if in.Account, err = a.theAccount(ctx, c); err != nil {
			return err
		}
		in.Name = &args[0]
		r, err := c.Projects().Create(ctx, in, a.options()...)
		return one(ctx, a, c, projects, words{"creating", "created"}, args[0], r, err)
	})
	u.cmd = create
	projectFlags(&u, create, &in.ProjectUpdate)
	must(create.MarkFlagRequired("base-domain"))

	var change api.ProjectUpdate
	var up updates
	update := updateCommand(a, projects, &up, func(ctx context.Context, c *client.Client, ref string, o ...client.Option) (*client.Result[api.Project], error) {
		return c.Projects().Update(ctx, ref, change, o...)
	})
	up.text(update, &change.Name, "name", "new name")
	projectFlags(&up, update, &change)
	return a.noun("project", "Products of which there are staging deployments",
		a.mutating(create), listCommand(a, projects, nil), showCommand(a, projects), update, deleteCommand(a, projects, nil), a.projectImport())
}

// projectFlags adds the flags of what people set of a project.
func projectFlags(u *updates, cmd *cobra.Command, in *api.ProjectUpdate) {
	u.text(cmd, &in.Description, "description", "what it is for")
	u.text(cmd, &in.BaseDomain, "base-domain", "deployments are reached below it, such as staging.example.com")
	u.text(cmd, &in.Namespace, "namespace", "what its control scripts work in; the project's name if left out")
	u.text(cmd, &in.Folder, "folder", "where its control scripts are on each runner: an absolute path")
	u.text(cmd, &in.Role, "role", "role of the nodes that run its control scripts; runner if left out")
	u.pairs(cmd, &in.Labels, "label", "KEY=VALUE that these nodes must have; repeatable")
	u.text(cmd, &in.ScriptTimeout, "script-timeout", "how long one control script may run; 30m if left out")
	u.text(cmd, &in.CheckTimeout, "check-timeout", "how long one check may run; 30s if left out")
	u.text(cmd, &in.StatusInterval, "status-interval", "how often each deployment is checked; 15s if left out")
	u.text(cmd, &in.StatusTimeout, "status-timeout", "how long a new deployment has until its check must be good; 10m if left out")
	u.text(cmd, &in.ArchiveRetention, "archive-retention", "archived deployments are cleaned up after it; 336h if left out, 0 for ever")
	u.text(cmd, &in.History, "history", "how long the log of deployments that are gone is kept; 2160h if left out, 0 for ever")
	u.text(cmd, &in.DefaultTTL, "default-ttl", "deployments without a time to live of their own are archived after it; 0 for ever")
	u.text(cmd, &in.IdleTTL, "idle-ttl", "deployments are archived so long after their last use; only with the bundle builtin:process; 0 for ever")
	u.number(cmd, &in.DiskMiB, "disk-mib", "how much the project may hold on each runner; 0 for no limit")
	var secrets *map[string]string
	u.pairs(cmd, &secrets, "secret", "NAME=VALUE that the control scripts find in their environment; without a value it is removed; repeatable")
	u.add("secret", func() { in.Secrets = *secrets })
}

// pairs adds a repeatable flag of KEY=VALUE.
func (u *updates) pairs(cmd *cobra.Command, to **map[string]string, flag, usage string) {
	v := &pairsValue{}
	cmd.Flags().Var(v, flag, usage)
	u.add(flag, func() { *to = &v.m })
}

// pairsValue is a flag whose value is KEY=VALUE, split at the first =.
type pairsValue struct{ m map[string]string }

func (p *pairsValue) String() string { return "" }
func (p *pairsValue) Type() string   { return "stringArray" }

func (p *pairsValue) Set(text string) error {
	k, v, ok := strings.Cut(text, "=")
	if !ok || k == "" {
		return errors.New("write KEY=VALUE")
	}
	if p.m == nil {
		p.m = map[string]string{}
	}
	p.m[k] = v
	return nil
}
