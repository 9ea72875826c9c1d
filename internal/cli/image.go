package cli

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"atoll/api"
	"atoll/client"
)

var images = &kind[api.Image]{
	noun: "image", level: inInstallation,
	reader:  func(c *client.Client) client.Reader[api.Image] { return c.Images().Reader },
	deleter: func(c *client.Client) client.Deleter[api.Image] { return c.Images().Deleter },
	id:      func(i *api.Image) string { return i.ID },
	name:    func(i *api.Image) string { return i.Name },
	columns: []column[api.Image]{
		{"NAME", func(i *api.Image) string { return i.Name }},
		{"STATE", func(i *api.Image) string { return i.State }},
		{"FORMAT", func(i *api.Image) string { return i.Format }},
		{"FILE", func(i *api.Image) string { return num(i.Size>>20) + " MiB" }},
		{"DISK", func(i *api.Image) string { return num(i.VirtualMiB) + " MiB" }},
		{"AGE", func(i *api.Image) string { return age(i.CreatedAt) }},
		{"REASON", func(i *api.Image) string { return i.Reason }},
	},
}

func (a *app) imageCommand() *cobra.Command {
	var in api.ImageUpdate
	var u updates
	update := updateCommand(a, images, &u, func(ctx context.Context, c *client.Client, ref string, o ...client.Option) (*client.Result[api.Image], error) {
		return c.Images().Update(ctx, ref, in, append(o, client.In(a.account, ""))...)
	})
	u.text(update, &in.Name, "name", "new name")
	u.text(update, &in.Description, "description", "what it is")
	u.text(update, &in.User, "user", "login name")
	u.bool(update, &in.Enabled, "enabled", "false: new machines cannot use it")
	return a.noun("image", "Disk images that machines start from",
		a.imageCreate(), listCommand(a, images, nil), showCommand(a, images), update, deleteCommand(a, images, nil))
}

func (a *app) imageCreate() *cobra.Command {
	var in api.ImageCreate
	var file string
	cmd := a.command("create NAME (--file FILE | --url URL --sha256 SUM)", "Make an image of a disk image file", cobra.ExactArgs(1), func(ctx context.Context, c *client.Client, args []string) error {
		in.Name, in.Account = args[0], a.account
		w := words{"creating", "created"}
		if file == "" {
			if in.SHA256 == "" {
				return usagef("--url needs --sha256, the checksum that the file must have")
			}
			r, err := c.Images().Create(ctx, in, a.options()...)
			return one(ctx, a, c, images, w, args[0], r, err)
		}
		f, err := os.Open(file)
		if err != nil {
			return fmt.Errorf("--file: %w", err)
		}
		defer f.Close()
		if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
			return usagef("--file: %s is no regular file", file)
		}
		up := client.Upload{Account: in.Account, Name: in.Name, Description: in.Description, User: in.User, SHA256: in.SHA256}
		if terminal(a.Stderr) {
			up.Progress = func(sent, size int64) {
				a.status(fmt.Sprintf("image %s: %d of %d MiB sent", in.Name, sent>>20, size>>20))
			}
		}
		r, err := c.Images().Upload(ctx, up, f, a.options()...)
		if up.Progress != nil {
			a.status("")
		}
		return one(ctx, a, c, images, w, args[0], r, err)
	})
	f := cmd.Flags()
	f.StringVar(&file, "file", "", "send this file")
	f.StringVar(&in.URL, "url", "", "let the server fetch it from here")
	f.StringVar(&in.SHA256, "sha256", "", "checksum that the file must have")
	f.StringVar(&in.Description, "description", "", "what it is")
	f.StringVar(&in.User, "user", "", "login name of the image, such as root")
	cmd.MarkFlagsOneRequired("file", "url")
	cmd.MarkFlagsMutuallyExclusive("file", "url")
	return a.mutating(cmd)
}
