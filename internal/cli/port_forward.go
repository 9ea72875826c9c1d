package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"atoll/api"
	"atoll/client"
)

var portForwards = &kind[api.PortForward]{
	noun: "port-forward", level: inInstallation,
	reader:  func(c *client.Client) client.Reader[api.PortForward] { return c.PortForwards().Reader },
	deleter: func(c *client.Client) client.Deleter[api.PortForward] { return c.PortForwards().Deleter },
	id:      func(p *api.PortForward) string { return p.ID },
	filters: []string{"cloudspace", "account"},
	columns: []column[api.PortForward]{
		{"ID", func(p *api.PortForward) string { return p.ID }},
		{"PROTOCOL", func(p *api.PortForward) string { return p.Protocol }},
		{"ADDRESS", func(p *api.PortForward) string { return p.Address }},
		{"PUBLIC PORT", func(p *api.PortForward) string { return num(p.PublicPort) }},
		{"PORT", func(p *api.PortForward) string { return num(p.Port) }},
		{"MACHINE", func(p *api.PortForward) string { return p.MachineID }},
		{"STATE", func(p *api.PortForward) string { return p.State }},
		{"REASON", func(p *api.PortForward) string { return p.Reason }},
	},
}

func (a *app) portForwardCommand() *cobra.Command {
	in := api.PortForwardCreate{}
	create := a.command("create --machine MACHINE --public-port P --port Q", "Lead a public port to a machine", cobra.NoArgs, func(ctx context.Context, c *client.Client, _ []string) error {
		if !isID(in.Machine) {
			var err error
			if in.Account, in.Cloudspace, err = a.theCloudspace(ctx, c); err != nil {
				return err
			}
		}
		r, err := c.PortForwards().Create(ctx, in, a.options()...)
		return one(ctx, a, c, portForwards, words{"creating", "created"}, "", r, err)
	})
	f := create.Flags()
	f.StringVar(&in.Machine, "machine", "", "machine, by id or name")
	f.Int64Var(&in.PublicPort, "public-port", 0, "port of the gateway node, 1024 to 65535")
	f.Int64Var(&in.Port, "port", 0, "port of the machine")
	f.StringVar(&in.Protocol, "protocol", "tcp", "tcp or udp")
	must(errors.Join(create.MarkFlagRequired("machine"), create.MarkFlagRequired("public-port"), create.MarkFlagRequired("port")))
	completeFlag(a, machines, create, "machine")

	var machine string
	list := listCommand(a, portForwards, func(ctx context.Context, c *client.Client, o *client.ListOptions) error {
		return a.ofMachine(ctx, c, machine, o)
	})
	list.Flags().StringVar(&machine, "machine", "", "only those of this machine, by id or name")
	completeFlag(a, machines, list, "machine")
	return a.noun("port-forward", "Public ports that lead to machines",
		a.mutating(create), list, showCommand(a, portForwards), deleteCommand(a, portForwards, nil))
}

// ofMachine narrows a list to a machine's objects.
func (a *app) ofMachine(ctx context.Context, c *client.Client, ref string, o *client.ListOptions) error {
	if ref == "" {
		return nil
	}
	if !isID(ref) {
		in, err := a.in(ctx, c, inCloudspace, ref)
		if err != nil {
			return err
		}
		m, err := c.Machines().Get(ctx, ref, in)
		if err != nil {
			return err
		}
		ref = m.ID
	}
	o.Filter = append(o.Filter, "machine="+ref)
	return nil
}
