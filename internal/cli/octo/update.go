package octo

import (
	"context"
	"errors"
	"net/http"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"atoll/internal/octopod"
)

// config are the flags of the values of one level.
type config struct {
	set, unset, remove []string
}

// settable adds the flags that set values.
func settable(cmd *cobra.Command, app, dep *config, tag *string) *cobra.Command {
	f := cmd.Flags()
	f.StringArrayVarP(&app.set, "set-app-config", "e", nil, "set application level override, KEY=VALUE; repeatable")
	f.StringArrayVarP(&dep.set, "set-deployment-config", "o", nil, "set deployment level override, KEY=VALUE; repeatable")
	f.StringVarP(tag, "tag", "t", "", "the same as -e image.tag=TAG")
	return cmd
}

// overrides are the values that the flags set, and the defaults that they delete.
func (c *config) overrides() (octopod.Overrides, error) {
	var out octopod.Overrides
	for _, text := range c.set {
		o, err := octopod.ParseKeyValue(text)
		if err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	for _, key := range c.remove {
		out = append(out, octopod.Override{Key: octopod.CleanKey(key), Deleted: true})
	}
	return out, nil
}

func (env Env) createCommand() *cobra.Command {
	var name, tag string
	var app, dep config
	cmd := env.command("create", "create a new deployment", func(ctx context.Context, c *octopod.Client) error {
		a, d, err := levels(&app, &dep, tag)
		if err != nil {
			return err
		}
		return c.Create(ctx, octopod.Deployment{Name: name, AppOverrides: a, DeploymentOverrides: d})
	})
	return deletable(settable(named(cmd, &name), &app, &dep, &tag), &app, &dep)
}

// levels are the overrides of both levels.
func levels(app, dep *config, tag string) (a, d octopod.Overrides, err error) {
	if tag != "" {
		app.set = append(app.set, "image.tag="+tag)
	}
	if a, err = app.overrides(); err == nil {
		d, err = dep.overrides()
	}
	return a, d, err
}

// deletable adds the flags that delete defaults.
func deletable(cmd *cobra.Command, app, dep *config) *cobra.Command {
	f := cmd.Flags()
	f.StringArrayVar(&app.remove, "delete-app-config", nil, "do without a default of the application level; repeatable")
	f.StringArrayVar(&dep.remove, "delete-deployment-config", nil, "do without a default of the deployment level; repeatable")
	return cmd
}

func (env Env) updateCommand() *cobra.Command {
	var name, tag string
	var app, dep config
	cmd := env.command("update", "update the deployment", func(ctx context.Context, c *octopod.Client) error {
		a, d, err := levels(&app, &dep, tag)
		if err != nil {
			return err
		}
		return update(ctx, c, name, func(u *octopod.Update) error {
			if u.AppOverrides, err = u.AppOverrides.Without(app.unset); err != nil {
				return err
			}
			if u.DeploymentOverrides, err = u.DeploymentOverrides.Without(dep.unset); err != nil {
				return err
			}
			u.AppOverrides, u.DeploymentOverrides = a.Over(u.AppOverrides), d.Over(u.DeploymentOverrides)
			return nil
		})
	})
	f := cmd.Flags()
	f.StringArrayVarP(&app.unset, "unset-app-env-override", "E", nil, "unset an application level override; repeatable")
	f.StringArrayVarP(&dep.unset, "unset-deployment-override", "O", nil, "unset a deployment level override; repeatable")
	f.SetNormalizeFunc(documented)
	return deletable(settable(named(cmd, &name), &app, &dep, &tag), &app, &dep)
}

// documented gives flags the names that they have, for those that the original's
// documentation has.
func documented(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	switch name {
	case "unset-app-env-configuration":
		name = "unset-app-env-override"
	case "unset-deployment-configuration":
		name = "unset-deployment-override"
	}
	return pflag.NormalizedName(name)
}

// updates is how often an update is made anew on what somebody else changed meanwhile.
const updates = 5

// update reads the deployment's overrides, edits them and writes them back. An API
// that knows versions takes them only if nobody else has changed the deployment.
func update(ctx context.Context, c *octopod.Client, name string, edit func(*octopod.Update) error) error {
	for try := 1; ; try++ {
		d, version, err := c.FullInfo(ctx, name)
		if err != nil {
			return err
		}
		u := octopod.Update{AppOverrides: d.Deployment.AppOverrides, DeploymentOverrides: d.Deployment.DeploymentOverrides}
		if err := edit(&u); err != nil {
			return err
		}
		err = c.Update(ctx, name, version, u)
		var refused *octopod.Error
		if !errors.As(err, &refused) || refused.Code != http.StatusPreconditionFailed || try == updates {
			return err
		}
	}
}
