package cli

import (
	"context"

	"github.com/spf13/cobra"

	"atoll/client"
)

// updates are the flags of an update command: only those that are given change
// something.
type updates struct {
	version int64
	apply   []func(*cobra.Command) bool
	cmd     *cobra.Command
}

func (u *updates) add(flag string, set func()) {
	u.apply = append(u.apply, func(cmd *cobra.Command) bool {
		if !cmd.Flags().Changed(flag) {
			return false
		}
		set()
		return true
	})
}

func (u *updates) text(cmd *cobra.Command, to **string, flag, usage string) {
	v := cmd.Flags().String(flag, "", usage)
	u.add(flag, func() { *to = v })
}

func (u *updates) number(cmd *cobra.Command, to **int64, flag, usage string) {
	v := cmd.Flags().Int64(flag, 0, usage)
	u.add(flag, func() { *to = v })
}

func (u *updates) bool(cmd *cobra.Command, to **bool, flag, usage string) {
	v := cmd.Flags().Bool(flag, false, usage)
	u.add(flag, func() { *to = v })
}

// set applies the given flags; without any it is wrong usage.
func (u *updates) set() error {
	changed := false
	for _, f := range u.apply {
		changed = f(u.cmd) || changed
	}
	if !changed {
		return usagef("say what to change by at least one flag")
	}
	return nil
}

func updateCommand[T any](a *app, k *kind[T], u *updates, do func(ctx context.Context, c *client.Client, ref string, o ...client.Option) (*client.Result[T], error)) *cobra.Command {
	use := "update NAME"
	if k.name == nil {
		use = "update ID"
	}
	cmd := a.command(use, "Change a "+k.noun, cobra.ExactArgs(1), func(ctx context.Context, c *client.Client, args []string) error {
		if err := u.set(); err != nil {
			return err
		}
		return verb(ctx, a, c, k, words{"updating", "updated"}, args, func(ref string, o ...client.Option) (*client.Result[T], error) {
			if u.version > 0 {
				o = append(o, client.IfMatch(u.version))
			}
			return do(ctx, c, ref, o...)
		})
	})
	u.cmd = cmd
	cmd.Flags().Int64Var(&u.version, "if-version", 0, "change it only if it has this version")
	return completing(a, k, a.mutating(cmd))
}
