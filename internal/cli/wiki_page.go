package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"atoll/api"
	"atoll/client"
)

var wikiPages = &kind[api.WikiPage]{
	noun: "page", level: inSpace,
	reader:  func(c *client.Client) client.Reader[api.WikiPage] { return c.WikiPages().Reader },
	deleter: func(c *client.Client) client.Deleter[api.WikiPage] { return c.WikiPages().Deleter },
	id:      func(p *api.WikiPage) string { return p.ID },
	name:    func(p *api.WikiPage) string { return p.Slug },
	filters: []string{"account", "project"},
	columns: []column[api.WikiPage]{
		{"SLUG", func(p *api.WikiPage) string { return p.Slug }},
		{"SPACE", func(p *api.WikiPage) string { return p.Space }},
		{"REVISION", func(p *api.WikiPage) string { return num(p.Revision) }},
		{"AUTHOR", func(p *api.WikiPage) string { return p.Author }},
		{"CHANGED", func(p *api.WikiPage) string { return age(p.UpdatedAt) }},
		{"TITLE", func(p *api.WikiPage) string { return p.Title }},
	},
}

// maxPageFile bounds what is sent as a page.
const maxPageFile = 256 << 10

func (a *app) wikiPageCommand() *cobra.Command {
	cmd := a.wikiScopeFlags(a.noun("page", "Pages of Markdown with macros",
		a.pageList(), a.pageShow(), a.pageCreate(), a.pageUpdate(), a.pageEdit(), deleteCommand(a, wikiPages, nil),
		a.pageHistory(), a.pageDiff(), a.pageRestore(), a.pageExport(), a.pageImport()))
	cmd.PersistentFlags().StringVar(&a.space, "space", "", "space of the page, by id or name")
	return cmd
}

// theSpace is the space that --space names.
func (a *app) theSpace(ctx context.Context, c *client.Client) (*api.WikiSpace, error) {
	if a.space == "" {
		return nil, usagef("name the space with --space")
	}
	in, err := a.in(ctx, c, inWiki, a.space)
	if err != nil {
		return nil, err
	}
	return c.WikiSpaces().Get(ctx, a.space, in)
}

func (a *app) pageList() *cobra.Command {
	var search string
	cmd := listCommand(a, wikiPages, func(ctx context.Context, c *client.Client, o *client.ListOptions) error {
		if o.In = map[string]string{"q": search}; a.space == "" {
			return nil
		}
		s, err := a.theSpace(ctx, c)
		if err != nil {
			return err
		}
		o.Filter = append(o.Filter, "space="+s.ID)
		return nil
	})
	cmd.Flags().StringVar(&search, "search", "", "only pages with all of these words")
	return cmd
}

func (a *app) pageShow() *cobra.Command {
	var source bool
	show := a.command("show SLUG", "Show a page", cobra.ExactArgs(1), func(ctx context.Context, c *client.Client, args []string) error {
		p, err := a.page(ctx, c, args[0])
		if err != nil {
			return err
		}
		if source {
			_, err = io.WriteString(a.Stdout, p.Body)
			return err
		}
		return printOne(a, p, p.Slug)
	})
	show.Flags().BoolVar(&source, "source", false, "print its Markdown text only")
	return completing(a, wikiPages, show)
}

func (a *app) page(ctx context.Context, c *client.Client, ref string) (*api.WikiPage, error) {
	in, err := a.in(ctx, c, inSpace, ref)
	if err != nil {
		return nil, err
	}
	return c.WikiPages().Get(ctx, ref, in)
}

// pageText reads the text of a page: a file, or standard input for -.
func (a *app) pageText(file string) (string, error) {
	if file != "-" {
		text, err := readSome(file, maxPageFile)
		return string(text), err
	}
	text, err := io.ReadAll(io.LimitReader(a.Stdin, maxPageFile+1))
	if err == nil && len(text) > maxPageFile {
		err = fmt.Errorf("the input has more than %d bytes", maxPageFile)
	}
	return string(text), err
}

