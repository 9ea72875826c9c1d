package client

import (
	"context"
	"net/http"

	"atoll/api"
)

// Webhooks are the calls about webhooks.
type Webhooks struct {
	Reader[api.Webhook]
	Deleter[api.Webhook]
}

// Webhooks returns the calls about webhooks.
func (c *Client) Webhooks() Webhooks {
	return Webhooks{Reader[api.Webhook]{c, "webhooks"}, Deleter[api.Webhook]{c, "webhooks"}}
}

// Create makes a webhook; its secret is in the answer and nowhere else.
func (w Webhooks) Create(ctx context.Context, in api.WebhookCreate, opts ...Option) (*Result[api.WebhookSecret], error) {
	return change[api.WebhookSecret](ctx, w.Reader.c, http.MethodPost, w.Reader.path, in, opts)
}

// Update changes, pauses or resumes a webhook.
func (w Webhooks) Update(ctx context.Context, ref string, in api.WebhookUpdate, opts ...Option) (*Result[api.Webhook], error) {
	return change[api.Webhook](ctx, w.Reader.c, http.MethodPatch, joinPath(w.Reader.path, ref), in, opts)
}

// RotateSecret gives a webhook another secret, which is in the answer and nowhere else.
func (w Webhooks) RotateSecret(ctx context.Context, ref string, in api.WebhookRotate, opts ...Option) (*Result[api.WebhookSecret], error) {
	return change[api.WebhookSecret](ctx, w.Reader.c, http.MethodPost, joinPath(w.Reader.path, ref, "rotate-secret"), in, opts)
}

// Ping sends a message of the type ping, once. What became of it is in Deliveries.
func (w Webhooks) Ping(ctx context.Context, ref string, opts ...Option) (*Result[api.Delivery], error) {
	return change[api.Delivery](ctx, w.Reader.c, http.MethodPost, joinPath(w.Reader.path, ref, "ping"), nil, opts)
}

// Deliveries are the messages to the webhook with the id.
func (w Webhooks) Deliveries(id string) Reader[api.Delivery] {
	return Reader[api.Delivery]{w.Reader.c, joinPath(w.Reader.path, id, "deliveries")}
}

// Redeliver sends a message again, under its id.
func (w Webhooks) Redeliver(ctx context.Context, ref, delivery string, opts ...Option) (*Result[api.Delivery], error) {
	return change[api.Delivery](ctx, w.Reader.c, http.MethodPost, joinPath(w.Reader.path, ref, "deliveries", delivery, "redeliver"), nil, opts)
}
