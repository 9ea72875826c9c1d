package cli

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"atoll/api"
	"atoll/client"
)

var webhooks = &kind[api.Webhook]{
	noun: "webhook", level: inAccount,
	reader:  func(c *client.Client) client.Reader[api.Webhook] { return c.Webhooks().Reader },
	deleter: func(c *client.Client) client.Deleter[api.Webhook] { return c.Webhooks().Deleter },
	id:      func(w *api.Webhook) string { return w.ID },
	name:    func(w *api.Webhook) string { return w.Name },
	filters: []string{"project", "account"},
	columns: []column[api.Webhook]{
		{"NAME", func(w *api.Webhook) string { return w.Name }},
		{"OF", webhookScope},
		{"EVENTS", func(w *api.Webhook) string { return cmp.Or(strings.Join(w.Events, " "), "*") }},
		{"STATE", func(w *api.Webhook) string { return w.State }},
		{"LAST", func(w *api.Webhook) string { return clock(w.LastAt) }},
		{"PROBLEM", func(w *api.Webhook) string { return cmp.Or(w.Reason, w.LastError) }},
		{"URL", func(w *api.Webhook) string { return w.URL }},
	},
}

func webhookScope(w *api.Webhook) string {
	switch {
	case w.ProjectID != "":
		return "project " + w.ProjectID
	case w.AccountID != "":
		return "account " + w.AccountID
	}
	return "installation"
}

var deliveryColumns = []column[api.Delivery]{
	{"ID", func(d *api.Delivery) string { return d.ID }},
	{"ACTION", func(d *api.Delivery) string { return d.Action }},
	{"STATE", func(d *api.Delivery) string { return d.State }},
	{"ATTEMPTS", func(d *api.Delivery) string { return num(d.Attempts) }},
	{"STATUS", func(d *api.Delivery) string {
		if d.Status == 0 {
			return ""
		}
		return num(d.Status)
	}},
	{"TOOK", func(d *api.Delivery) string { return d.Duration }},
	{"SENT", func(d *api.Delivery) string { return clock(d.SentAt) }},
	{"NEXT", func(d *api.Delivery) string { return clock(d.NextAt) }},
	{"ERROR", func(d *api.Delivery) string { return d.Error }},
}

func deliveryID(d *api.Delivery) string { return d.ID }

func (a *app) webhookCommand() *cobra.Command {
	cmd := a.noun("webhook", "URLs to which events are sent",
		a.webhookCreate(), listCommand(a, webhooks, nil), showCommand(a, webhooks), a.webhookUpdate(), deleteCommand(a, webhooks, nil),
		a.webhookRotate(), a.webhookPing(), a.webhookDeliveries(), a.webhookRedeliver())
	cmd.PersistentFlags().StringVar(&a.project, "project", "", "of create: only the events of this project; of list: only its webhooks")
	return cmd
}

func (a *app) webhookCreate() *cobra.Command {
	var in api.WebhookCreate
	var whole bool
	var secret string
	cmd := a.command("create NAME --url URL", "Have events sent to a URL; the secret that signs them is shown once", cobra.ExactArgs(1), func(ctx context.Context, c *client.Client, args []string) (err error) {
		in.Name = args[0]
		switch {
		case whole && a.project != "":
			return usagef("give one of --project and --installation")
		case whole:
		case a.project != "":
			in.Account, in.Project, err = a.theProject(ctx, c)
		default:
			in.Account, err = a.theAccount(ctx, c)
		}
		if err != nil {
			return err
		}
		if in.Secret, err = webhookSecret(secret); err != nil {
			return err
		}
		r, err := c.Webhooks().Create(ctx, in, a.options()...)
		return a.showWebhookSecret(ctx, c, args[0], r, err)
	})
	f := cmd.Flags()
	f.StringVar(&in.URL, "url", "", "where to send them")
	f.StringSliceVar(&in.Events, "event", nil, "actions of events, such as deployment.state, or deployment.* for all that begin so; repeatable; all events if left out")
	f.StringVar(&secret, "secret-file", "", "file with the secret, whsec_…; one is made if left out")
	f.BoolVar(&in.Paused, "paused", false, "it gets nothing until it is resumed")
	f.BoolVar(&whole, "installation", false, "the events of the whole installation, for operators")
	must(cmd.MarkFlagRequired("url"))
	return a.mutating(cmd)
}

// maxSecretFile bounds the file of a webhook's secret.
const maxSecretFile = 1 << 10

func webhookSecret(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	text, err := readSome(file, maxSecretFile)
	return strings.TrimSpace(string(text)), err
}

func (a *app) showWebhookSecret(ctx context.Context, c *client.Client, ref string, r *client.Result[api.WebhookSecret], err error) error {
	if err != nil {
		return err
	}
	if r.Object == nil {
		return finish(ctx, a, c, webhooks, words{}, change[api.Webhook]{ref, &client.Result[api.Webhook]{Plan: r.Plan}})
	}
	return a.printSecret(r.Object, r.Object.Name, r.Object.Secret, "webhook %s signs with this secret; it is shown only now:", r.Object.Name)
}

