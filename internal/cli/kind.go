package cli

import (
	"context"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"atoll/client"
)

// level says in what the names of a kind are unique.
type level int

const (
	inInstallation level = iota
	inAccount
	inCloudspace
	inProject
	inWiki  // of a project, an account or the installation
	inSpace // a space of pages
)

// kind is what the common commands need to know of a kind.
type kind[T any] struct {
	noun    string // as in `atoll machine`
	level   level
	reader  func(*client.Client) client.Reader[T]
	deleter func(*client.Client) client.Deleter[T] // nil if nothing is deleted
	id      func(*T) string
	name    func(*T) string // nil if it has none: then its id is shown
	columns []column[T]
	filters []string // the scopes by which its lists can be narrowed: account, cloudspace
}

func (k *kind[T]) label(v *T) string {
	if k.name == nil {
		return k.id(v)
	}
	return k.name(v)
}

var idForm = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// isID reports whether s has the form of an id, which no name has.
func isID(s string) bool { return idForm.MatchString(s) }

// listCommand lists the kind. narrow, if not nil, adds conditions.
func (a *app) listFlags(cmd *cobra.Command) *client.ListOptions {
	o := &client.ListOptions{}
	f := cmd.Flags()
	f.StringArrayVar(&o.Filter, "filter", nil, "field=value, field!=value or field~part; all that are given must hold")
	f.StringVar(&o.Sort, "sort", "", "field to sort by, with - before it for descending")
	f.IntVar(&o.Limit, "limit", 0, "how many to list; all if left out")
	return o
}

func listCommand[T any](a *app, k *kind[T], narrow func(context.Context, *client.Client, *client.ListOptions) error) *cobra.Command {
	var o *client.ListOptions
	cmd := a.command("list", "List "+plural(k.noun), cobra.NoArgs, func(ctx context.Context, c *client.Client, _ []string) error {
		if err := a.narrow(ctx, c, o, k.filters); err != nil {
			return err
		}
		if narrow != nil {
			if err := narrow(ctx, c, o); err != nil {
				return err
			}
		}
		rows, err := all(ctx, k.reader(c), *o)
		if err != nil {
			return err
		}
		return printList(a, rows, k.columns, k.label)
	})
	o = a.listFlags(cmd)
	return cmd
}

func plural(noun string) string {
	if strings.HasSuffix(noun, "y") {
		return strings.TrimSuffix(noun, "y") + "ies"
	}
	return noun + "s"
}

// pageSize is how many objects one call of a list brings.
const pageSize = 500

// all reads the pages of a list, up to its limit.
func all[T any](ctx context.Context, r client.Reader[T], o client.ListOptions) ([]T, error) {
	n := o.Limit
	if n < 0 {
		return nil, usagef("--limit: must not be negative")
	}
	if o.Limit = pageSize; n > 0 {
		o.Limit = min(n, pageSize)
	}
	rows := []T{}
	for v, err := range r.All(ctx, o) {
		if err != nil {
			return nil, err
		}
		if rows = append(rows, v); len(rows) == n {
			break
		}
	}
	return rows, nil
}

func showCommand[T any](a *app, k *kind[T]) *cobra.Command {
	use := "show NAME"
	if k.name == nil {
		use = "show ID"
	}
	cmd := a.command(use, "Show a "+k.noun, cobra.ExactArgs(1), func(ctx context.Context, c *client.Client, args []string) error {
		in, err := a.in(ctx, c, k.level, args[0])
		if err != nil {
			return err
		}
		v, err := k.reader(c).Get(ctx, args[0], in)
		if err != nil {
			return err
		}
		return printOne(a, v, k.label(v))
	})
	return completing(a, k, cmd)
}

// deleteCommand deletes one or several. opts, if not nil, adds to each call.
func deleteCommand[T any](a *app, k *kind[T], opts func() []client.Option) *cobra.Command {
	use := "delete NAME..."
	if k.name == nil {
		use = "delete ID..."
	}
	cmd := a.command(use, "Delete "+plural(k.noun), cobra.MinimumNArgs(1), func(ctx context.Context, c *client.Client, args []string) error {
		do := func(ref string, o ...client.Option) (*client.Result[T], error) {
			if opts != nil {
				o = append(o, opts()...)
			}
			return k.deleter(c).Delete(ctx, ref, o...)
		}
		return verb(ctx, a, c, k, words{"deleting", "deleted"}, args, do)
	})
	return completing(a, k, a.mutating(cmd))
}

// completing completes the names of the kind.
func completing[T any](a *app, k *kind[T], cmd *cobra.Command) *cobra.Command {
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 && !strings.HasSuffix(cmd.Use, "...") {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return names(cmd.Context(), a, k)
	}
	return cmd
}

// completeFlag completes a flag with the names of a kind.
func completeFlag[T any](a *app, k *kind[T], cmd *cobra.Command, flag string) {
	must(cmd.RegisterFlagCompletionFunc(flag, func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return names(cmd.Context(), a, k)
	}))
}

// completionTime is how long a shell waits for names.
const completionTime = 3 * time.Second

func names[T any](ctx context.Context, a *app, k *kind[T]) ([]string, cobra.ShellCompDirective) {
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, completionTime)
	defer cancel()
	c, err := a.client()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var o client.ListOptions
	if err := a.narrow(ctx, c, &o, k.filters); err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	rows, err := all(ctx, k.reader(c), o)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var out []string
	for i := range rows {
		out = append(out, k.label(&rows[i]))
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}
