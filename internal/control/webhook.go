package control

import (
	"context"
	"net"
	"net/netip"
	"time"

	"atoll/internal/authz"
	"atoll/internal/cloud"
	"atoll/internal/store"
)

func webhookTarget(w *cloud.Webhook) target {
	return target{kind: cloud.KindWebhook, name: w.Name, account: w.AccountID, project: w.ProjectID}
}

func webhookSubject(w *cloud.Webhook) subject {
	return subject{kind: cloud.KindWebhook, id: string(w.ID), name: w.Name, account: w.AccountID, project: w.ProjectID}
}

// webhookPlace is what the secrets of a webhook are sealed for.
func webhookPlace(id cloud.WebhookID) string { return "webhook " + string(id) }

// WebhookRef names a webhook: by id, or by name in an account (id or name); without
// an account, among those of the installation.
type WebhookRef struct{ Account, Webhook string }

// String is the webhook as the caller named it.
func (r WebhookRef) String() string {
	if cloud.IsID(r.Webhook) || r.Account == "" {
		return r.Webhook
	}
	return spaceRef(r.Account, r.Webhook)
}

// findWebhook returns the webhook if the caller may do it.
func findWebhook(tx *store.Tx, r *Request, a authz.Action, ref WebhookRef) (*cloud.Webhook, error) {
	var w *cloud.Webhook
	var err error
	switch {
	case cloud.IsID(ref.Webhook):
		w, err = tx.Webhook(cloud.WebhookID(ref.Webhook))
	case ref.Account == "":
		w, err = tx.WebhookNamed("", ref.Webhook)
	default:
		var in *cloud.Account
		if in, err = findAccount(tx, ref.Account); err == nil {
			w, err = tx.WebhookNamed(in.ID, ref.Webhook)
		}
	}
	if cloud.Is(err, cloud.NotFound) {
		err = cloud.Errorf(cloud.NotFound, "there is no %s %s", cloud.KindWebhook, ref)
	}
	if err != nil {
		return nil, err
	}
	return w, r.permit(a, webhookTarget(w), ref.String())
}

// Webhook returns the webhook if the caller may see it: admins of its scope may.
func (c *Control) Webhook(ctx context.Context, r *Request, ref WebhookRef) (w *cloud.Webhook, err error) {
	err = c.view(ctx, func(tx *store.Tx) error {
		w, err = findWebhook(tx, r, authz.Read, ref)
		return err
	})
	return w, err
}

// Webhooks returns a page of the webhooks that the caller may see.
func (c *Control) Webhooks(ctx context.Context, r *Request, q store.Query) (list []cloud.Webhook, next string, err error) {
	err = c.view(ctx, func(tx *store.Tx) error {
		list, next, err = tx.Webhooks(r.query(cloud.KindWebhook, q))
		return err
	})
	return list, next, err
}

// NewWebhook is what a webhook is made from. Project is an id, or a name in the
// account; without one it is the account's, and without both the installation's.
type NewWebhook struct {
	Account, Project string
	Name, URL        string
	Secret           string // "" has one made
	Events           []string
	Paused           bool
}

// CreateWebhook makes a webhook, which gets the events from now on, and returns its
// secret, which is not shown again.
func (c *Control) CreateWebhook(ctx context.Context, r *Request, in NewWebhook) (w *cloud.Webhook, secret string, err error) {
	err = c.change(ctx, r, "webhook.create", func(ch *change) error {
		w = &cloud.Webhook{
			ID: cloud.NewID[cloud.WebhookID](), Name: in.Name, URL: in.URL, Events: in.Events, State: cloud.WebhookActive, CreatedBy: r.User.ID,
		}
		if in.Paused {
			w.State = cloud.WebhookPaused
		}
		if err := ch.webhookScope(w, in); err != nil {
			return err
		}
		if err := c.checkWebhook(w); err != nil {
			return err
		}
		n, err := ch.CountWebhooks(w.AccountID)
		if err != nil {
			return err
		}
		if n >= cloud.MaxWebhooks {
			return cloud.Errorf(cloud.Conflict, "there are %d webhooks already, which is the limit; delete one, or let one take more events", n)
		}
		if w.Secret, secret, err = c.webhookSecret(w.ID, in.Secret); err != nil {
			return err
		}
		if w.After, err = ch.LastEvent(); err != nil {
			return err
		}
		if err := ch.Tx.CreateWebhook(w); err != nil {
			return err
		}
		return ch.event("webhook.create", webhookSubject(w), nil, w)
	})
	if err != nil {
		return nil, "", err
	}
	return w, secret, nil
}

