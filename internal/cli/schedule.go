package cli

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"atoll/api"
	"atoll/client"
)

var schedules = &kind[api.Schedule]{
	noun: "schedule", level: inInstallation,
	reader:  func(c *client.Client) client.Reader[api.Schedule] { return c.Schedules().Reader },
	deleter: func(c *client.Client) client.Deleter[api.Schedule] { return c.Schedules().Deleter },
	id:      func(s *api.Schedule) string { return s.ID },
	name:    func(s *api.Schedule) string { return s.Name },
	columns: []column[api.Schedule]{
		{"NAME", func(s *api.Schedule) string { return s.Name }},
		{"RUNS", func(s *api.Schedule) string { return cmp.Or(s.Script, strings.Join(s.Command, " ")) }},
		{"WHEN", func(s *api.Schedule) string { return cmp.Or(s.Every, s.Cron+" "+s.TimeZone) }},
		{"WHERE", scheduleTarget},
		{"NEXT", func(s *api.Schedule) string {
			if s.Paused {
				return "paused"
			}
			return clock(s.NextAt)
		}},
		{"LAST", func(s *api.Schedule) string { return clock(s.LastAt) }},
	},
}

func scheduleTarget(s *api.Schedule) string {
	switch {
	case s.All:
		return "all nodes"
	case s.Role != "":
		return "role " + s.Role
	}
	return s.NodeID
}

func (a *app) scheduleCommand() *cobra.Command {
	return a.noun("schedule", "Scripts and commands that run by period or cron",
		a.scheduleCreate(), listCommand(a, schedules, nil), showCommand(a, schedules), a.scheduleUpdate(),
		a.scheduleVerb("pause", "Pause schedules", "paused", client.Schedules.Pause),
		a.scheduleVerb("resume", "Resume paused schedules", "resumed", client.Schedules.Resume),
		deleteCommand(a, schedules, nil))
}

func (a *app) scheduleVerb(name, short, done string, do func(client.Schedules, context.Context, string, ...client.Option) (*client.Result[api.Schedule], error)) *cobra.Command {
	return completing(a, schedules, a.mutating(a.command(name+" NAME...", short, cobra.MinimumNArgs(1), func(ctx context.Context, c *client.Client, args []string) error {
		return verb(ctx, a, c, schedules, words{done, done}, args, func(ref string, o ...client.Option) (*client.Result[api.Schedule], error) {
			return do(c.Schedules(), ctx, ref, o...)
		})
	})))
}

func (a *app) scheduleUpdate() *cobra.Command {
	var up api.ScheduleUpdate
	var args []string
	var u updates
	cmd := updateCommand(a, schedules, &u, func(ctx context.Context, c *client.Client, ref string, o ...client.Option) (*client.Result[api.Schedule], error) {
		var err error
		if up.Args, err = scriptArgs(args); err != nil {
			return nil, err
		}
		return c.Schedules().Update(ctx, ref, up, o...)
	})
	u.text(cmd, &up.Every, "every", "period such as 5m; takes the place of a cron line")
	u.text(cmd, &up.Cron, "cron", "minute, hour, day of month, month, day of week; takes the place of a period")
	u.text(cmd, &up.TimeZone, "timezone", "of the cron line, such as Europe/Brussels")
	u.text(cmd, &up.Jitter, "jitter", "random delay of at most this")
	u.text(cmd, &up.Miss, "miss", "what to do about times that passed while no controller ran: skip or once")
	u.text(cmd, &up.Timeout, "job-timeout", "of each job")
	u.bool(cmd, &up.Paused, "paused", "true stops it until it is resumed")
	cmd.Flags().StringArrayVar(&args, "arg", nil, "an argument of the script, name=value; repeatable; all that it gets")
	u.add("arg", func() {})
	cmd.MarkFlagsMutuallyExclusive("every", "cron")
	return cmd
}

func (a *app) scheduleCreate() *cobra.Command {
	var in api.ScheduleCreate
	var args []string
	var jobTimeout time.Duration
	cmd := a.command("create NAME (--script S | -- COMMAND...) (--every D | --cron LINE) (--node N | --role R | --all)", "Run something again and again", cobra.MinimumNArgs(1), func(ctx context.Context, c *client.Client, names []string) error {
		var err error
		in.Name, in.Command = names[0], names[1:]
		if (in.Script == "") == (len(in.Command) == 0) {
			return usagef("give either --script or, after --, a command")
		}
		if in.Args, err = scriptArgs(args); err != nil {
			return err
		}
		if jobTimeout > 0 {
			in.Timeout = jobTimeout.String()
		}
		r, err := c.Schedules().Create(ctx, in, a.options()...)
		return one(ctx, a, c, schedules, words{"creating", "created"}, in.Name, r, err)
	})
	f := cmd.Flags()
	f.StringVar(&in.Script, "script", "", "script to run; its newest revision runs")
	f.StringArrayVar(&args, "arg", nil, "an argument of the script, name=value; repeatable")
	f.StringVar(&in.Every, "every", "", "period such as 5m")
	f.StringVar(&in.Cron, "cron", "", "minute, hour, day of month, month, day of week")
	f.StringVar(&in.TimeZone, "timezone", "", "of --cron, such as Europe/Brussels; UTC if left out")
	f.StringVar(&in.Jitter, "jitter", "", "random delay of at most this")
	f.StringVar(&in.Miss, "miss", "", "what to do about times that passed while no controller ran: skip or once")
	f.StringVar(&in.Node, "node", "", "on this node, by id or name")
	f.StringVar(&in.Role, "role", "", "on each node with the role")
	f.BoolVar(&in.All, "all", false, "on each node")
	f.StringVar(&in.Location, "location", "", "only on nodes of this location, by id or name")
	f.DurationVar(&jobTimeout, "job-timeout", 0, "of each job")
	f.BoolVar(&in.Paused, "paused", false, "create it paused")
	for _, of := range [][]string{{"every", "cron"}, {"node", "role", "all"}} {
		cmd.MarkFlagsOneRequired(of...)
		cmd.MarkFlagsMutuallyExclusive(of...)
	}
	completeFlag(a, scripts, cmd, "script")
	completeFlag(a, nodes, cmd, "node")
	return a.mutating(cmd)
}
