package octo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"atoll/internal/octopod"
)

// Widths at which the log's table breaks keys and values.
const (
	keyWidth   = 15
	valueWidth = 25
)

func (env Env) infoCommand() *cobra.Command {
	var name string
	return named(env.command("info", "get the deployment info", func(ctx context.Context, c *octopod.Client) error {
		list, err := c.Info(ctx, name)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return fmt.Errorf("deployment %s not found", name)
		}
		printInfo(env.Stdout, &list[0])
		return nil
	}), &name)
}

func (env Env) logsCommand() *cobra.Command {
	var id int64
	var kind string
	cmd := env.command("logs", "get deployment logs of a given action", func(ctx context.Context, c *octopod.Client) error {
		out, err, known := logType(kind)
		if !known {
			return fmt.Errorf("option -l: cannot parse value %q: it must be stdout, stderr or all", kind)
		}
		a, failed := c.ActionInfo(ctx, id)
		switch {
		case failed != nil:
			return failed
		case out && err:
			fmt.Fprintf(env.Stdout, "\t\tstdout:\n\n%s\n\t\tstderr:\n\n%s\n", a.Stdout.Text, a.Stderr.Text)
		case out:
			fmt.Fprint(env.Stdout, a.Stdout.Text)
		default:
			fmt.Fprint(env.Stdout, a.Stderr.Text)
		}
		return nil
	})
	cmd.Flags().Int64VarP(&id, "action", "a", 0, "action id")
	cmd.Flags().StringVarP(&kind, "log-type", "l", "all", "log types to print. Values are: stdout, stderr, all")
	err := errors.Join(cmd.MarkFlagRequired("action"),
		cmd.RegisterFlagCompletionFunc("log-type", cobra.FixedCompletions([]string{"stdout", "stderr", "all"}, cobra.ShellCompDirectiveNoFileComp)))
	if err != nil {
		panic(err) // the flags are there
	}
	return cmd
}

// logType says which outputs a log type has.
func logType(text string) (out, err, known bool) {
	switch text {
	case "all", "both":
		return true, true, true
	case "stdout", "out":
		return true, false, true
	case "stderr", "err":
		return false, true, true
	}
	return false, false, false
}

func printInfo(w io.Writer, i *octopod.Info) {
	fmt.Fprintln(w, "Current settings:\nApplication config:")
	single.print(w, nil, pairs(i.Deployment.AppOverrides, 0, 0))
	fmt.Fprintln(w, "\nDeployment config: ")
	single.print(w, nil, pairs(i.Deployment.DeploymentOverrides, 0, 0))
	fmt.Fprintln(w, "\nMetadata: ")
	for _, m := range i.Metadata {
		fmt.Fprintf(w, "  %s: %s\n", m.Name, m.Link)
	}
	fmt.Fprintln(w, "\nLast logs:")
	var rows [][]cell
	for _, l := range i.Logs {
		rows = append(rows, []cell{
			{l.CreatedAt.UTC().Format("2006-01-02T15:04:05")},
			{strconv.FormatInt(l.ActionID, 10)},
			{l.Action.Word()},
			inner(l.AppOverrides), inner(l.DeploymentOverrides),
			{strconv.FormatInt(l.ExitCode, 10)},
		})
	}
	double.print(w, []string{"Created at", "Action id", "Action", "App config", "Deployment config", "Exit code"}, rows)
}

// pairs are the rows of a table of overrides, broken at the widths; 0 is not at all.
func pairs(list octopod.Overrides, key, value int) [][]cell {
	rows := make([][]cell, 0, len(list))
	for _, o := range list {
		text := o.Value
		if o.Deleted {
			text = "<<REMOVED>>"
		}
		rows = append(rows, []cell{broken(o.Key, key), broken(text, value)})
	}
	return rows
}

// inner is a table of overrides without its frame, as one cell of the log's table.
func inner(list octopod.Overrides) cell {
	var b strings.Builder
	single.print(&b, nil, pairs(list, keyWidth, valueWidth))
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	if len(lines) < 3 {
		return cell{""}
	}
	for i, l := range lines {
		r := []rune(l)
		lines[i] = string(r[1 : len(r)-1])
	}
	return lines[1 : len(lines)-1]
}

// cell is the lines of a cell.
type cell []string

// broken breaks a text at its line ends, and at the width if that is not 0.
func broken(text string, width int) cell {
	var out cell
	for line := range strings.SplitSeq(text, "\n") {
		r := []rune(line)
		for width > 0 && len(r) > width {
			out = append(out, string(r[:width]))
			r = r[width:]
		}
		out = append(out, string(r))
	}
	return out
}

// frame is how a table is drawn: the left, inner and right piece of its lines above
// all, between rows and below all, what lines are made of, and what is between cells.
type frame struct {
	top, middle, bottom [3]string
	line, side          string
	centered            bool
}

// The frames of the original's tables.
var (
	single = &frame{[3]string{"┌", "┬", "┐"}, [3]string{"├", "┼", "┤"}, [3]string{"└", "┴", "┘"}, "─", "│", false}
	double = &frame{[3]string{"╔", "╦", "╗"}, [3]string{"╠", "╬", "╣"}, [3]string{"╚", "╩", "╝"}, "═", "║", true}
)

// print draws a table: nothing at all without a head and rows.
func (f *frame) print(w io.Writer, head []string, rows [][]cell) {
	if head != nil {
		first := make([]cell, 0, len(head))
		for _, h := range head {
			first = append(first, cell{h})
		}
		rows = append([][]cell{first}, rows...)
	}
	if len(rows) == 0 {
		return
	}
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, c := range row {
			for _, line := range c {
				widths[i] = max(widths[i], len([]rune(line)))
			}
		}
	}
	f.rule(w, f.top, widths)
	for n, row := range rows {
		if n > 0 {
			f.rule(w, f.middle, widths)
		}
		f.row(w, row, widths)
	}
	f.rule(w, f.bottom, widths)
}

func (f *frame) rule(w io.Writer, pieces [3]string, widths []int) {
	parts := make([]string, 0, len(widths))
	for _, n := range widths {
		parts = append(parts, strings.Repeat(f.line, n+2))
	}
	fmt.Fprintln(w, pieces[0]+strings.Join(parts, pieces[1])+pieces[2])
}

func (f *frame) row(w io.Writer, row []cell, widths []int) {
	height := len(slices.MaxFunc(row, func(a, b cell) int { return len(a) - len(b) }))
	for n := range height {
		parts := make([]string, 0, len(row))
		for i, c := range row {
			text := ""
			if n < len(c) {
				text = c[n]
			}
			parts = append(parts, " "+f.align(text, widths[i], i)+" ")
		}
		fmt.Fprintln(w, f.side+strings.Join(parts, f.side)+f.side)
	}
}

// align fills the text up to the width. A table of pairs has its keys at the right.
func (f *frame) align(text string, width, column int) string {
	space := width - len([]rune(text))
	left := 0
	switch {
	case f.centered:
		left = space / 2
	case column == 0:
		left = space
	}
	return strings.Repeat(" ", left) + text + strings.Repeat(" ", space-left)
}
