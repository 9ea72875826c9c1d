package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"atoll/api"
	"atoll/client"
)

var deployments = &kind[api.Deployment]{
	noun: "deployment", level: inProject,
	reader:  func(c *client.Client) client.Reader[api.Deployment] { return c.Deployments().Reader },
	deleter: func(c *client.Client) client.Deleter[api.Deployment] { return c.Deployments().Deleter },
	id:      func(d *api.Deployment) string { return d.ID },
	name:    func(d *api.Deployment) string { return d.Name },
	filters: []string{"project", "account"},
	columns: []column[api.Deployment]{
		{"NAME", func(d *api.Deployment) string { return d.Name }},
		{"STATE", func(d *api.Deployment) string { return d.State }},
		{"REASON", deploymentReason},
		{"LINKS", func(d *api.Deployment) string {
			var urls []string
			for _, l := range d.Links {
				urls = append(urls, l.URL)
			}
			return strings.Join(urls, " ")
		}},
		{"OWNER", func(d *api.Deployment) string { return d.Owner }},
		{"CHANGED", func(d *api.Deployment) string { return age(d.StatusAt) }},
		{"AGE", func(d *api.Deployment) string { return age(d.CreatedAt) }},
	},
}

// deploymentReason is why it is as it is, in few words.
func deploymentReason(d *api.Deployment) string {
	switch {
	case d.Action != "":
		return d.Action + " is under way"
	case d.Script != "":
		return fmt.Sprintf("%s (%s: %d)", d.Reason, d.Script, d.ExitCode)
	case d.CheckError != "":
		return d.CheckError
	}
	return d.Reason
}

func (a *app) deploymentCommand() *cobra.Command {
	var all string
	list := listCommand(a, deployments, func(_ context.Context, _ *client.Client, o *client.ListOptions) error {
		if all != "" {
			o.In = map[string]string{"search": all}
		}
		return nil
	})
	list.Flags().StringVar(&all, "search", "", "words that all must be found in name, owner, comment, labels or overrides; what fits best comes first")
	cmd := a.noun("deployment", "Running copies of a project's product",
		a.deploymentCreate(), a.deploymentApply(), list, showCommand(a, deployments), a.deploymentUpdate(), a.deploymentDiff(),
		a.deploymentVerb("archive", "Take deployments down and keep their data", words{"archiving", "archived"}, client.Deployments.Archive),
		a.deploymentVerb("restore", "Take archived deployments up again", words{"restoring", "restored"}, client.Deployments.Restore),
		a.deploymentVerb("touch", "Say that deployments are needed: their times to live begin anew", words{"touching", "touched"}, client.Deployments.Touch),
		a.deploymentCleanup(), a.deploymentDelete(), a.deploymentLogs(), a.deploymentName())
	cmd.PersistentFlags().StringVar(&a.project, "project", "", "project, by id or name; ATOLL_PROJECT or the only one if left out")
	return cmd
}

// deploymentCall is a call about one deployment.
type deploymentCall func(d client.Deployments, ctx context.Context, ref string, opts ...client.Option) (*client.Result[api.Deployment], error)

func (a *app) deploymentVerb(name, short string, w words, do deploymentCall) *cobra.Command {
	return completing(a, deployments, a.mutating(a.command(name+" NAME...", short, cobra.MinimumNArgs(1),
		func(ctx context.Context, c *client.Client, args []string) error {
			return verb(ctx, a, c, deployments, w, args, func(ref string, o ...client.Option) (*client.Result[api.Deployment], error) {
				return do(c.Deployments(), ctx, ref, o...)
			})
		})))
}

func (a *app) deploymentCleanup() *cobra.Command {
	var force bool
	cmd := a.deploymentVerb("cleanup", "Remove archived or failed deployments with their data", words{"cleaning up", "deleted"},
		func(d client.Deployments, ctx context.Context, ref string, opts ...client.Option) (*client.Result[api.Deployment], error) {
			if force {
				opts = append(opts, client.Force())
			}
			return d.Cleanup(ctx, ref, opts...)
		})
	cmd.Flags().BoolVar(&force, "force", false, "forget it without its control script: what there is of it stays")
	return cmd
}

func (a *app) deploymentDelete() *cobra.Command {
	var force bool
	cmd := deleteCommand(a, deployments, func() []client.Option {
		if force {
			return []client.Option{client.Force()}
		}
		return nil
	})
	cmd.Short = "Archive deployments and clean them up"
	cmd.Flags().BoolVar(&force, "force", false, "forget it without its control scripts: what there is of it stays")
	return cmd
}

// theProject is the project to work in, with the account in which its name is to be
// found.
func (a *app) theProject(ctx context.Context, c *client.Client) (account, project string, err error) {
	project = cmp.Or(a.project, a.Getenv("ATOLL_PROJECT"))
	switch {
	case isID(project):
		return "", project, nil
	case project != "":
		account, err = a.theAccount(ctx, c)
		return account, project, err
	}
	if account, _, err = a.defaults(); err != nil {
		return "", "", err
	}
	filter, err := ofAccount(ctx, c, account)
	if err != nil {
		return "", "", err
	}
	project, err = only(ctx, c.Projects().Reader, filter, "project", func(v *api.Project) string { return v.ID })
	return "", project, err
}

func (a *app) deploymentCreate() *cobra.Command {
	var f configFlags
	in := api.DeploymentCreate{}
	var ttl string
	cmd := a.command("create NAME", "Create a deployment", cobra.ExactArgs(1), func(ctx context.Context, c *client.Client, args []string) error {
		r, err := a.newDeployment(ctx, c, args[0], in, ttl, &f)
		return one(ctx, a, c, deployments, words{"creating", "created"}, args[0], r, err)
	})
	f.add(cmd, false)
	describeFlags(cmd, &in, &ttl)
	return a.mutating(cmd)
}