func (a *app) webhookUpdate() *cobra.Command {
	var in api.WebhookUpdate
	var u updates
	var events []string
	cmd := updateCommand(a, webhooks, &u, func(ctx context.Context, c *client.Client, ref string, o ...client.Option) (*client.Result[api.Webhook], error) {
		return c.Webhooks().Update(ctx, ref, in, o...)
	})
	u.text(cmd, &in.Name, "name", "another name")
	u.text(cmd, &in.URL, "url", "where to send events")
	u.bool(cmd, &in.Paused, "paused", "true: it gets nothing; --paused=false: it gets what happens from now on, also after Atoll disabled it")
	cmd.Flags().StringSliceVar(&events, "event", nil, "actions of events, in the place of all; * for all events")
	u.add("event", func() { in.Events = &events })
	return cmd
}

func (a *app) webhookRotate() *cobra.Command {
	var in api.WebhookRotate
	var file, keep string
	cmd := a.command("rotate-secret NAME", "Give a webhook another secret, which is shown once", cobra.ExactArgs(1), func(ctx context.Context, c *client.Client, args []string) error {
		where, err := a.in(ctx, c, inAccount, args[0])
		if err != nil {
			return err
		}
		if in.Secret, err = webhookSecret(file); err != nil {
			return err
		}
		if keep != "" {
			in.KeepOld = &keep
		}
		r, err := c.Webhooks().RotateSecret(ctx, args[0], in, append(a.options(), where)...)
		return a.showWebhookSecret(ctx, c, args[0], r, err)
	})
	f := cmd.Flags()
	f.StringVar(&file, "secret-file", "", "file with the new secret, whsec_…; one is made if left out")
	f.StringVar(&keep, "keep-old", "", "how long the old secret signs too, up to 168h; 24h if left out")
	return completing(a, webhooks, a.mutating(cmd))
}

// pingPause is how long to wait before one looks again what became of a ping.
const pingPause = 200 * time.Millisecond

func (a *app) webhookPing() *cobra.Command {
	cmd := a.command("ping NAME", "Send a message of the type ping, and say how it was answered", cobra.ExactArgs(1), func(ctx context.Context, c *client.Client, args []string) error {
		where, err := a.in(ctx, c, inAccount, args[0])
		if err != nil {
			return err
		}
		r, err := c.Webhooks().Ping(ctx, args[0], append(a.options(), where)...)
		if err != nil {
			return err
		}
		if r.Object == nil {
			return finish(ctx, a, c, webhooks, words{}, change[api.Webhook]{args[0], &client.Result[api.Webhook]{Plan: r.Plan}})
		}
		d := r.Object
		for d.State == "pending" {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(pingPause):
			}
			if d, err = c.Webhooks().Deliveries(d.WebhookID).Get(ctx, d.ID); err != nil {
				return err
			}
		}
		if err := printList(a, []api.Delivery{*d}, deliveryColumns, deliveryID); err != nil {
			return err
		}
		if d.State != "delivered" {
			return errors.New(d.Error)
		}
		return nil
	})
	return completing(a, webhooks, a.mutating(cmd))
}

func (a *app) webhookDeliveries() *cobra.Command {
	var o *client.ListOptions
	cmd := a.command("deliveries NAME", "List what was sent, or is to be sent, to a webhook", cobra.ExactArgs(1), func(ctx context.Context, c *client.Client, args []string) error {
		id, err := a.webhookID(ctx, c, args[0])
		if err != nil {
			return err
		}
		if o.Sort == "" {
			o.Sort = "-created_at"
		}
		rows, err := all(ctx, c.Webhooks().Deliveries(id), *o)
		if err != nil {
			return err
		}
		return printList(a, rows, deliveryColumns, deliveryID)
	})
	o = a.listFlags(cmd)
	return completing(a, webhooks, cmd)
}

func (a *app) webhookID(ctx context.Context, c *client.Client, ref string) (string, error) {
	if isID(ref) {
		return ref, nil
	}
	where, err := a.in(ctx, c, inAccount, ref)
	if err != nil {
		return "", err
	}
	w, err := c.Webhooks().Get(ctx, ref, where)
	if err != nil {
		return "", err
	}
	return w.ID, nil
}

func (a *app) webhookRedeliver() *cobra.Command {
	cmd := a.command("redeliver NAME DELIVERY", "Send a message again, under its id", cobra.ExactArgs(2), func(ctx context.Context, c *client.Client, args []string) error {
		where, err := a.in(ctx, c, inAccount, args[0])
		if err != nil {
			return err
		}
		r, err := c.Webhooks().Redeliver(ctx, args[0], args[1], append(a.options(), where)...)
		if err != nil {
			return err
		}
		if r.Object == nil {
			return finish(ctx, a, c, webhooks, words{}, change[api.Webhook]{args[0], &client.Result[api.Webhook]{Plan: r.Plan}})
		}
		return printList(a, []api.Delivery{*r.Object}, deliveryColumns, deliveryID)
	})
	return completing(a, webhooks, a.mutating(cmd))
}
