package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"atoll/api"
	"atoll/client"
)

var jobs = &kind[api.Job]{
	noun: "job", level: inInstallation,
	reader:  func(c *client.Client) client.Reader[api.Job] { return c.Jobs().Reader },
	id:      func(j *api.Job) string { return j.ID },
	filters: []string{"account"},
	columns: []column[api.Job]{
		{"ID", func(j *api.Job) string { return j.ID }},
		{"ACTION", func(j *api.Job) string { return j.Action }},
		{"STATE", func(j *api.Job) string { return j.State }},
		{"EXIT", func(j *api.Job) string {
			if client.Final(j.State) {
				return num(j.ExitCode)
			}
			return ""
		}},
		{"STEP", func(j *api.Job) string { return j.Step }},
		{"AGE", func(j *api.Job) string { return age(j.CreatedAt) }},
		{"ERROR", func(j *api.Job) string { return firstLine(j.Error) }},
	},
}

func (a *app) jobCommand() *cobra.Command {
	var operation string
	list := listCommand(a, jobs, func(_ context.Context, _ *client.Client, o *client.ListOptions) error {
		if operation != "" {
			o.Filter = append(o.Filter, "operation="+operation)
		}
		return nil
	})
	list.Flags().StringVar(&operation, "operation", "", "only those of this operation")

	cancel := a.mutating(a.command("cancel ID...", "End queued jobs, and ask the nodes of running ones to", cobra.MinimumNArgs(1), func(ctx context.Context, c *client.Client, args []string) error {
		return verb(ctx, a, c, jobs, words{"canceling", "asked to cancel"}, args, func(ref string, o ...client.Option) (*client.Result[api.Job], error) {
			return c.Jobs().Cancel(ctx, ref, o...)
		})
	}))
	return a.noun("job", "Runs of scripts and actions on nodes", list, showCommand(a, jobs), a.jobLogs(), cancel)
}

func (a *app) jobLogs() *cobra.Command {
	var follow bool
	cmd := a.command("logs ID", "Print a job's output", cobra.ExactArgs(1), func(ctx context.Context, c *client.Client, args []string) error {
		var attempt int64
		for line, err := range c.Jobs().Logs(ctx, args[0], follow) {
			if err != nil {
				return err
			}
			if line.Attempt != attempt {
				attempt = line.Attempt
				a.note("attempt %d:", attempt)
			}
			if a.output == "json" || a.output == "yaml" {
				err = a.printLine(line)
			} else {
				to := a.stream(line)
				_, err = fmt.Fprintln(to, safe(to, line.Text))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on until the job has ended")
	return cmd
}

// stream is where a line goes that was written to a script's standard output or error.
func (a *app) stream(line api.LogLine) io.Writer {
	if line.Stream == "stderr" {
		return a.Stderr
	}
	return a.Stdout
}

// safe is what a node wrote, without what a terminal would obey if w is one.
func safe(w io.Writer, text string) string {
	if terminal(w) {
		return printable(text)
	}
	return text
}
