package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"atoll/api"
	"atoll/client"
)

var nodes = &kind[api.Node]{
	noun: "node", level: inInstallation,
	reader:  func(c *client.Client) client.Reader[api.Node] { return c.Nodes().Reader },
	deleter: func(c *client.Client) client.Deleter[api.Node] { return c.Nodes().Deleter },
	id:      func(n *api.Node) string { return n.ID },
	name:    func(n *api.Node) string { return n.Name },
	columns: []column[api.Node]{
		{"NAME", func(n *api.Node) string { return n.Name }},
		{"STATE", nodeState},
		{"ROLES", func(n *api.Node) string { return strings.Join(n.Roles, ",") }},
		{"CPUS", func(n *api.Node) string { return num(int64(n.Facts.CPUs)) }},
		{"MEMORY", func(n *api.Node) string { return num(n.Facts.MemoryMiB) + " MiB" }},
		{"SEEN", func(n *api.Node) string { return age(n.LastSeenAt) }},
		{"REASON", func(n *api.Node) string { return n.Reason }},
	},
}

func nodeState(n *api.Node) string {
	s := n.State
	if n.Cordoned {
		s += ",cordoned"
	}
	if n.Simulated {
		s += ",simulated"
	}
	return s
}

var joinTokens = &kind[api.JoinToken]{
	noun: "join-token", level: inInstallation,
	reader:  func(c *client.Client) client.Reader[api.JoinToken] { return c.JoinTokens().Reader },
	deleter: func(c *client.Client) client.Deleter[api.JoinToken] { return c.JoinTokens().Deleter },
	id:      func(t *api.JoinToken) string { return t.ID },
	columns: []column[api.JoinToken]{
		{"ID", func(t *api.JoinToken) string { return t.ID }},
		{"USES LEFT", func(t *api.JoinToken) string { return num(t.UsesLeft) }},
		{"ROLES", func(t *api.JoinToken) string { return strings.Join(t.Roles, ",") }},
		{"EXPIRES", func(t *api.JoinToken) string { return clock(t.ExpiresAt) }},
	},
}

func (a *app) nodeCommand() *cobra.Command {
	var up api.NodeUpdate
	var labels map[string]string
	var u updates
	update := updateCommand(a, nodes, &u, func(ctx context.Context, c *client.Client, ref string, o ...client.Option) (*client.Result[api.Node], error) {
		return c.Nodes().Update(ctx, ref, up, o...)
	})
	u.text(update, &up.Name, "name", "new name")
	u.bool(update, &up.Cordoned, "cordoned", "true: it gets nothing new; --cordoned=false ends that")
	u.number(update, &up.CPUOvercommit, "cpu-overcommit", "virtual CPUs per real one, in percent")
	update.Flags().StringToStringVar(&labels, "label", nil, "labels, which replace those it has")
	u.add("label", func() { up.Labels = &labels })
	return a.noun("node", "Servers that run the agent",
		listCommand(a, nodes, nil), showCommand(a, nodes), a.capacityCommand(), update, deleteCommand(a, nodes, nil), a.joinTokenCommand())
}

var capacityColumns = append([]column[api.Quota]{
	{"NODE", func(q *api.Quota) string { return q.Scope }},
}, quotaColumns...)

func (a *app) capacityCommand() *cobra.Command {
	return a.command("capacity", "Show what is placed on each node of what it has", cobra.NoArgs, func(ctx context.Context, c *client.Client, _ []string) error {
		q, err := c.Nodes().Capacity(ctx)
		if err != nil {
			return err
		}
		return printList(a, q.Items, capacityColumns, func(q *api.Quota) string { return q.Scope })
	})
}

func (a *app) joinTokenCommand() *cobra.Command {
	var in api.JoinTokenCreate
	create := a.command("create", "Make a token with which nodes join; it is shown once", cobra.NoArgs, func(ctx context.Context, c *client.Client, _ []string) error {
		r, err := c.JoinTokens().Create(ctx, in, a.options()...)
		if err != nil {
			return err
		}
		if r.Object == nil {
			return finish(ctx, a, c, joinTokens, words{}, change[api.JoinToken]{"", &client.Result[api.JoinToken]{Plan: r.Plan}})
		}
		return a.printSecret(r.Object, r.Object.ID, r.Object.Secret, "join token %s, for 'atoll agent --server %s --token-file FILE'; it is shown only now:",
			r.Object.ID, strings.Join(r.Object.Servers, ","))
	})
	f := create.Flags()
	f.Int64Var(&in.Uses, "uses", 1, "how many nodes may join with it")
	f.StringSliceVar(&in.Roles, "role", nil, "what its nodes may offer: compute, network, storage, boot, runner; all if left out")
	f.StringVar(&in.TTL, "ttl", "24h", "how long it holds")
	f.StringVar(&in.Location, "location", "", "where its nodes are; may be left out if there is one location")
	completeFlag(a, locations, create, "location")
	cmd := group(&cobra.Command{Use: "token", Short: "Tokens with which nodes join"})
	cmd.AddCommand(a.mutating(create), listCommand(a, joinTokens, nil), showCommand(a, joinTokens), deleteCommand(a, joinTokens, nil))
	return cmd
}

// printSecret prints what is shown once: the secret alone on standard output, so
// that it can be redirected, and what it is beside it.
func (a *app) printSecret(v any, name, secret, format string, args ...any) error {
	if a.output != "" && a.output != "table" {
		return printOne(a, v, name)
	}
	a.note(format, args...)
	_, err := a.Stdout.Write([]byte(secret + "\n"))
	return err
}
