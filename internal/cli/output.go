package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"go.yaml.in/yaml/v4"

	"atoll/api"
)

// column is one of a kind's table.
type column[T any] struct {
	head string
	cell func(*T) string
}

func (a *app) checkOutput() error {
	if !slices.Contains([]string{"", "table", "json", "yaml", "name"}, a.output) {
		return usagef("--output: %q is no format; they are table, json, yaml and name", a.output)
	}
	return nil
}

// printList prints objects in the asked format, a table if none was.
func printList[T any](a *app, rows []T, cols []column[T], name func(*T) string) error {
	switch a.output {
	case "json", "yaml":
		if rows == nil {
			rows = []T{}
		}
		return a.printData(rows)
	case "name":
		for i := range rows {
			if _, err := fmt.Fprintln(a.Stdout, name(&rows[i])); err != nil {
				return err
			}
		}
		return nil
	}
	w := tabwriter.NewWriter(a.Stdout, 0, 0, 2, ' ', 0)
	head := make([]string, len(cols))
	for i, c := range cols {
		head[i] = c.head
	}
	fmt.Fprintln(w, strings.Join(head, "\t"))
	for i := range rows {
		cells := make([]string, len(cols))
		for j, c := range cols {
			cells[j] = cell(c.cell(&rows[i]))
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	return w.Flush()
}

// cell makes text fit for a table: one line, never empty, nothing that a
// terminal would obey.
func cell(s string) string {
	s = printable(s)
	if s == "" {
		return "-"
	}
	return s
}

func printable(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, s))
}

// printOne prints one object: its fields, line by line, if no format was asked.
func printOne(a *app, v any, name string) error {
	switch a.output {
	case "json", "yaml":
		return a.printData(v)
	case "name":
		_, err := fmt.Fprintln(a.Stdout, name)
		return err
	}
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var n yaml.Node // keeps the order of the fields
	if err := yaml.Unmarshal(text, &n); err != nil {
		return err
	}
	w := tabwriter.NewWriter(a.Stdout, 0, 0, 2, ' ', 0)
	fields(w, "", &n)
	return w.Flush()
}

// fields prints the fields of a JSON object, those of objects in it with a dot.
func fields(w io.Writer, prefix string, n *yaml.Node) {
	switch n.Kind {
	case yaml.DocumentNode:
		fields(w, prefix, n.Content[0])
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i].Value
			if prefix != "" {
				key = prefix + "." + key
			}
			fields(w, key, n.Content[i+1])
		}
	case yaml.SequenceNode:
		var words []string
		for i, x := range n.Content {
			if x.Kind == yaml.ScalarNode {
				words = append(words, x.Value)
			} else {
				fields(w, prefix+"."+strconv.Itoa(i), x)
			}
		}
		if len(words) > 0 {
			fmt.Fprintf(w, "%s:\t%s\n", prefix, printable(strings.Join(words, ", ")))
		}
	default:
		if n.Tag != "!!null" && n.Value != "" {
			fmt.Fprintf(w, "%s:\t%s\n", prefix, printable(n.Value))
		}
	}
}

// printData prints JSON or YAML with the same fields in the same order.
func (a *app) printData(v any) error {
	if a.output != "yaml" {
		enc := json.NewEncoder(a.Stdout)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return enc.Encode(v)
	}
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var n yaml.Node
	if err := yaml.Unmarshal(text, &n); err != nil {
		return err
	}
	plain(&n)
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(&n); err != nil {
		return err
	}
	_, err = a.Stdout.Write(b.Bytes())
	return err
}

// oldBooleans are texts that readers of YAML 1.1 take for true and false.
var oldBooleans = regexp.MustCompile(`(?i)^(y|n|yes|no|on|off)$`)

// plain gives what was read from JSON the look of YAML.
func plain(n *yaml.Node) {
	if n.Style = 0; n.Kind == yaml.ScalarNode && oldBooleans.MatchString(n.Value) {
		n.Style = yaml.DoubleQuotedStyle
	}
	for _, c := range n.Content {
		plain(c)
	}
}

// printPlan prints the answer to a dry run.
func (a *app) printPlan(p *api.Plan) error {
	if a.output == "json" || a.output == "yaml" {
		return a.printData(p)
	}
	w := tabwriter.NewWriter(a.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "Plan: %s (nothing was changed)\n", p.Action)
	if len(p.Placement) > 0 {
		fmt.Fprintln(w, "Placement:")
	}
	for _, c := range p.Placement {
		verdict := "rejected"
		if c.Chosen {
			verdict = "chosen"
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\n", c.Node, verdict, printable(c.Reason))
	}
	if len(p.Quota) > 0 {
		fmt.Fprintln(w, "Quota:")
	}
	for _, q := range p.Quota {
		limit := "no limit"
		if q.Limit >= 0 {
			limit = fmt.Sprintf("of %d", q.Limit)
		}
		fmt.Fprintf(w, "  %s %s\t%s\t%+d\t%d -> %d\t%s\n", q.ScopeKind, q.Scope, q.Resource, q.Delta, q.Amount, q.Amount+q.Delta, limit)
	}
	if len(p.Application)+len(p.Deployment) > 0 {
		fmt.Fprintln(w, "Configuration:")
	}
	a.printChanges(w, p.Application, "")
	a.printChanges(w, p.Deployment, "deployment: ")
	if len(p.Steps) > 0 {
		fmt.Fprintln(w, "Steps:")
	}
	for i, s := range p.Steps {
		fmt.Fprintf(w, "  %d. %s\n", i+1, s)
	}
	return w.Flush()
}

// age is how long ago t was, short.
func age(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	d := time.Since(t)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", max(0, int(d.Seconds())))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

func clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format(time.DateTime)
}

func num(n int64) string { return strconv.FormatInt(n, 10) }

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// limitText is a quota's limit.
func limitText(n int64) string {
	if n < 0 {
		return "none"
	}
	return num(n)
}
