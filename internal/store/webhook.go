package store

import (
	"fmt"
	"strconv"

	"atoll/internal/cloud"
)

var webhooks = table[cloud.Webhook]{
	kind: cloud.KindWebhook, name: "webhooks",
	cols: append([]string{"id", "account_id", "project_id", "name", "url", "secret", "old_secret", "old_until", "events", "state", "reason", "after_seq", "failing_since", "last_at", "last_status", "last_error", "created_by"}, metaCols...),
	ptrs: func(v *cloud.Webhook) []any {
		return append([]any{
			&v.ID, &v.AccountID, &v.ProjectID, &v.Name, &v.URL, &v.Secret, &v.OldSecret, &v.OldUntil,
			asJSON{&v.Events},
			&v.State, &v.Reason, &v.After, &v.FailingSince, &v.LastAt, &v.LastStatus, &v.LastError, &v.CreatedBy,
		}, metaPtrs(&v.Meta)...)
	},
	meta:    func(v *cloud.Webhook) *cloud.Meta { return &v.Meta },
	sorts:   map[string]string{"name": "name"},
	filters: map[string]string{"name": "name", "account": "account_id", "project": "project_id", "state": "state"},
	account: "account_id",
	project: "project_id",
}

// CreateWebhook writes a new webhook.
func (tx *Tx) CreateWebhook(v *cloud.Webhook) error { return webhooks.insert(tx, v) }

// Webhook returns the webhook unless it is deleted.
func (tx *Tx) Webhook(id cloud.WebhookID) (*cloud.Webhook, error) { return webhooks.live(tx, id) }

// WebhookNamed returns the webhook by its name in the account; "" is the installation.
func (tx *Tx) WebhookNamed(account cloud.AccountID, name string) (*cloud.Webhook, error) {
	return webhooks.get(tx, name, "account_id = ? AND name = ? AND deleted_at = 0", account, name)
}

// UpdateWebhook writes the webhook back; Conflict if it was changed since it was read.
func (tx *Tx) UpdateWebhook(v *cloud.Webhook) error { return webhooks.update(tx, v) }

// Webhooks returns a page of webhooks and the cursor of the next one.
func (tx *Tx) Webhooks(q Query) ([]cloud.Webhook, string, error) { return webhooks.list(tx, q) }

// CountWebhooks is how many webhooks the account has; "" is the installation.
func (tx *Tx) CountWebhooks(account cloud.AccountID) (n int64, err error) {
	err = tx.queryRow("SELECT count(*) FROM webhooks WHERE account_id = ? AND deleted_at = 0", account).Scan(&n)
	return n, tx.d.translate(err)
}

// ActiveWebhooks returns all that get events.
func (tx *Tx) ActiveWebhooks() ([]cloud.Webhook, error) {
	return webhooks.all(tx, "deleted_at = 0 AND state = 'active' ORDER BY id")
}

// DeleteWebhooksIn deletes the webhooks of an account that is deleted.
func (tx *Tx) DeleteWebhooksIn(account cloud.AccountID) error {
	return webhooks.deleteAll(tx, "account_id = ?", account)
}

// DeleteWebhooksOnProject deletes the webhooks of a project that is deleted.
func (tx *Tx) DeleteWebhooksOnProject(id cloud.ProjectID) error {
	return webhooks.deleteAll(tx, "project_id = ?", id)
}

// WebhookAnswered records the end of an attempt, of which problem is "" if it went well.
// It makes no new version: users' changes must not conflict with it.
func (tx *Tx) WebhookAnswered(id cloud.WebhookID, at cloud.Time, status int64, problem string) error {
	failing := "0"
	if problem != "" {
		failing = "CASE WHEN failing_since = 0 THEN " + strconv.FormatInt(int64(at), 10) + " ELSE failing_since END"
	}
	_, err := tx.exec("UPDATE webhooks SET last_at = ?, last_status = ?, last_error = ?, failing_since = "+failing+" WHERE id = ?", at, status, problem, id)
	return err
}

// DisableWebhook disables an active webhook and reports whether it was one.
func (tx *Tx) DisableWebhook(id cloud.WebhookID, reason string) (bool, error) {
	now, err := tx.Now()
	if err != nil {
		return false, err
	}
	n, err := tx.exec("UPDATE webhooks SET state = 'disabled', reason = ?, updated_at = ?, version = version + 1 WHERE id = ? AND state = 'active' AND deleted_at = 0",
		reason, now, id)
	return n == 1, err
}

