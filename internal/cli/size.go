package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"atoll/api"
	"atoll/client"
)

var sizes = &kind[api.Size]{
	noun: "size", level: inInstallation,
	reader:  func(c *client.Client) client.Reader[api.Size] { return c.Sizes().Reader },
	deleter: func(c *client.Client) client.Deleter[api.Size] { return c.Sizes().Deleter },
	id:      func(s *api.Size) string { return s.ID },
	name:    func(s *api.Size) string { return s.Name },
	columns: []column[api.Size]{
		{"NAME", func(s *api.Size) string { return s.Name }},
		{"VCPUS", func(s *api.Size) string { return num(s.VCPUs) }},
		{"MEMORY", func(s *api.Size) string { return num(s.MemoryMiB) + " MiB" }},
		{"DISK", func(s *api.Size) string { return num(s.DiskGiB) + " GiB" }},
	},
}

func (a *app) sizeCommand() *cobra.Command {
	var in api.SizeCreate
	create := a.command("create NAME --vcpus N --memory MIB --disk GIB", "Offer a size", cobra.ExactArgs(1), func(ctx context.Context, c *client.Client, args []string) error {
		in.Name = args[0]
		r, err := c.Sizes().Create(ctx, in, a.options()...)
		return one(ctx, a, c, sizes, words{"creating", "created"}, args[0], r, err)
	})
	f := create.Flags()
	f.Int64Var(&in.VCPUs, "vcpus", 0, "virtual CPUs")
	f.Int64Var(&in.MemoryMiB, "memory", 0, "MiB of memory")
	f.Int64Var(&in.DiskGiB, "disk", 0, "GiB of the boot disk")
	must(errors.Join(create.MarkFlagRequired("vcpus"), create.MarkFlagRequired("memory"), create.MarkFlagRequired("disk")))

	var up api.SizeUpdate
	var u updates
	update := updateCommand(a, sizes, &u, func(ctx context.Context, c *client.Client, ref string, o ...client.Option) (*client.Result[api.Size], error) {
		return c.Sizes().Update(ctx, ref, up, o...)
	})
	u.text(update, &up.Name, "name", "new name")
	u.number(update, &up.VCPUs, "vcpus", "virtual CPUs")
	u.number(update, &up.MemoryMiB, "memory", "MiB of memory")
	u.number(update, &up.DiskGiB, "disk", "GiB of the boot disk")
	return a.noun("size", "Sizes of machines on offer",
		a.mutating(create), listCommand(a, sizes, nil), showCommand(a, sizes), update, deleteCommand(a, sizes, nil))
}
