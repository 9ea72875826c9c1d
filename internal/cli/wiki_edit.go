package cli

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"

	"github.com/spf13/cobra"

	"atoll/api"
	"atoll/client"
)

func (a *app) pageEdit() *cobra.Command {
	var comment string
	cmd := a.command("edit SLUG", "Change a page in $VISUAL or $EDITOR", cobra.ExactArgs(1), func(ctx context.Context, c *client.Client, args []string) error {
		p, err := a.page(ctx, c, args[0])
		if err != nil {
			return err
		}
		file, text, err := a.inEditor(ctx, p.Body)
		if err != nil {
			return err
		}
		if text == p.Body {
			a.note("page %s was not changed", p.Slug)
			return os.Remove(file)
		}
		r, err := c.WikiPages().Update(ctx, p.ID, api.WikiPageUpdate{Body: &text, Comment: comment}, append(a.options(), client.IfMatch(p.Version))...)
		if err != nil {
			return a.notSaved(p, file, err)
		}
		if err := os.Remove(file); err != nil {
			return err
		}
		return one(ctx, a, c, wikiPages, words{"updating", "updated"}, p.Slug, r, nil)
	})
	cmd.Flags().StringVar(&comment, "comment", "", "why, for the history")
	return completing(a, wikiPages, a.mutating(cmd))
}

// inEditor lets the user change the text in a file that the caller removes.
func (a *app) inEditor(ctx context.Context, text string) (file, edited string, err error) {
	editor := cmp.Or(a.Getenv("VISUAL"), a.Getenv("EDITOR"), "vi")
	f, err := os.CreateTemp("", "atoll-page-*.md")
	if err != nil {
		return "", "", err
	}
	if _, err = f.WriteString(text); err == nil {
		err = f.Close()
	}
	if err != nil {
		return "", "", err
	}
	cmd := exec.CommandContext(ctx, "sh", "-c", editor+` "$1"`, "sh", f.Name()) // an editor may have arguments
	cmd.Stdin, cmd.Stdout, cmd.Stderr = a.Stdin, a.Stdout, a.Stderr
	if err := cmd.Run(); err != nil {
		return "", "", fmt.Errorf("%s: %w; the text is in %s", editor, err, f.Name())
	}
	b, err := readSome(f.Name(), maxPageFile)
	if err != nil {
		return "", "", fmt.Errorf("%w; the text is in %s", err, f.Name())
	}
	return f.Name(), string(b), nil
}

// notSaved says where the text is that was refused, and what to do.
func (a *app) notSaved(p *api.WikiPage, file string, err error) error {
	a.note("your text is in %s", file)
	if client.CodeOf(err) == client.Conflict {
		a.note("see what was changed meanwhile with 'atoll page diff %s --from %d', put it together, and save it with 'atoll page update %s -f %s'", p.ID, p.Revision, p.ID, file)
	}
	return err
}
