package cli

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"atoll/api"
	"atoll/client"
)

var quotaColumns = []column[api.Quota]{
	{"RESOURCE", func(q *api.Quota) string { return q.Resource }},
	{"IN USE", func(q *api.Quota) string { return num(q.Amount) }},
	{"LIMIT", func(q *api.Quota) string { return limitText(q.Limit) }},
}

func (a *app) quotaCommand() *cobra.Command {
	list := a.command("list", "Show use and limits of the account, or of --cloudspace or --project", cobra.NoArgs, func(ctx context.Context, c *client.Client, _ []string) error {
		kind, ref, in, err := a.quotaScope(ctx, c)
		if err != nil {
			return err
		}
		q, err := c.Quota(ctx, kind, ref, in)
		if err != nil {
			return err
		}
		return a.printQuota(q.Items)
	})
	list.Aliases = []string{"show"}
	update := a.mutating(a.command("update RESOURCE=LIMIT...", "Set limits of the account, or of --cloudspace or --project; 'none' for no limit", cobra.MinimumNArgs(1), func(ctx context.Context, c *client.Client, args []string) error {
		limits, err := parseLimits(args)
		if err != nil {
			return err
		}
		kind, ref, in, err := a.quotaScope(ctx, c)
		if err != nil {
			return err
		}
		r, err := c.SetQuota(ctx, kind, ref, api.QuotaSet{Limits: limits}, append(a.options(), in)...)
		if err != nil {
			return err
		}
		if r.Plan != nil {
			return a.printPlan(r.Plan)
		}
		for _, n := range r.Object.Notes {
			a.note("note: %s", n)
		}
		return a.printQuota(r.Object.Items)
	}))
	cmd := a.noun("quota", "What accounts, cloudspaces and projects use and may use", list, update)
	cmd.PersistentFlags().StringVar(&a.project, "project", "", "project, by id or name")
	cmd.MarkFlagsMutuallyExclusive("project", "cloudspace")
	return cmd
}

func (a *app) printQuota(list []api.Quota) error {
	return printList(a, list, quotaColumns, func(q *api.Quota) string { return q.Resource })
}

// quotaScope is the cloudspace or project if one is named here, else the account.
func (a *app) quotaScope(ctx context.Context, c *client.Client) (kind, ref string, in client.Option, err error) {
	if a.project != "" {
		in, err = a.in(ctx, c, inAccount, a.project)
		return "projects", a.project, in, err
	}
	if a.cloudspace == "" {
		ref, err = a.theAccount(ctx, c)
		return "accounts", ref, client.In("", ""), err
	}
	in, err = a.in(ctx, c, inAccount, a.cloudspace)
	return "cloudspaces", a.cloudspace, in, err
}

func parseLimits(args []string) (map[string]int64, error) {
	limits := map[string]int64{}
	for _, arg := range args {
		name, value, _ := strings.Cut(arg, "=")
		n, err := strconv.ParseInt(value, 10, 64)
		switch {
		case value == "none":
			n = -1
		case err != nil || n < -1 || name == "":
			return nil, usagef("%q is no limit such as vcpus=64 or vcpus=none", arg)
		}
		limits[name] = n
	}
	return limits, nil
}
