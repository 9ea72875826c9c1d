package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"atoll/api"
	"atoll/client"
)

var bundles = &kind[api.Bundle]{
	noun: "bundle", level: inInstallation,
	reader:  func(c *client.Client) client.Reader[api.Bundle] { return c.Bundles().Reader },
	id:      func(b *api.Bundle) string { return b.ID },
	filters: []string{"project", "kind"},
	columns: []column[api.Bundle]{
		{"ID", func(b *api.Bundle) string { return b.ID }},
		{"PROJECT", func(b *api.Bundle) string { return b.ProjectID }},
		{"REVISION", func(b *api.Bundle) string { return num(b.Revision) }},
		{"KIND", func(b *api.Bundle) string { return b.Kind }},
		{"SHA256", func(b *api.Bundle) string { return b.SHA256 }},
		{"AGE", func(b *api.Bundle) string { return age(b.CreatedAt) }},
		{"SOURCE", func(b *api.Bundle) string { return b.Source }},
	},
}

func (a *app) bundleCommand() *cobra.Command {
	var version int64
	use := a.command("use ID", "Have the project use this version of its control scripts", cobra.ExactArgs(1), func(ctx context.Context, c *client.Client, args []string) error {
		o := a.options()
		if version > 0 {
			o = append(o, client.IfMatch(version))
		}
		r, err := c.Bundles().Use(ctx, args[0], o...)
		return one(ctx, a, c, bundles, words{"using", "in use"}, args[0], r, err)
	})
	use.Flags().Int64Var(&version, "if-version", 0, "only if the project has this version")
	return a.noun("bundle", "Control scripts of projects, in versions",
		a.bundleCreate(), listCommand(a, bundles, nil), showCommand(a, bundles), a.mutating(use))
}

func (a *app) bundleCreate() *cobra.Command {
	var up client.BundleUpload
	var image string
	var process bool
	cmd := a.command("create --project PROJECT (FILE | --image REF | --process)", "Add a version of a project's control scripts",
		cobra.MaximumNArgs(1), func(ctx context.Context, c *client.Client, args []string) error {
			account, err := a.theAccount(ctx, c)
			if err != nil {
				return err
			}
			up.Account = account
			w := words{"adding", "added"}
			if len(args) == 1 == (image != "" || process) {
				return usagef("give one of FILE, --image and --process")
			}
			if len(args) == 1 {
				r, err := uploadBundle(ctx, c, up, args[0], a.options())
				return one(ctx, a, c, bundles, w, args[0], r, err)
			}
			in := api.BundleCreate{Account: account, Project: up.Project, Kind: "oci", Source: image, Use: up.Use}
			if process {
				in.Kind = "builtin:process"
			}
			r, err := c.Bundles().Create(ctx, in, a.options()...)
			return one(ctx, a, c, bundles, w, in.Kind, r, err)
		})
	f := cmd.Flags()
	f.StringVar(&up.Project, "project", "", "the project, by id or name")
	f.StringVar(&image, "image", "", "take the folder /utils of this image, with the project's secrets REGISTRY_USER and REGISTRY_PASSWORD")
	f.BoolVar(&process, "process", false, "a deployment is a process on the runner: builtin:process")
	f.BoolVar(&up.Use, "use", false, "the project uses it from now on")
	f.BoolVar(&up.Files, "files", false, "FILE holds programs for deployments that are processes (archive=atoll:SHA256), not control scripts")
	must(cmd.MarkFlagRequired("project"))
	cmd.MarkFlagsMutuallyExclusive("image", "process", "files")
	return a.mutating(cmd)
}

func uploadBundle(ctx context.Context, c *client.Client, up client.BundleUpload, file string, opts []client.Option) (*client.Result[api.Bundle], error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() {
		return nil, fmt.Errorf("make an archive with tar -czf scripts.tar.gz -C FOLDER . first: %s is no regular file", file)
	}
	up.Source = filepath.Base(file)
	return c.Bundles().Upload(ctx, up, f, st.Size(), opts...)
}
