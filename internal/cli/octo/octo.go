// Package octo is the command line of Octopod: the same commands, flags and
// environment, for scripts that know them. It talks to Atoll's Octopod API and to
// an installation of the original. docs/octopod.md lists what differs.
//
// It must never use another API, or decide what is allowed.
package octo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"atoll/internal/octopod"
)

// Env is what the commands get from their process.
type Env struct {
	Stdout, Stderr io.Writer
	Getenv         func(string) string
	Version        string
}

// New returns the root command.
func New(env Env) *cobra.Command {
	root := &cobra.Command{
		Use:   "octo",
		Short: "Octopod's command line, for staging deployments",
		Long: "Octopod's command line, for staging deployments.\n\n" +
			"OCTOPOD_URL is the API: https://atoll.example.com/octopod/PROJECT, or that of an Octopod server.\n" +
			"OCTO_AUTHORIZATION_HEADER is sent as the Authorization header: an API token of Atoll.\n" +
			"Exit codes: 0 ok, 1 any error.",
		Version: env.Version, Args: cobra.NoArgs,
		SilenceErrors: true, SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return fmt.Errorf("%s\nMissing: COMMAND", cmd.UsageString())
		},
	}
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	root.AddCommand(
		env.createCommand(), env.listCommand(), env.archiveCommand(), env.updateCommand(), env.infoCommand(),
		env.cleanupCommand(), env.restoreCommand(), env.logsCommand(), env.deleteCommand(),
	)
	return root
}

// Execute runs the command line and returns its exit code, which is that of the
// original: 1 for whatever went wrong.
func Execute(ctx context.Context, root *cobra.Command) int {
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(root.ErrOrStderr(), strings.TrimRight(err.Error(), "\n"))
		return 1
	}
	return 0
}

// EnvOfProcess is the surroundings of this process.
func EnvOfProcess(version string) Env {
	return Env{os.Stdout, os.Stderr, os.Getenv, version}
}

// action is what a command does, with the API at hand.
type action func(ctx context.Context, c *octopod.Client) error

// command makes a command that calls the API. The environment is looked at only when
// it runs, so that its help needs none.
func (env Env) command(use, short string, do action) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.NoArgs, DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			auth, url := env.Getenv("OCTO_AUTHORIZATION_HEADER"), env.Getenv("OCTOPOD_URL")
			if auth == "" {
				return errors.New("OCTO_AUTHORIZATION_HEADER is not set")
			}
			if url == "" {
				return errors.New("OCTOPOD_URL is not set")
			}
			c, err := octopod.NewClient(url, auth, "octo/"+env.Version)
			if err != nil {
				return err
			}
			return do(cmd.Context(), c)
		},
	}
}

// named adds the flag that all commands about one deployment have.
func named(cmd *cobra.Command, name *string) *cobra.Command {
	cmd.Flags().StringVarP(name, "name", "n", "", "deployment name")
	if err := cmd.MarkFlagRequired("name"); err != nil {
		panic(err) // the flag is there
	}
	return cmd
}

func (env Env) listCommand() *cobra.Command {
	return env.command("list", "get names all deployments", func(ctx context.Context, c *octopod.Client) error {
		list, err := c.List(ctx)
		for _, d := range list {
			fmt.Fprintln(env.Stdout, d.Deployment.Name)
		}
		return err
	})
}

func (env Env) archiveCommand() *cobra.Command {
	var name string
	return named(env.command("archive", "archive the deployment", func(ctx context.Context, c *octopod.Client) error {
		return c.Archive(ctx, name)
	}), &name)
}

func (env Env) restoreCommand() *cobra.Command {
	var name string
	return named(env.command("restore", "restore the deployment", func(ctx context.Context, c *octopod.Client) error {
		return c.Restore(ctx, name)
	}), &name)
}

func (env Env) cleanupCommand() *cobra.Command {
	var name string
	return named(env.command("cleanup", "cleanup the deployment", func(ctx context.Context, c *octopod.Client) error {
		return c.Cleanup(ctx, name)
	}), &name)
}

func (env Env) deleteCommand() *cobra.Command {
	var name string
	return named(env.command("delete", "delete the deployment without any cleanup", func(ctx context.Context, c *octopod.Client) error {
		return c.Delete(ctx, name)
	}), &name)
}
