package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v4"

	"atoll/api"
	"atoll/client"
)

// configFlags are the flags for overrides, of the application and, with
// -deployment behind, of the deployment.
type configFlags struct {
	set, secret, del, unset                                         []string
	setDeployment, secretDeployment, delDeployment, unsetDeployment []string
	file                                                            string
}

var configFlagNames = []string{
	"set", "set-secret", "delete", "unset", "set-deployment", "set-secret-deployment", "delete-deployment", "unset-deployment", "file",
}

func (f *configFlags) add(cmd *cobra.Command, exists bool) {
	fl := cmd.Flags()
	fl.StringArrayVar(&f.set, "set", nil, "KEY=VALUE of the application's configuration; repeatable")
	fl.StringArrayVar(&f.secret, "set-secret", nil, "KEY=VALUE that is kept encrypted and never shown, KEY=- reads it from standard input; repeatable")
	fl.StringArrayVar(&f.del, "delete", nil, "KEY whose default is taken away; repeatable")
	fl.StringArrayVar(&f.setDeployment, "set-deployment", nil, "KEY=VALUE of the deployment's configuration; repeatable")
	fl.StringArrayVar(&f.secretDeployment, "set-secret-deployment", nil, "as --set-secret, of the deployment's configuration")
	fl.StringArrayVar(&f.delDeployment, "delete-deployment", nil, "as --delete, of the deployment's configuration")
	fl.StringVarP(&f.file, "file", "f", "", "YAML file with 'application' and 'deployment': trees of keys, null takes a default away; - is standard input")
	if !exists {
		return
	}
	fl.StringArrayVar(&f.unset, "unset", nil, "KEY of an override that ends: the default holds again; repeatable")
	fl.StringArrayVar(&f.unsetDeployment, "unset-deployment", nil, "as --unset, of the deployment's configuration")
}

// read returns the overrides of the file with those of the flags over them.
func (f *configFlags) read(a *app) (app, dep []api.Override, err error) {
	file, err := f.readFile(a)
	if err != nil {
		return nil, nil, err
	}
	if app, err = flagged(a, file.application, f.set, f.secret, f.del); err != nil {
		return nil, nil, err
	}
	dep, err = flagged(a, file.deployment, f.setDeployment, f.secretDeployment, f.delDeployment)
	return app, dep, err
}

// change is what the flags and the file change; nil is nothing.
func (f *configFlags) change(a *app) (app, dep *api.ConfigUpdate, err error) {
	appSet, depSet, err := f.read(a)
	if err != nil {
		return nil, nil, err
	}
	update := func(set []api.Override, unset []string) *api.ConfigUpdate {
		if len(set)+len(unset) == 0 {
			return nil
		}
		return &api.ConfigUpdate{Set: set, Unset: unset}
	}
	return update(appSet, f.unset), update(depSet, f.unsetDeployment), nil
}

func flagged(a *app, list []api.Override, set, secret, del []string) ([]api.Override, error) {
	put := func(o api.Override) {
		list = append(slices.DeleteFunc(list, func(v api.Override) bool { return v.Key == o.Key }), o)
	}
	for _, text := range set {
		k, v, ok := strings.Cut(text, "=")
		if !ok {
			return nil, usagef("--set: %q is no override: write KEY=VALUE, such as image.tag=v1", text)
		}
		put(api.Override{Key: strings.TrimSpace(k), Value: v})
	}
	for _, text := range secret {
		k, v, ok := strings.Cut(text, "=")
		if !ok {
			return nil, usagef("--set-secret: write KEY=VALUE, or KEY=- to read it from standard input")
		}
		if v == "-" {
			b, err := io.ReadAll(a.Stdin)
			if err != nil {
				return nil, fmt.Errorf("--set-secret: %w", err)
			}
			v = strings.TrimRight(string(b), "\r\n")
		}
		put(api.Override{Key: strings.TrimSpace(k), Value: v, Secret: true})
	}
	for _, k := range del {
		put(api.Override{Key: k, Deleted: true})
	}
	return list, nil
}

type fileConfig struct{ application, deployment []api.Override }

// readFile reads a file of overrides. One that has neither 'application' nor
// 'deployment' is refused, as the values of something else.
func (f *configFlags) readFile(a *app) (out fileConfig, err error) {
	if f.file == "" {
		return out, nil
	}
	var text []byte
	if f.file == "-" {
		text, err = io.ReadAll(a.Stdin)
	} else {
		text, err = os.ReadFile(f.file)
	}
	if err != nil {
		return out, fmt.Errorf("--file: %w", err)
	}
	var doc struct {
		Application yaml.Node `yaml:"application"`
		Deployment  yaml.Node `yaml:"deployment"`
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		return out, usagef("--file %s: %w; it may have 'application' and 'deployment', each a tree of keys", f.file, err)
	}
	if out.application, err = flatten("", &doc.Application, nil); err == nil {
		out.deployment, err = flatten("", &doc.Deployment, nil)
	}
	if err != nil {
		return out, usagef("--file %s: %w", f.file, err)
	}
	return out, nil
}

