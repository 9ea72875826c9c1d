package cli

import (
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"
)

// contextRow is a context as it is shown: without its token.
type contextRow struct {
	Name    string `json:"name"`
	Current bool   `json:"current"`
	environment
}

var contextColumns = []column[contextRow]{
	{"CURRENT", func(c *contextRow) string { return mark1(c.Current) }},
	{"NAME", func(c *contextRow) string { return c.Name }},
	{"URL", func(c *contextRow) string { return c.URL }},
	{"ACCOUNT", func(c *contextRow) string { return c.Account }},
	{"CLOUDSPACE", func(c *contextRow) string { return c.Cloudspace }},
}

func mark1(b bool) string {
	if b {
		return "*"
	}
	return ""
}

func (a *app) contextCommand() *cobra.Command {
	// --account and --cloudspace set the defaults of the context.
	use := a.local("use NAME", "Make a context the current one; --account and --cloudspace set its defaults", cobra.ExactArgs(1), func(cfg *config, args []string) error {
		e, err := cfg.named(args[0])
		if err != nil {
			return err
		}
		if a.account != "" {
			e.Account = a.account
		}
		if a.cloudspace != "" {
			e.Cloudspace = a.cloudspace
		}
		cfg.Current = args[0]
		return a.save(cfg)
	})
	list := a.local("list", "List the contexts", cobra.NoArgs, func(cfg *config, _ []string) error {
		rows := []contextRow{}
		for _, name := range slices.Sorted(maps.Keys(cfg.Contexts)) {
			rows = append(rows, contextRow{name, name == cfg.Current, *cfg.Contexts[name]})
		}
		return printList(a, rows, contextColumns, func(c *contextRow) string { return c.Name })
	})
	show := a.local("show [NAME]", "Show a context, or what is in use", cobra.MaximumNArgs(1), func(cfg *config, args []string) error {
		if len(args) == 1 {
			a.context = args[0]
		}
		cur, err := a.current()
		if err != nil {
			return err
		}
		name := a.context
		if name == "" && cfg.Contexts[cfg.Current] != nil && cfg.Contexts[cfg.Current].URL == cur.URL {
			name = cfg.Current
		}
		return printOne(a, &contextRow{name, name == cfg.Current, *cur}, name)
	})
	remove := a.local("delete NAME...", "Forget contexts", cobra.MinimumNArgs(1), func(cfg *config, args []string) error {
		for _, name := range args {
			if _, err := cfg.named(name); err != nil {
				return err
			}
			delete(cfg.Contexts, name)
			if cfg.Current == name {
				cfg.Current = ""
			}
		}
		return a.save(cfg)
	})
	return a.noun("context", "Installations that this command line knows", list, use, show, remove)
}

// local makes a command that only works on the contexts file.
func (a *app) local(use, short string, args cobra.PositionalArgs, do func(*config, []string) error) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Args: args, RunE: func(_ *cobra.Command, args []string) error {
		if err := a.checkOutput(); err != nil {
			return err
		}
		cfg, err := a.load()
		if err != nil {
			return fmt.Errorf("contexts: %w", err)
		}
		return do(cfg, args)
	}}
}
