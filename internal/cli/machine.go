package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"atoll/api"
	"atoll/client"
)

var machines = &kind[api.Machine]{
	noun: "machine", level: inCloudspace,
	reader:  func(c *client.Client) client.Reader[api.Machine] { return c.Machines().Reader },
	deleter: func(c *client.Client) client.Deleter[api.Machine] { return c.Machines().Deleter },
	id:      func(m *api.Machine) string { return m.ID },
	name:    func(m *api.Machine) string { return m.Name },
	filters: []string{"cloudspace", "account"},
	columns: []column[api.Machine]{
		{"NAME", func(m *api.Machine) string { return m.Name }},
		{"STATE", func(m *api.Machine) string { return m.State }},
		{"VCPUS", func(m *api.Machine) string { return num(m.VCPUs) }},
		{"MEMORY", func(m *api.Machine) string { return num(m.MemoryMiB) + " MiB" }},
		{"DISK", func(m *api.Machine) string { return num(m.DiskGiB) + " GiB" }},
		{"ADDRESS", func(m *api.Machine) string { return m.Address }},
		{"AGE", func(m *api.Machine) string { return age(m.CreatedAt) }},
		{"REASON", func(m *api.Machine) string { return m.Reason }},
	},
}

func (a *app) machineCommand() *cobra.Command {
	var force, off bool
	remove := deleteCommand(a, machines, func() []client.Option {
		if force {
			return []client.Option{client.Force()}
		}
		return nil
	})
	remove.Flags().BoolVar(&force, "force", false, "delete it even if its node does not answer")
	stop := a.machineVerb("stop", "Stop machines", words{"stopping", "stopped"}, func(ctx context.Context, m client.Machines, ref string, o []client.Option) (*client.Result[api.Machine], error) {
		return m.Stop(ctx, ref, api.MachineStop{Force: off}, o...)
	})
	stop.Flags().BoolVar(&off, "force", false, "switch it off at once, without asking the guest")
	return a.noun("machine", "Virtual machines",
		a.machineCreate(), listCommand(a, machines, nil), showCommand(a, machines), a.machineUpdate(),
		a.machineVerb("start", "Start machines", words{"starting", "started"}, func(ctx context.Context, m client.Machines, ref string, o []client.Option) (*client.Result[api.Machine], error) {
			return m.Start(ctx, ref, o...)
		}), stop,
		a.machineVerb("reboot", "Reboot machines", words{"rebooting", "rebooted"}, func(ctx context.Context, m client.Machines, ref string, o []client.Option) (*client.Result[api.Machine], error) {
			return m.Reboot(ctx, ref, o...)
		}),
		remove, a.consoleCommand())
}

func (a *app) machineVerb(name, short string, w words, do func(context.Context, client.Machines, string, []client.Option) (*client.Result[api.Machine], error)) *cobra.Command {
	return completing(a, machines, a.mutating(a.command(name+" NAME...", short, cobra.MinimumNArgs(1),
		func(ctx context.Context, c *client.Client, args []string) error {
			return verb(ctx, a, c, machines, w, args, func(ref string, o ...client.Option) (*client.Result[api.Machine], error) {
				return do(ctx, c.Machines(), ref, o)
			})
		})))
}

func (a *app) machineCreate() *cobra.Command {
	in := api.MachineCreate{}
	var userData string
	var keys []string
	cmd := a.command("create NAME --image IMAGE --size SIZE", "Create a machine and start it", cobra.ExactArgs(1), func(ctx context.Context, c *client.Client, args []string) error {
		var err error
		in.Name = args[0]
		if in.SSHKeys, err = sshKeys(keys); err != nil {
			return err
		}
		if userData != "" {
			text, err := os.ReadFile(userData)
			if err != nil {
				return fmt.Errorf("--user-data: %w", err)
			}
			in.UserData = string(text)
		}
		if in.Account, in.Cloudspace, err = a.theCloudspace(ctx, c); err != nil {
			return err
		}
		r, err := c.Machines().Create(ctx, in, a.options()...)
		return one(ctx, a, c, machines, words{"creating", "created"}, args[0], r, err)
	})
	f := cmd.Flags()
	f.StringVar(&in.Image, "image", "", "image to start from, by id or name")
	f.StringVar(&in.Size, "size", "", "size, by id or name")
	f.Int64Var(&in.DiskGiB, "disk", 0, "GiB of the boot disk; the size's if left out")
	f.StringArrayVar(&keys, "ssh-key", nil, "file with public ssh keys, or name of an ssh key of the account; repeatable")
	f.StringVar(&userData, "user-data", "", "file for cloud-init")
	f.StringVar(&in.Description, "description", "", "what it is for")
	f.StringVar(&in.RunStrategy, "run-strategy", "", "what to do if it should run and is found off: always, rerun-on-failure or manual")
	must(errors.Join(cmd.MarkFlagRequired("image"), cmd.MarkFlagRequired("size")))
	completeFlag(a, images, cmd, "image")
	completeFlag(a, sizes, cmd, "size")
	return a.mutating(cmd)
}

// sshKeys reads key files; what is no file is the name of a key.
func sshKeys(args []string) ([]string, error) {
	var keys []string
	for _, arg := range args {
		text, err := os.ReadFile(arg)
		if errors.Is(err, fs.ErrNotExist) && !strings.ContainsAny(arg, "/\\") {
			keys = append(keys, arg)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("--ssh-key: %w", err)
		}
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				keys = append(keys, line)
			}
		}
	}
	return keys, nil
}

func (a *app) machineUpdate() *cobra.Command {
	var in api.MachineUpdate
	var u updates
	cmd := updateCommand(a, machines, &u, func(ctx context.Context, c *client.Client, ref string, o ...client.Option) (*client.Result[api.Machine], error) {
		return c.Machines().Update(ctx, ref, in, o...)
	})
	u.text(cmd, &in.Name, "name", "new name")
	u.text(cmd, &in.Description, "description", "what it is for")
	u.text(cmd, &in.Size, "size", "new size, of a stopped machine")
	u.number(cmd, &in.DiskGiB, "disk", "GiB of the boot disk of a stopped machine; it can only grow")
	u.text(cmd, &in.RunStrategy, "run-strategy", "always, rerun-on-failure or manual")
	completeFlag(a, sizes, cmd, "size")
	return cmd
}