// flatten appends the values of a tree with dotted keys. Lists have their numbers as
// keys.
func flatten(key string, n *yaml.Node, out []api.Override) ([]api.Override, error) {
	below := func(part string) string {
		if key == "" {
			return part
		}
		return key + "." + part
	}
	var err error
	switch n.Kind {
	case 0:
		return out, nil
	case yaml.AliasNode:
		return flatten(key, n.Alias, out)
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content) && err == nil; i += 2 {
			out, err = flatten(below(n.Content[i].Value), n.Content[i+1], out)
		}
		return out, err
	case yaml.SequenceNode:
		for i, c := range n.Content {
			if out, err = flatten(below(fmt.Sprint(i)), c, out); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	if key == "" {
		return nil, fmt.Errorf("line %d has a value without a key", n.Line)
	}
	if n.Tag == "!!null" {
		return append(out, api.Override{Key: key, Deleted: true}), nil
	}
	return append(out, api.Override{Key: key, Value: n.Value}), nil
}

// printChanges prints differences of a configuration, one for each line.
func (a *app) printChanges(w io.Writer, list []api.ConfigChange, what string) {
	for _, c := range list {
		if c.Old != nil {
			fmt.Fprintf(w, "- %s%s=%s\n", what, c.Key, printable(*c.Old))
		}
		if c.New != nil {
			fmt.Fprintf(w, "+ %s%s=%s\n", what, c.Key, printable(*c.New))
		}
	}
}

var actionColumns = []column[api.Action]{
	{"ID", func(v *api.Action) string { return v.ID }},
	{"ACTION", func(v *api.Action) string { return v.Action }},
	{"OUTCOME", func(v *api.Action) string { return v.Outcome }},
	{"WHO", func(v *api.Action) string { return v.Actor }},
	{"SCRIPT", func(v *api.Action) string { return v.Script }},
	{"EXIT", func(v *api.Action) string { return num(v.ExitCode) }},
	{"STATE", func(v *api.Action) string { return cmp.Or(v.To, v.From) }},
	{"AGE", func(v *api.Action) string { return age(v.StartedAt) }},
	{"MESSAGE", func(v *api.Action) string { return v.Message }},
}

// deploymentLogs lists what was done to a deployment, or prints the output of one
// action's script.
func (a *app) deploymentLogs() *cobra.Command {
	var action string
	var follow bool
	cmd := a.command("logs NAME", "List what was done to a deployment; with --action or --follow, print a script's output", cobra.ExactArgs(1), func(ctx context.Context, c *client.Client, args []string) error {
		where, err := a.in(ctx, c, inProject, args[0])
		if err != nil {
			return err
		}
		d, err := c.Deployments().Get(ctx, args[0], where)
		if err != nil {
			return err
		}
		o := client.ListOptions{Sort: "-created_at", Filter: []string{"deployment=" + d.ID}}
		switch {
		case action == "" && !follow:
			rows, err := all(ctx, c.Actions(), o)
			if err != nil {
				return err
			}
			return printList(a, rows, actionColumns, func(v *api.Action) string { return v.ID })
		case action == "":
			o.Limit, o.Filter = 1, append(o.Filter, "verb!=health")
			p, err := c.Actions().List(ctx, o)
			if err != nil {
				return err
			}
			if len(p.Items) == 0 {
				return usagef("nothing was done to %s yet", args[0])
			}
			action = p.Items[0].ID
		}
		return a.actionOutput(ctx, c, action, follow)
	})
	cmd.Flags().StringVar(&action, "action", "", "id of an action: print the output of its control script")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "print the output of the newest action, or of --action, until it has ended")
	return completing(a, deployments, cmd)
}

// actionOutput prints the output of the action's control script.
func (a *app) actionOutput(ctx context.Context, c *client.Client, id string, follow bool) error {
	act, err := c.Actions().Get(ctx, id)
	if err != nil {
		return err
	}
	if old := act.Imported; old != nil {
		for line := range strings.Lines(old.Stdout) {
			fmt.Fprintln(a.Stdout, printable(line))
		}
		for line := range strings.Lines(old.Stderr) {
			fmt.Fprintln(a.Stderr, printable(line))
		}
		return nil
	}
	job := act.JobID
	for job == "" && act.OperationID != "" {
		jobs, err := c.Operations().Jobs(ctx, act.OperationID)
		if err != nil {
			return err
		}
		for _, j := range jobs {
			if j.Queue == "control" {
				job = j.ID
			}
		}
		if job != "" || !follow {
			break
		}
		op, err := c.Operations().Get(ctx, act.OperationID, client.Hold(time.Second))
		if err != nil {
			return err
		}
		follow = op.Live()
	}
	if job == "" {
		return usagef("no control script has run in action %s", id)
	}
	for line, err := range c.Jobs().Logs(ctx, job, follow) {
		if err != nil {
			return err
		}
		fmt.Fprintln(a.stream(line), printable(line.Text))
	}
	return nil
}

// deploymentName makes a name of a branch.
func (a *app) deploymentName() *cobra.Command {
	var branch string
	cmd := &cobra.Command{
		Use: "name --branch BRANCH", Short: "Print a valid name of a deployment for a branch", Args: cobra.NoArgs, DisableFlagsInUseLine: true,
		RunE: func(*cobra.Command, []string) error {
			name, err := client.DeploymentName(branch)
			if err != nil {
				return usagef("--branch: %w", err)
			}
			_, err = fmt.Fprintln(a.Stdout, name)
			return err
		},
	}
	cmd.Flags().StringVar(&branch, "branch", "", "branch, such as feature/X-123")
	must(cmd.MarkFlagRequired("branch"))
	return cmd
}