var deliveries = table[cloud.Delivery]{
	kind: cloud.KindWebhook, name: "webhook_deliveries",
	cols: append([]string{"id", "webhook_id", "seq", "action", "body", "state", "attempts", "begin_at", "next_at", "sent_at", "duration", "status", "response", "error"}, metaCols...),
	ptrs: func(v *cloud.Delivery) []any {
		return append([]any{
			&v.ID, &v.WebhookID, &v.Seq, &v.Action, &v.Body, &v.State, &v.Attempts, &v.BeginAt, &v.NextAt, &v.SentAt, &v.Duration, &v.Status, &v.Response, &v.Error,
		}, metaPtrs(&v.Meta)...)
	},
	meta:    func(v *cloud.Delivery) *cloud.Meta { return &v.Meta },
	filters: map[string]string{"state": "state", "action": "action"},
}

// CreateDelivery writes a new delivery, unless there is one of its event already.
func (tx *Tx) CreateDelivery(v *cloud.Delivery) error {
	query, vals, err := deliveries.insertion(tx, v)
	if err == nil {
		_, err = tx.exec(query+" ON CONFLICT DO NOTHING", vals...)
	}
	return err
}

// Delivery returns the delivery of the webhook.
func (tx *Tx) Delivery(webhook cloud.WebhookID, id cloud.DeliveryID) (*cloud.Delivery, error) {
	return deliveries.get(tx, "delivery "+string(id), "id = ? AND webhook_id = ?", id, webhook)
}

// Deliveries returns a page of the deliveries of a webhook.
func (tx *Tx) Deliveries(webhook cloud.WebhookID, q Query) ([]cloud.Delivery, string, error) {
	return deliveries.list(tx, q.and("webhook_id = ?", webhook))
}

// UpdateDelivery writes the delivery back; Conflict if it was changed since it was read.
func (tx *Tx) UpdateDelivery(v *cloud.Delivery) error { return deliveries.update(tx, v) }

// DueDeliveries returns what is due, the longest due first, but for the webhooks.
func (tx *Tx) DueDeliveries(now cloud.Time, but []cloud.WebhookID, limit int) ([]cloud.Delivery, error) {
	where, args := "state = 'pending' AND next_at <= ?", []any{now}
	if len(but) > 0 {
		where += " AND NOT " + in("webhook_id", len(but))
		for _, id := range but {
			args = append(args, id)
		}
	}
	return deliveries.all(tx, where+" ORDER BY next_at, id LIMIT ?", append(args, limit)...)
}

// BeginDelivery begins an attempt of what DueDeliveries gave, which is due again at the
// time if nobody ends it; false if somebody else was quicker.
func (tx *Tx) BeginDelivery(v *cloud.Delivery, again cloud.Time) (bool, error) {
	n, err := tx.exec("UPDATE webhook_deliveries SET attempts = attempts + 1, next_at = ?, version = version + 1 WHERE id = ? AND version = ? AND state = 'pending'",
		again, v.ID, v.Version)
	if n == 1 {
		v.Attempts, v.NextAt, v.Version = v.Attempts+1, again, v.Version+1
	}
	return n == 1, err
}

// EndDeliveries ends all that wait of a webhook.
func (tx *Tx) EndDeliveries(webhook cloud.WebhookID, why string) error {
	_, err := tx.exec("UPDATE webhook_deliveries SET state = 'failed', error = ?, version = version + 1 WHERE webhook_id = ? AND state = 'pending'", why, webhook)
	return err
}

// CrowdedWebhooks returns the webhooks for which more deliveries wait than the limit.
func (tx *Tx) CrowdedWebhooks(limit int64) (out []cloud.WebhookID, err error) {
	err = tx.query(func(scan func(...any) error) error {
		var id cloud.WebhookID
		err := scan(&id)
		out = append(out, id)
		return err
	}, "SELECT webhook_id FROM webhook_deliveries WHERE state = 'pending' GROUP BY webhook_id HAVING count(*) > ?", limit)
	return out, err
}

// ForgetDeliveries removes deliveries that were made before the time and do not wait.
func (tx *Tx) ForgetDeliveries(before cloud.Time, limit int) (int, error) {
	return tx.forget("webhook_deliveries", "id", "SELECT id FROM webhook_deliveries WHERE id < ? AND state <> 'pending' ORDER BY id LIMIT ?",
		cloud.FirstID[cloud.DeliveryID](before), limit)
}

// settingQueued holds the number of the last event of which deliveries were made.
const settingQueued = "webhooks.queued"

// QueuedEvent returns the number of the last event of which deliveries were made, and
// keeps others that call it waiting until the transaction ends.
func (tx *Tx) QueuedEvent() (seq int64, err error) {
	text, err := tx.LockSetting(settingQueued)
	if err != nil || text == "" {
		return 0, err
	}
	if seq, err = strconv.ParseInt(text, 10, 64); err != nil {
		return 0, fmt.Errorf("setting %s: %w", settingQueued, err)
	}
	return seq, nil
}

// SetQueuedEvent records the number of the last event of which deliveries were made.
func (tx *Tx) SetQueuedEvent(seq int64) error {
	return tx.SetSetting(settingQueued, strconv.FormatInt(seq, 10))
}
