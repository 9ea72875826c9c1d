package cli

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v4"

	"atoll/api"
	"atoll/client"
)

// frontMatter is the YAML at the top of a page's file.
type frontMatter struct {
	Title string `yaml:"title"`
}

const fence = "---\n"

// pageFile is a page as a file.
func pageFile(title, body string) ([]byte, error) {
	head, err := yaml.Marshal(frontMatter{title})
	return slices.Concat([]byte(fence), head, []byte(fence), []byte(body)), err
}

// readPageFile reads a page's file, whose front matter may be missing.
func readPageFile(text []byte) (title, body string, err error) {
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	rest, ok := bytes.CutPrefix(text, []byte(fence))
	head, after, closed := bytes.Cut(rest, []byte("\n"+fence))
	if !ok || !closed {
		return "", string(text), nil
	}
	var m frontMatter
	if err := yaml.Unmarshal(head, &m); err != nil {
		return "", "", fmt.Errorf("the lines between --- at its top are no YAML: %w", err)
	}
	return m.Title, string(after), nil
}

func (a *app) pageExport() *cobra.Command {
	return a.command("export DIR --space SPACE", "Write the pages of a space as files", cobra.ExactArgs(1), func(ctx context.Context, c *client.Client, args []string) error {
		s, err := a.theSpace(ctx, c)
		if err != nil {
			return err
		}
		list, err := all(ctx, c.WikiPages().Reader, client.ListOptions{Sort: "slug", Filter: []string{"space=" + s.ID}})
		if err != nil {
			return err
		}
		for _, p := range list {
			full, err := c.WikiPages().Get(ctx, p.ID)
			if err != nil {
				return err
			}
			text, err := pageFile(full.Title, full.Body)
			if err != nil {
				return err
			}
			file := filepath.Join(args[0], filepath.FromSlash(p.Slug)+".md") // a slug has no part that leads elsewhere
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(file, text, 0o644); err != nil {
				return err
			}
			fmt.Fprintln(a.Stdout, file)
		}
		return nil
	})
}

func (a *app) pageImport() *cobra.Command {
	var comment string
	cmd := a.command("import DIR --space SPACE", "Make and change pages from the .md files of a folder; none is deleted", cobra.ExactArgs(1), func(ctx context.Context, c *client.Client, args []string) error {
		s, err := a.theSpace(ctx, c)
		if err != nil {
			return err
		}
		files, err := pageFiles(args[0])
		if err != nil {
			return err
		}
		return each(files, func(file string) error {
			done, err := a.importPage(ctx, c, s, args[0], file, comment)
			if err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			_, err = fmt.Fprintf(a.Stdout, "%s %s\n", file, done)
			return err
		})
	})
	cmd.Flags().StringVar(&comment, "comment", "imported", "why, for the history")
	return a.mutating(cmd)
}

// pageFiles are the .md files below the folder.
func pageFiles(dir string) (files []string, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && filepath.Ext(path) == ".md" {
			files = append(files, path)
		}
		return err
	})
	if err == nil && len(files) == 0 {
		err = usagef("there is no .md file in %s", dir)
	}
	return files, err
}

// importPage makes or changes one page and says what it did.
func (a *app) importPage(ctx context.Context, c *client.Client, s *api.WikiSpace, dir, file, comment string) (done string, err error) {
	text, err := readSome(file, maxPageFile)
	if err != nil {
		return "", err
	}
	title, body, err := readPageFile(text)
	if err != nil {
		return "", err
	}
	rel, err := filepath.Rel(dir, file)
	if err != nil {
		return "", err
	}
	slug := strings.TrimSuffix(filepath.ToSlash(rel), ".md")
	old, err := c.WikiPages().Get(ctx, slug, client.InSpace("", "", s.ID))
	if client.CodeOf(err) == client.NotFound {
		_, err = c.WikiPages().Create(ctx, api.WikiPageCreate{Space: s.ID, Slug: slug, Title: title, Body: body, Comment: comment}, a.options()...)
		return "created", err
	}
	if err != nil {
		return "", err
	}
	if old.Body == body && (title == "" || title == old.Title) {
		return "unchanged", nil
	}
	in := api.WikiPageUpdate{Body: &body, Comment: comment}
	if title != "" {
		in.Title = &title
	}
	_, err = c.WikiPages().Update(ctx, old.ID, in, append(a.options(), client.IfMatch(old.Version))...)
	return "updated", err
}
