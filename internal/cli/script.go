package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"atoll/api"
	"atoll/client"
)

var scripts = &kind[api.Script]{
	noun: "script", level: inInstallation,
	reader:  func(c *client.Client) client.Reader[api.Script] { return c.Scripts().Reader },
	deleter: func(c *client.Client) client.Deleter[api.Script] { return c.Scripts().Deleter },
	id:      func(s *api.Script) string { return s.ID },
	name:    func(s *api.Script) string { return s.Name },
	columns: []column[api.Script]{
		{"NAME", func(s *api.Script) string { return s.Name }},
		{"REVISION", func(s *api.Script) string { return num(s.Revision) }},
		{"KIND", func(s *api.Script) string { return s.Header.Kind }},
		{"ROLES", func(s *api.Script) string { return strings.Join(s.Header.Roles, ",") }},
		{"EVERY", func(s *api.Script) string { return s.Header.Every + s.Header.Cron }},
		{"AGE", func(s *api.Script) string { return age(s.CreatedAt) }},
		{"DESCRIPTION", func(s *api.Script) string { return firstLine(s.Header.Description) }},
	},
}

// maxScript bounds what is sent as a script.
const maxScript = 4 << 20

func (a *app) scriptCommand() *cobra.Command {
	var name string
	create := a.command("create FILE", "Upload a script, or its next revision", cobra.ExactArgs(1), func(ctx context.Context, c *client.Client, args []string) error {
		body, err := readSome(args[0], maxScript)
		if err != nil {
			return err
		}
		n := name
		if n == "" {
			n = strings.TrimSuffix(filepath.Base(args[0]), filepath.Ext(args[0]))
		}
		r, err := c.Scripts().Create(ctx, n, body, a.options()...)
		return one(ctx, a, c, scripts, words{"creating", "created"}, n, r, err)
	})
	create.Flags().StringVar(&name, "name", "", "its name; the file's without its ending if left out")

	var source bool
	show := showCommand(a, scripts)
	shown := show.RunE
	show.RunE = func(cmd *cobra.Command, args []string) error {
		if !source {
			return shown(cmd, args)
		}
		c, err := a.client()
		if err != nil {
			return err
		}
		text, err := c.Scripts().Source(cmd.Context(), args[0])
		if err != nil {
			return a.explain(err)
		}
		defer text.Close()
		_, err = io.Copy(a.Stdout, text)
		return err
	}
	show.Flags().BoolVar(&source, "source", false, "print the script itself")
	return a.noun("script", "Executables that nodes run",
		a.mutating(create), listCommand(a, scripts, nil), show, a.scriptRun(), deleteCommand(a, scripts, nil))
}

// readSome reads a file that must be short.
func readSome(file string, limit int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("%s has more than %d bytes", file, limit)
	}
	return text, err
}

func (a *app) scriptRun() *cobra.Command {
	var in runInput
	var args []string
	cmd := a.command("run NAME (--node NODE | --role ROLE | --all) [--arg NAME=VALUE]...", "Run a script on nodes", cobra.ExactArgs(1), func(ctx context.Context, c *client.Client, names []string) error {
		var err error
		in.Script = names[0]
		if in.Args, err = scriptArgs(args); err != nil {
			return err
		}
		return a.fanOut(ctx, c, in)
	})
	cmd.Flags().StringArrayVar(&args, "arg", nil, "an argument, name=value; a value that is JSON is taken as such; repeatable")
	return completing(a, scripts, a.runFlags(cmd, &in))
}

// scriptArgs makes a JSON object of name=value.
func scriptArgs(args []string) (json.RawMessage, error) {
	if len(args) == 0 {
		return nil, nil
	}
	out := map[string]json.RawMessage{}
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok || name == "" {
			return nil, usagef("--arg: %q is not of the form name=value", arg)
		}
		if !json.Valid([]byte(value)) {
			text, err := json.Marshal(value)
			if err != nil {
				return nil, err
			}
			value = string(text)
		}
		out[name] = json.RawMessage(value)
	}
	return json.Marshal(out)
}
