// Package cli is the commands of `atoll` that use the REST API, one file per
// kind. It sees only client and api: what it can do, every other program can.
//
// It must never know how the server works, decide what is allowed, or print
// progress into a pipe.
package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"atoll/client"
)

// Env is what the commands get from their process.
type Env struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Getenv         func(string) string
	Version        string
}

// app is one run of the command line: its surroundings and the common flags.
type app struct {
	Env
	context, account, cloudspace string
	project                      string // of deployments
	space                        string // of pages
	installation                 bool   // the space is the installation's
	output                       string
	timeout                      time.Duration
	dryRun, wait                 bool
	cfg                          *config // as read; nil before
}

// New returns the root command with all commands of the API. cmd/atoll adds
// those that are servers.
func New(env Env) *cobra.Command {
	a := &app{Env: env}
	root := &cobra.Command{
		Use:   "atoll",
		Short: "A private cloud that one team can run",
		Long: "A private cloud that one team can run.\n\n" +
			"ATOLL_URL and ATOLL_TOKEN say where and as whom, before the contexts of 'atoll login'.\n" +
			"Exit codes: 0 ok, 1 error, 2 usage, 3 not found, 4 denied, 5 conflict, 6 timeout, 7 quota or capacity.",
		Version:       env.Version,
		SilenceErrors: true, SilenceUsage: true,
	}
	root.SetIn(env.Stdin)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	group(root)
	root.AddCommand(
		a.loginCommand(), a.contextCommand(), a.searchCommand(),
		a.nodeCommand(), a.runCommand(), a.scriptCommand(), a.scheduleCommand(), a.jobCommand(), a.operationCommand(),
		a.projectCommand(), a.deploymentCommand(), a.bundleCommand(), a.wikiSpaceCommand(), a.wikiPageCommand(),
		a.machineCommand(), a.portForwardCommand(), a.diskCommand(), a.imageCommand(), a.sizeCommand(), a.cloudspaceCommand(),
		a.accountCommand(), a.userCommand(), a.serviceAccountCommand(), a.membershipCommand(), a.tokenCommand(), a.sshKeyCommand(),
		a.locationCommand(), a.eventCommand(), a.webhookCommand(), a.quotaCommand(), a.leftoverCommand(), a.settingsCommand(),
	)
	return root
}

// Execute runs the command line of the process, or that of root.SetArgs, and
// returns its exit code. What went wrong is on the command's error output, one
// sentence for each thing.
func Execute(ctx context.Context, root *cobra.Command) int {
	started := false
	mark(root, &started)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	if !started { // found by cobra, before anything was done
		err = usagef("%w; see '%s --help'", err, cmd.CommandPath())
	}
	for _, line := range sentences(err) {
		fmt.Fprintln(root.ErrOrStderr(), "atoll: "+line)
	}
	return ExitCode(err)
}

// mark lets each command tell that it began: what fails before is wrong usage.
func mark(cmd *cobra.Command, started *bool) {
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			*started = true
			return run(cmd, args)
		}
	}
	for _, sub := range cmd.Commands() {
		mark(sub, started)
	}
}

// action is what a command does, with the API at hand.
type action func(ctx context.Context, c *client.Client, args []string) error

// command makes a command that calls the API.
func (a *app) command(use, short string, args cobra.PositionalArgs, do action) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: args, DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.checkOutput(); err != nil {
				return err
			}
			c, err := a.client()
			if err != nil {
				return err
			}
			ctx := cmd.Context()
			if a.timeout > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeoutCause(ctx, a.timeout, &timeoutError{a.timeout})
				defer cancel()
			}
			return a.explain(do(ctx, c, args))
		},
	}
}

// mutating adds the flags of every command that changes something.
func (a *app) mutating(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().BoolVar(&a.dryRun, "dry-run", false, "print what would be done, and change nothing")
	cmd.Flags().BoolVar(&a.wait, "wait", false, "wait until it is done")
	return cmd
}

// noun makes a command that groups others, and gives them the common flags.
func (a *app) noun(use, short string, subs ...*cobra.Command) *cobra.Command {
	cmd := group(&cobra.Command{Use: use, Short: short})
	a.common(cmd)
	cmd.AddCommand(subs...)
	return cmd
}

// group makes a command that does nothing by itself refuse what it does not know.
func group(cmd *cobra.Command) *cobra.Command {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		hint := ""
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			hint = "; did you mean " + strings.Join(near, " or ") + "?"
		}
		return fmt.Errorf("unknown command %q for %q%s", args[0], cmd.CommandPath(), hint)
	}
	cmd.SuggestionsMinimumDistance = 2
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	return cmd
}

// common adds the flags that all commands of the API have.
func (a *app) common(cmd *cobra.Command) {
	f := cmd.PersistentFlags()
	f.StringVar(&a.context, "context", "", "the context to use, instead of the current one")
	f.StringVar(&a.account, "account", "", "account, by id or name; the context's or the only one if left out")
	f.StringVar(&a.cloudspace, "cloudspace", "", "cloudspace, by id or name; the context's or the only one if left out")
	f.StringVarP(&a.output, "output", "o", "", "table, json, yaml or name")
	f.DurationVar(&a.timeout, "timeout", 0, "give up after so long, such as 90s (exit code 6); what was started goes on")
	must(cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json", "yaml", "name"}, cobra.ShellCompDirectiveNoFileComp)))
}

// must is for what only a wrong program does: a flag that does not exist.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// client returns the API of the environment or the context.
func (a *app) client() (*client.Client, error) {
	cur, err := a.current()
	if err != nil {
		return nil, err
	}
	return client.New(client.Config{
		URL: cur.URL, Token: cur.Token, CAFile: cur.CAFile, Pin: cur.Pin,
		UserAgent: "atoll/" + a.Version,
	})
}

// terminal reports whether w is one.
func terminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// note tells people something that is not the command's result.
func (a *app) note(format string, args ...any) { fmt.Fprintf(a.Stderr, format+"\n", args...) }

// width is that of the terminal on which progress is shown.
func (a *app) width() int {
	if f, ok := a.Stderr.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			return w
		}
	}
	return 80
}
