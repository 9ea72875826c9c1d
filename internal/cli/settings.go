package cli

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"atoll/api"
	"atoll/client"
)

func (a *app) settingsCommand() *cobra.Command {
	show := a.command("show", "Show the settings of the installation", cobra.NoArgs, func(ctx context.Context, c *client.Client, _ []string) error {
		s, err := c.Settings(ctx)
		if err != nil {
			return err
		}
		return printOne(a, s, s.DisplayName)
	})
	return a.noun("settings", "Settings of the installation: its look, and who needs a second factor", show, a.settingsUpdate())
}

// settingsUpdate changes what its flags say, and leaves the rest.
func (a *app) settingsUpdate() *cobra.Command {
	var name, accent, notice, factor *string
	var links []string
	var logo string
	var u updates
	cmd := a.command("update", "Change the settings of the installation", cobra.NoArgs, func(ctx context.Context, c *client.Client, _ []string) error {
		if err := u.set(); err != nil {
			return err
		}
		now, err := c.Settings(ctx)
		if err != nil {
			return err
		}
		in := api.SettingsUpdate{DisplayName: now.DisplayName, Accent: now.Accent, Links: now.Links, Notice: now.Notice, SecondFactor: now.SecondFactor}
		for _, f := range []struct {
			from *string
			to   *string
		}{{name, &in.DisplayName}, {accent, &in.Accent}, {notice, &in.Notice}, {factor, &in.SecondFactor}} {
			if f.from != nil {
				*f.to = *f.from
			}
		}
		if u.cmd.Flags().Changed("link") {
			if in.Links, err = parseLinks(links); err != nil {
				return err
			}
		}
		r, err := c.UpdateSettings(ctx, in, append(a.options(), client.IfMatch(now.Version))...)
		if err == nil && u.cmd.Flags().Changed("logo") {
			r, err = a.setLogo(ctx, c, logo)
		}
		switch {
		case err != nil:
			return err
		case r.Plan != nil:
			return a.printPlan(r.Plan)
		}
		if now, err = c.Settings(ctx); err != nil {
			return err
		}
		return printOne(a, now, now.DisplayName)
	})
	u.cmd = cmd
	u.text(cmd, &name, "display-name", "name of the installation")
	u.text(cmd, &accent, "accent", "colour, #rrggbb; '' for the product's own")
	u.text(cmd, &notice, "notice", "plain text above the sign-in form")
	u.text(cmd, &factor, "second-factor", "who must have one to sign in with a password: none, staff or all")
	cmd.Flags().StringArrayVar(&links, "link", nil, "'LABEL=https://…' for the foot of the pages, repeatable; '' for none")
	cmd.Flags().StringVar(&logo, "logo", "", "file with the logo, .svg or .png, at most 256 KiB; '' for none")
	u.add("link", func() {})
	u.add("logo", func() {})
	return a.mutating(cmd)
}

func parseLinks(texts []string) ([]api.PageLink, error) {
	var out []api.PageLink
	for _, text := range texts {
		if text == "" {
			continue
		}
		label, url, ok := strings.Cut(text, "=")
		if !ok {
			return nil, usagef("--link: %q is not LABEL=URL", text)
		}
		out = append(out, api.PageLink{Label: label, URL: url})
	}
	return out, nil
}

func (a *app) setLogo(ctx context.Context, c *client.Client, file string) (*client.Result[api.Settings], error) {
	if file == "" {
		return c.DeleteLogo(ctx, a.options()...)
	}
	body, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	kind := "image/svg+xml"
	if strings.EqualFold(filepath.Ext(file), ".png") {
		kind = "image/png"
	}
	return c.SetLogo(ctx, kind, body, a.options()...)
}
