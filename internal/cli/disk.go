package cli

import (
	"context"

	"github.com/spf13/cobra"

	"atoll/api"
	"atoll/client"
)

var disks = &kind[api.Disk]{
	noun: "disk", level: inInstallation,
	reader:  func(c *client.Client) client.Reader[api.Disk] { return c.Disks().Reader },
	id:      func(d *api.Disk) string { return d.ID },
	filters: []string{"cloudspace", "account"},
	columns: []column[api.Disk]{
		{"ID", func(d *api.Disk) string { return d.ID }},
		{"NAME", func(d *api.Disk) string { return d.Name }},
		{"STATE", func(d *api.Disk) string { return d.State }},
		{"SIZE", func(d *api.Disk) string { return num(d.SizeGiB) + " GiB" }},
		{"BOOT", func(d *api.Disk) string { return yes(d.Boot) }},
		{"MACHINE", func(d *api.Disk) string { return d.MachineID }},
	},
}

func (a *app) diskCommand() *cobra.Command {
	var machine string
	list := listCommand(a, disks, func(ctx context.Context, c *client.Client, o *client.ListOptions) error {
		return a.ofMachine(ctx, c, machine, o)
	})
	list.Flags().StringVar(&machine, "machine", "", "only those of this machine, by id or name")
	completeFlag(a, machines, list, "machine")
	return a.noun("disk", "Disks, which are made, grown and deleted with their machines", list, showCommand(a, disks))
}
