package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"atoll/api"
	"atoll/client"
)

var sshKeyKind = &kind[api.SSHKey]{
	noun: "ssh-key", level: inAccount,
	reader:  func(c *client.Client) client.Reader[api.SSHKey] { return c.SSHKeys().Reader },
	deleter: func(c *client.Client) client.Deleter[api.SSHKey] { return c.SSHKeys().Deleter },
	id:      func(k *api.SSHKey) string { return k.ID },
	name:    func(k *api.SSHKey) string { return k.Name },
	filters: []string{"account"},
	columns: []column[api.SSHKey]{
		{"NAME", func(k *api.SSHKey) string { return k.Name }},
		{"FINGERPRINT", func(k *api.SSHKey) string { return k.Fingerprint }},
		{"AGE", func(k *api.SSHKey) string { return age(k.CreatedAt) }},
	},
}

// maxKey bounds a public key file.
const maxKey = 16 << 10

func (a *app) sshKeyCommand() *cobra.Command {
	var file string
	create := a.command("create NAME --file FILE", "Add a public ssh key to an account", cobra.ExactArgs(1), func(ctx context.Context, c *client.Client, args []string) error {
		text, err := readSome(file, maxKey)
		if err != nil {
			return err
		}
		account, err := a.theAccount(ctx, c)
		if err != nil {
			return err
		}
		in := api.SSHKeyCreate{Account: account, Name: args[0], PublicKey: strings.TrimSpace(string(text))}
		r, err := c.SSHKeys().Create(ctx, in, a.options()...)
		return one(ctx, a, c, sshKeyKind, words{"creating", "created"}, args[0], r, err)
	})
	create.Flags().StringVar(&file, "file", "", "file with the public key, ending in .pub")
	must(create.MarkFlagRequired("file"))

	var up api.SSHKeyUpdate
	var u updates
	update := updateCommand(a, sshKeyKind, &u, func(ctx context.Context, c *client.Client, ref string, o ...client.Option) (*client.Result[api.SSHKey], error) {
		return c.SSHKeys().Update(ctx, ref, up, o...)
	})
	u.text(update, &up.Name, "name", "another name")
	return a.noun("ssh-key", "Public ssh keys of accounts",
		a.mutating(create), listCommand(a, sshKeyKind, nil), showCommand(a, sshKeyKind), update, deleteCommand(a, sshKeyKind, nil))
}