func describeFlags(cmd *cobra.Command, in *api.DeploymentCreate, ttl *string) {
	cmd.Flags().StringVar(&in.Comment, "comment", "", "what it is for")
	cmd.Flags().StringVar(ttl, "ttl", "", "archive it after so long, such as 72h; the project's default if left out, 0 for never")
	cmd.Flags().StringToStringVar(&in.Labels, "label", nil, "KEY=VALUE; repeatable")
}

func (a *app) newDeployment(ctx context.Context, c *client.Client, name string, in api.DeploymentCreate, ttl string, f *configFlags) (*client.Result[api.Deployment], error) {
	if len(f.unset)+len(f.unsetDeployment) > 0 {
		return nil, usagef("a new deployment has no overrides to unset; --delete takes a default away")
	}
	app, dep, err := f.read(a)
	if err != nil {
		return nil, err
	}
	if in.Account, in.Project, err = a.theProject(ctx, c); err != nil {
		return nil, err
	}
	in.Name, in.Application, in.Deployment = name, app, dep
	if ttl != "" {
		in.TTL = &ttl
	}
	return c.Deployments().Create(ctx, in, a.options()...)
}

func (a *app) deploymentUpdate() *cobra.Command {
	var in api.DeploymentUpdate
	var f configFlags
	var u updates
	cmd := updateCommand(a, deployments, &u, func(ctx context.Context, c *client.Client, ref string, o ...client.Option) (*client.Result[api.Deployment], error) {
		var err error
		if in.Application, in.Deployment, err = f.change(a); err != nil {
			return nil, err
		}
		return c.Deployments().Update(ctx, ref, in, o...)
	})
	f.add(cmd, true)
	for _, flag := range configFlagNames {
		u.add(flag, func() {})
	}
	u.text(cmd, &in.Comment, "comment", "what it is for")
	u.text(cmd, &in.Owner, "owner", "who answers for it: a user")
	u.text(cmd, &in.TTL, "ttl", "archive it after so long from now on, such as 72h; 0 for never")
	u.pairs(cmd, &in.Labels, "label", "KEY=VALUE, in the place of all labels; repeatable")
	return cmd
}

// deploymentApply is create or update, whichever it needs: for CI.
func (a *app) deploymentApply() *cobra.Command {
	var f configFlags
	in := api.DeploymentCreate{}
	var ttl string
	cmd := a.command("apply NAME", "Create a deployment, or update the one that there is", cobra.ExactArgs(1), func(ctx context.Context, c *client.Client, args []string) error {
		where, err := a.in(ctx, c, inProject, args[0])
		if err != nil {
			return err
		}
		old, err := c.Deployments().Get(ctx, args[0], where)
		if client.CodeOf(err) == client.NotFound {
			r, err := a.newDeployment(ctx, c, args[0], in, ttl, &f)
			return one(ctx, a, c, deployments, words{"creating", "created"}, args[0], r, err)
		}
		if err != nil {
			return err
		}
		if old.State == "Archived" && !a.dryRun {
			if err := a.restoreFirst(ctx, c, old); err != nil {
				return err
			}
		}
		r, err := a.applyTo(ctx, c, old, in, ttl, &f)
		return one(ctx, a, c, deployments, words{"updating", "updated"}, args[0], r, err)
	})
	f.add(cmd, true)
	describeFlags(cmd, &in, &ttl)
	return a.mutating(cmd)
}

// restoreFirst restores an archived deployment, and waits for that.
func (a *app) restoreFirst(ctx context.Context, c *client.Client, d *api.Deployment) error {
	r, err := c.Deployments().Restore(ctx, d.ID)
	if err == nil && r.Operation != nil {
		_, err = a.await(ctx, c, r.Operation.ID)
	}
	return err
}

func (a *app) applyTo(ctx context.Context, c *client.Client, old *api.Deployment, in api.DeploymentCreate, ttl string, f *configFlags) (*client.Result[api.Deployment], error) {
	var up api.DeploymentUpdate
	var err error
	if up.Application, up.Deployment, err = f.change(a); err != nil {
		return nil, err
	}
	if up.Application == nil && up.Deployment == nil { // run the update nevertheless: apply means that it is deployed
		up.Application = &api.ConfigUpdate{Replace: &old.Application}
	}
	if in.Comment != "" {
		up.Comment = &in.Comment
	}
	if in.Labels != nil {
		up.Labels = &in.Labels
	}
	if ttl != "" {
		up.TTL = &ttl
	}
	return c.Deployments().Update(ctx, old.ID, up, a.options()...)
}

// deploymentDiff shows what an update would change, without doing it.
func (a *app) deploymentDiff() *cobra.Command {
	var f configFlags
	cmd := a.command("diff NAME", "Show what an update would change of the effective configuration; exit code 1 if it would", cobra.ExactArgs(1), func(ctx context.Context, c *client.Client, args []string) error {
		where, err := a.in(ctx, c, inProject, args[0])
		if err != nil {
			return err
		}
		old, err := c.Deployments().Get(ctx, args[0], where)
		if err != nil {
			return err
		}
		a.dryRun = true
		r, err := a.applyTo(ctx, c, old, api.DeploymentCreate{}, "", &f)
		if err != nil {
			return err
		}
		if a.output == "json" || a.output == "yaml" {
			return a.printData(r.Plan)
		}
		a.printChanges(a.Stdout, r.Plan.Application, "")
		a.printChanges(a.Stdout, r.Plan.Deployment, "deployment: ")
		if len(r.Plan.Application)+len(r.Plan.Deployment) > 0 {
			return &runError{errors.New("the configuration would change")}
		}
		return nil
	})
	f.add(cmd, true)
	return completing(a, deployments, cmd)
}
