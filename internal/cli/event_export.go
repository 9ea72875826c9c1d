package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"atoll/client"
)

// eventsOf are the flags that narrow a list of events.
type eventsOf struct {
	texts    map[string]*string
	from, to string
}

// flags adds them to the command and returns their names.
func (e *eventsOf) flags(cmd *cobra.Command) []string {
	e.texts = map[string]*string{}
	names := []string{"from", "to"}
	for _, f := range []struct{ param, flag, usage string }{
		{"actor", "actor", "only what this user did, by id or name"},
		{"action", "action", "only actions that begin with this, such as machine."},
		{"outcome", "outcome", "ok, refused or failed"},
		{"class", "class", "api, operation, state or auth"},
		{"subject", "subject", "only events about the object with this id"},
	} {
		e.texts[f.param] = cmd.Flags().String(f.flag, "", f.usage)
		names = append(names, f.flag)
	}
	cmd.Flags().StringVar(&e.from, "from", "", "from this moment on: 2026-01-31, 2026-01-31T12:00:00Z, or 24h ago as 24h")
	cmd.Flags().StringVar(&e.to, "to", "", "before this moment")
	return names
}

// query adds the flags' query parameters to those of the list.
func (e *eventsOf) query(in map[string]string) (map[string]string, error) {
	out := map[string]string{}
	for k, v := range in {
		out[k] = v
	}
	for param, v := range e.texts {
		out[param] = *v
	}
	for param, text := range map[string]string{"from": e.from, "to": e.to} {
		if text == "" {
			continue
		}
		at, err := moment(text, time.Now())
		if err != nil {
			return nil, usagef("--%s: %w", param, err)
		}
		out[param] = at.Format(time.RFC3339Nano)
	}
	return out, nil
}

// moment reads a day, a moment, or how long ago it was.
func moment(text string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if at, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no moment such as 2026-01-31, 2026-01-31T12:00:00Z or 24h", text)
}

func (a *app) eventExport() *cobra.Command {
	var of eventsOf
	var format, file string
	cmd := a.command("export", "Write events, oldest first, as CSV or lines of JSON", cobra.NoArgs, func(ctx context.Context, c *client.Client, _ []string) (err error) {
		q, err := of.query(nil)
		if err != nil {
			return err
		}
		body, err := c.Events().Export(ctx, format, q)
		if err != nil {
			return err
		}
		defer body.Close()
		to := a.Stdout
		if file != "" {
			f, err := os.OpenFile(file, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
			if err != nil {
				return err
			}
			defer f.Close() // for an error before the other
			if _, err := io.Copy(f, body); err != nil {
				return fmt.Errorf("the export is not whole: %w", err)
			}
			return f.Close()
		}
		if _, err := io.Copy(to, body); err != nil {
			return fmt.Errorf("the export is not whole: %w", err)
		}
		return nil
	})
	of.flags(cmd)
	cmd.Flags().StringVar(&format, "format", "csv", "csv or jsonl")
	cmd.Flags().StringVar(&file, "file", "", "write to this file, which only you can read")
	return cmd
}