func (a *app) pageCreate() *cobra.Command {
	var in api.WikiPageCreate
	var file string
	cmd := a.command("create SLUG --space SPACE [-f FILE.md]", "Create a page", cobra.ExactArgs(1), func(ctx context.Context, c *client.Client, args []string) error {
		if file != "" {
			text, err := a.pageText(file)
			if err != nil {
				return err
			}
			in.Body = text
		}
		s, err := a.theSpace(ctx, c)
		if err != nil {
			return err
		}
		in.Space, in.Slug = s.ID, args[0]
		r, err := c.WikiPages().Create(ctx, in, a.options()...)
		return one(ctx, a, c, wikiPages, words{"creating", "created"}, args[0], r, err)
	})
	f := cmd.Flags()
	f.StringVarP(&file, "file", "f", "", "its text: a file of Markdown, or - for standard input")
	f.StringVar(&in.Title, "title", "", "its title; the first heading if left out")
	f.StringVar(&in.Comment, "comment", "", "why, for the history")
	return a.mutating(cmd)
}

func (a *app) pageUpdate() *cobra.Command {
	var in api.WikiPageUpdate
	var u updates
	var file *string
	cmd := updateCommand(a, wikiPages, &u, func(ctx context.Context, c *client.Client, ref string, o ...client.Option) (*client.Result[api.WikiPage], error) {
		if file != nil {
			text, err := a.pageText(*file)
			if err != nil {
				return nil, err
			}
			in.Body = &text
		}
		return c.WikiPages().Update(ctx, ref, in, o...)
	})
	text := cmd.Flags().StringP("file", "f", "", "its new text: a file of Markdown, or - for standard input")
	u.add("file", func() { file = text })
	u.text(cmd, &in.Title, "title", "new title")
	u.text(cmd, &in.Slug, "slug", "new slug: links to the old one are not changed")
	cmd.Flags().StringVar(&in.Comment, "comment", "", "why, for the history")
	return cmd
}

func (a *app) pageHistory() *cobra.Command {
	return completing(a, wikiPages, a.command("history SLUG", "List the revisions of a page", cobra.ExactArgs(1), func(ctx context.Context, c *client.Client, args []string) error {
		p, err := a.page(ctx, c, args[0])
		if err != nil {
			return err
		}
		list, err := c.WikiPages().Revisions(ctx, p.ID, client.ListOptions{Limit: pageSize})
		if err != nil {
			return err
		}
		return printList(a, list.Items, []column[api.WikiRevision]{
			{"REVISION", func(r *api.WikiRevision) string { return num(r.Number) }},
			{"AUTHOR", func(r *api.WikiRevision) string { return r.Author }},
			{"SIZE", func(r *api.WikiRevision) string { return num(r.Size) }},
			{"AGE", func(r *api.WikiRevision) string { return age(r.CreatedAt) }},
			{"COMMENT", func(r *api.WikiRevision) string { return r.Comment }},
		}, func(r *api.WikiRevision) string { return num(r.Number) })
	}))
}

func (a *app) pageDiff() *cobra.Command {
	var from, to int64
	cmd := a.command("diff SLUG", "Show what changed between two revisions of a page", cobra.ExactArgs(1), func(ctx context.Context, c *client.Client, args []string) error {
		p, err := a.page(ctx, c, args[0])
		if err != nil {
			return err
		}
		if to == 0 {
			to = p.Revision
		}
		if from < 0 {
			from = to - 1
		}
		d, err := c.WikiPages().Diff(ctx, p.ID, from, to)
		if err != nil {
			return err
		}
		if a.output == "json" || a.output == "yaml" {
			return a.printData(d)
		}
		_, err = io.WriteString(a.Stdout, d.Unified)
		return err
	})
	cmd.Flags().Int64Var(&from, "from", -1, "the older revision; the one before the other if left out, 0 for an empty page")
	cmd.Flags().Int64Var(&to, "to", 0, "the newer revision; the newest if left out")
	return completing(a, wikiPages, cmd)
}

func (a *app) pageRestore() *cobra.Command {
	return a.mutating(a.command("restore SLUG REVISION", "Make an old revision of a page the newest", cobra.ExactArgs(2), func(ctx context.Context, c *client.Client, args []string) error {
		n, err := strconv.ParseInt(args[1], 10, 64)
		if err != nil || n < 1 {
			return usagef("%q is no number of a revision; 'atoll page history %s' lists them", args[1], args[0])
		}
		p, err := a.page(ctx, c, args[0])
		if err != nil {
			return err
		}
		r, err := c.WikiPages().Restore(ctx, p.ID, n, append(a.options(), client.IfMatch(p.Version))...)
		return one(ctx, a, c, wikiPages, words{"restoring", "restored"}, args[0], r, err)
	}))
}