// webhookScope sets whose the new webhook is, if the caller may make one there.
func (ch *change) webhookScope(w *cloud.Webhook, in NewWebhook) error {
	parent, ref := target{}, ""
	switch {
	case in.Project != "":
		named := ProjectRef{in.Account, in.Project}
		p, err := findProject(ch.Tx, named)
		if err != nil {
			return err
		}
		w.AccountID, w.ProjectID = p.AccountID, p.ID
		parent, ref = projectTarget(p), named.String()
	case in.Account != "":
		a, err := findAccount(ch.Tx, in.Account)
		if err != nil {
			return err
		}
		w.AccountID = a.ID
		parent, ref = accountTarget(a), in.Account
	default:
		return ch.r.allow(authz.Create, webhookTarget(w))
	}
	if err := ch.r.allow(authz.Create, webhookTarget(w)); err != nil {
		return hideIn(err, ch.r, parent, ref)
	}
	if w.ProjectID != "" {
		if err := ch.LockProject(w.ProjectID); err != nil {
			return err
		}
	}
	_, err := ch.active(w.AccountID)
	return err
}

// checkWebhook refuses what a user may not set. A host that is a name is checked when
// something is sent: it may lead elsewhere by then.
func (c *Control) checkWebhook(w *cloud.Webhook) error {
	if err := w.Validate(); err != nil {
		return err
	}
	u, err := parseSource(w.URL)
	if err != nil {
		return err
	}
	w.URL = u.String()
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil {
		return checkSource(net.JoinHostPort(ip.String(), "443"), c.ImageURLAllow)
	}
	return nil
}

// webhookSecret returns the secret, or a fresh one for "", and how it is kept.
func (c *Control) webhookSecret(id cloud.WebhookID, given string) (sealed, plain string, err error) {
	plain = given
	if plain == "" {
		plain = cloud.NewWebhookSecret()
	}
	if err := cloud.ValidateWebhookSecret(plain); err != nil {
		return "", "", err
	}
	return c.inst.values.Seal(plain, webhookPlace(id)), plain, nil
}

// changeWebhook is what the changes of a webhook have in common.
func (c *Control) changeWebhook(ctx context.Context, r *Request, ref WebhookRef, act authz.Action, action string,
	fn func(ch *change, w *cloud.Webhook) error,
) (w *cloud.Webhook, err error) {
	err = c.change(ctx, r, action, func(ch *change) error {
		if w, err = findWebhook(ch.Tx, r, act, ref); err != nil {
			return err
		}
		if w.AccountID != "" {
			if _, err := ch.active(w.AccountID); err != nil {
				return err
			}
		}
		if err := ch.match(cloud.KindWebhook, w.Name, w.Version); err != nil {
			return err
		}
		before := *w
		if err := fn(ch, w); err != nil {
			return err
		}
		if err := ch.Tx.UpdateWebhook(w); err != nil {
			return err
		}
		return ch.event(action, webhookSubject(w), &before, w)
	})
	if err != nil {
		return nil, err
	}
	return w, nil
}

// WebhookChange is what an update may set; nil keeps.
type WebhookChange struct {
	Name, URL *string
	Events    *[]string
	Paused    *bool
}

// UpdateWebhook changes a webhook. What waits when it is paused is not sent; one that
// goes on gets the events from then on.
func (c *Control) UpdateWebhook(ctx context.Context, r *Request, ref WebhookRef, in WebhookChange) (*cloud.Webhook, error) {
	return c.changeWebhook(ctx, r, ref, authz.Update, "webhook.update", func(ch *change, w *cloud.Webhook) (err error) {
		set(&w.Name, in.Name)
		set(&w.URL, in.URL)
		set(&w.Events, in.Events)
		if err := c.checkWebhook(w); err != nil {
			return err
		}
		switch {
		case in.Paused == nil:
		case *in.Paused:
			w.State, w.Reason = cloud.WebhookPaused, ""
			return ch.EndDeliveries(w.ID, "the webhook was paused")
		case w.State != cloud.WebhookActive:
			w.State, w.Reason, w.FailingSince = cloud.WebhookActive, "", 0
			w.After, err = ch.LastEvent()
		}
		return err
	})
}

// DeleteWebhook deletes a webhook. What waits is not sent.
func (c *Control) DeleteWebhook(ctx context.Context, r *Request, ref WebhookRef) error {
	_, err := c.changeWebhook(ctx, r, ref, authz.Delete, "webhook.delete", func(ch *change, w *cloud.Webhook) (err error) {
		if w.DeletedAt, err = ch.Now(); err != nil {
			return err
		}
		return ch.EndDeliveries(w.ID, "the webhook was deleted")
	})
	return err
}

