// Command atoll is the whole product in one program: the controller (`atoll up`,
// `atoll server`), the agent of a node (`atoll agent`), simulated nodes
// (`atoll sim`), and the command line for people.
//
// It only wires the packages together and must never hold a rule of its own.
package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"atoll/client"
	"atoll/internal/cli"
	"atoll/internal/cli/octo"
	"atoll/internal/cloud"
)

// version is set by the build: -ldflags "-X main.version=…".
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	if args, yes := octoArgs(os.Args); yes {
		os.Exit(runOcto(ctx, args))
	}
	root := cli.New(cli.Env{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Version: version,
	})
	root.AddCommand(coded(upCommand()), coded(serverCommand()), coded(agentCommand()), coded(simCommand()))
	root.AddCommand(octo.New(octo.EnvOfProcess(version))) // for its help
	code := cli.Execute(ctx, root)
	stop()
	os.Exit(code)
}

// coded gives the errors of a command that is no client the codes of those that
// the API answers with, so that they have the same exit codes.
func coded(cmd *cobra.Command) *cobra.Command {
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			err := run(cmd, args)
			if e := new(cloud.Error); errors.As(err, &e) {
				return &client.Error{Code: string(e.Kind), Message: err.Error()}
			}
			return err
		}
	}
	for _, sub := range cmd.Commands() {
		coded(sub)
	}
	return cmd
}

// newLog writes to standard error: one line a record, JSON when it is no terminal's.
func newLog(cmd *cobra.Command) *slog.Logger {
	level := slog.LevelInfo
	if on, err := cmd.Flags().GetBool("debug"); err == nil && on {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}

// must is for what only a wrong program does: a flag that does not exist.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