// How long an old secret signs beside the new one.
const (
	keepOldSecret    = 24 * time.Hour
	maxKeepOldSecret = 7 * 24 * time.Hour
)

// RotateWebhookSecret gives the webhook another secret, a fresh one for "", and returns
// it. The old one signs too for so long; nil is a day.
func (c *Control) RotateWebhookSecret(ctx context.Context, r *Request, ref WebhookRef, given string, keep *time.Duration) (w *cloud.Webhook, secret string, err error) {
	w, err = c.changeWebhook(ctx, r, ref, authz.Update, "webhook.rotate-secret", func(ch *change, w *cloud.Webhook) error {
		hold := keepOldSecret
		set(&hold, keep)
		if hold > maxKeepOldSecret {
			return cloud.FieldErrorf("keep_old", "is %s; at most %s are allowed", hold, maxKeepOldSecret)
		}
		now, err := ch.Now()
		if err != nil {
			return err
		}
		w.OldSecret, w.OldUntil = w.Secret, now.Add(hold)
		w.Secret, secret, err = c.webhookSecret(w.ID, given)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	return w, secret, nil
}

// Deliveries returns a page of what was sent, or is to be sent, to the webhook.
func (c *Control) Deliveries(ctx context.Context, r *Request, ref WebhookRef, q store.Query) (list []cloud.Delivery, next string, err error) {
	err = c.view(ctx, func(tx *store.Tx) error {
		w, err := findWebhook(tx, r, authz.Read, ref)
		if err != nil {
			return err
		}
		q.Visible = store.Everything
		list, next, err = tx.Deliveries(w.ID, q)
		return err
	})
	return list, next, err
}

// Delivery returns one of them.
func (c *Control) Delivery(ctx context.Context, r *Request, ref WebhookRef, id cloud.DeliveryID) (d *cloud.Delivery, err error) {
	err = c.view(ctx, func(tx *store.Tx) error {
		w, err := findWebhook(tx, r, authz.Read, ref)
		if err == nil {
			d, err = tx.Delivery(w.ID, id)
		}
		return err
	})
	return d, err
}

// deliver is what sending something to a webhook by hand has in common.
func (c *Control) deliver(ctx context.Context, r *Request, ref WebhookRef, action string,
	fn func(ch *change, w *cloud.Webhook, now cloud.Time) (*cloud.Delivery, error),
) (d *cloud.Delivery, err error) {
	err = c.change(ctx, r, action, func(ch *change) error {
		w, err := findWebhook(ch.Tx, r, authz.Execute, ref)
		if err != nil {
			return err
		}
		if w.AccountID != "" {
			if _, err := ch.active(w.AccountID); err != nil {
				return err
			}
		}
		now, err := ch.Now()
		if err != nil {
			return err
		}
		if d, err = fn(ch, w, now); err != nil {
			return err
		}
		ch.OnCommit(func() { signal(c.posted) })
		return ch.event(action, webhookSubject(w), nil, nil)
	})
	return d, err
}

// PingWebhook sends a message of the type ping, once, whether the webhook is active or
// not.
func (c *Control) PingWebhook(ctx context.Context, r *Request, ref WebhookRef) (*cloud.Delivery, error) {
	return c.deliver(ctx, r, ref, "webhook.ping", func(ch *change, w *cloud.Webhook, now cloud.Time) (*cloud.Delivery, error) {
		body, err := pingBody(w, now)
		if err != nil {
			return nil, err
		}
		d := &cloud.Delivery{
			ID: cloud.NewID[cloud.DeliveryID](), WebhookID: w.ID, Action: "ping", Body: body, State: cloud.DeliveryPending, BeginAt: now, NextAt: now,
		}
		return d, ch.CreateDelivery(d)
	})
}

// Redeliver sends a message again, with the id that it has: the receiver can tell that
// it is the same.
func (c *Control) Redeliver(ctx context.Context, r *Request, ref WebhookRef, id cloud.DeliveryID) (*cloud.Delivery, error) {
	return c.deliver(ctx, r, ref, "webhook.redeliver", func(ch *change, w *cloud.Webhook, now cloud.Time) (*cloud.Delivery, error) {
		d, err := ch.Tx.Delivery(w.ID, id)
		if err != nil {
			return nil, err
		}
		d.State, d.BeginAt, d.NextAt = cloud.DeliveryPending, now, now
		return d, ch.UpdateDelivery(d)
	})
}
