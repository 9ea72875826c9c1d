package rest

import (
	"context"
	"time"

	"atoll/api"
	"atoll/internal/cloud"
	"atoll/internal/control"
)

func webhookView(w *cloud.Webhook) api.Webhook {
	v := api.Webhook{
		ID: string(w.ID), AccountID: string(w.AccountID), ProjectID: string(w.ProjectID), Name: w.Name, URL: w.URL,
		Events: append([]string{}, w.Events...), State: string(w.State), Reason: w.Reason, FailingSince: w.FailingSince.Time(),
		LastAt: w.LastAt.Time(), LastStatus: w.LastStatus, LastError: w.LastError, CreatedBy: string(w.CreatedBy), Meta: metaView(w.Meta),
	}
	if w.OldUntil > cloud.TimeOf(time.Now()) {
		v.OldUntil = w.OldUntil.Time()
	}
	return v
}

// deliveryView is the delivery as in lists: without its body.
func deliveryView(d *cloud.Delivery) api.Delivery {
	v := api.Delivery{
		ID: string(d.ID), WebhookID: string(d.WebhookID), Seq: d.Seq, Action: d.Action, State: string(d.State), Attempts: d.Attempts,
		SentAt: d.SentAt.Time(), Status: d.Status, Response: d.Response, Error: d.Error, Meta: metaView(d.Meta),
	}
	if d.SentAt != 0 {
		v.Duration = d.Duration.Round(time.Millisecond).String()
	}
	if d.State == cloud.DeliveryPending {
		v.NextAt = d.NextAt.Time()
	}
	return v
}

// WebhookIn names a webhook in the path.
type WebhookIn struct {
	Webhook string `path:"webhook" doc:"Id, or name in the account."`
	Account string `query:"account" doc:"Id or name; to find it by its name, unless it is the installation's."`
}

func (in WebhookIn) ref() control.WebhookRef {
	return control.WebhookRef{Account: in.Account, Webhook: in.Webhook}
}

func (s *Server) registerWebhooks() {
	const tag, all, one = "Webhooks", "/webhooks", "/webhooks/{webhook}"
	const sent = one + "/deliveries"
	add(s, get(all, "list-webhooks", tag, "List webhooks"), s.webhookList)
	add(s, post(all, "create-webhook", tag, "Have events sent to a URL; the answer has the secret that signs them, once"), s.webhookCreate)
	add(s, get(one, "get-webhook", tag, "Show a webhook"), s.webhookGet)
	add(s, patch(one, "update-webhook", tag, "Change, pause or resume a webhook"), s.webhookUpdate)
	add(s, remove(one, "delete-webhook", tag, "Delete a webhook"), s.webhookDelete)
	add(s, post(one+"/rotate-secret", "rotate-webhook-secret", tag, "Give a webhook another secret; the old one signs too for a while"), s.webhookRotate)
	add(s, post(one+"/ping", "ping-webhook", tag, "Send a message of the type ping, once"), s.webhookPing)
	add(s, get(sent, "list-deliveries", tag, "List what was sent, or is to be sent, to a webhook"), s.deliveryList)
	add(s, get(sent+"/{delivery}", "get-delivery", tag, "Show a message to a webhook"), s.deliveryGet)
	add(s, post(sent+"/{delivery}/redeliver", "redeliver", tag, "Send a message to a webhook again, under its id"), s.redeliver)
}

func (s *Server) webhookList(ctx context.Context, r *control.Request, in *Listing) (*page[api.Webhook], error) {
	list, next, err := s.control.Webhooks(ctx, r, in.query())
	if err != nil {
		return nil, err
	}
	return pageOf(list, next, webhookView), nil
}

type webhookCreate struct {
	Creating
	Body api.WebhookCreate
}

func (s *Server) webhookCreate(ctx context.Context, r *control.Request, in *webhookCreate) (*created[api.WebhookSecret], error) {
	callOf(ctx).secret = true
	b := in.Body
	w, secret, err := s.control.CreateWebhook(ctx, r, control.NewWebhook{
		Account: b.Account, Project: b.Project, Name: b.Name, URL: b.URL, Secret: b.Secret, Events: b.Events, Paused: b.Paused,
	})
	if err != nil {
		return nil, err
	}
	return newObject("/webhooks", w.ID, w.Meta, api.WebhookSecret{Webhook: webhookView(w), Secret: secret}), nil
}

func (s *Server) webhookGet(ctx context.Context, r *control.Request, in *WebhookIn) (*body[api.Webhook], error) {
	w, err := s.control.Webhook(ctx, r, in.ref())
	if err != nil {
		return nil, err
	}
	return object(w.Meta, webhookView(w)), nil
}

type webhookUpdate struct {
	WebhookIn
	Versioned
	Body api.WebhookUpdate
}

func (s *Server) webhookUpdate(ctx context.Context, r *control.Request, in *webhookUpdate) (*body[api.Webhook], error) {
	b := in.Body
	w, err := s.control.UpdateWebhook(ctx, r, in.ref(), control.WebhookChange{Name: b.Name, URL: b.URL, Events: b.Events, Paused: b.Paused})
	if err != nil {
		return nil, err
	}
	return object(w.Meta, webhookView(w)), nil
}

type webhookDelete struct {
	WebhookIn
	Versioned
}

func (s *Server) webhookDelete(ctx context.Context, r *control.Request, in *webhookDelete) (*none, error) {
	return &none{}, s.control.DeleteWebhook(ctx, r, in.ref())
}

type webhookRotate struct {
	WebhookIn
	Versioned
	Body api.WebhookRotate
}

func (s *Server) webhookRotate(ctx context.Context, r *control.Request, in *webhookRotate) (*body[api.WebhookSecret], error) {
	callOf(ctx).secret = true
	keep, err := durationOr("keep_old", in.Body.KeepOld)
	if err != nil {
		return nil, err
	}
	w, secret, err := s.control.RotateWebhookSecret(ctx, r, in.ref(), in.Body.Secret, keep)
	if err != nil {
		return nil, err
	}
	return object(w.Meta, api.WebhookSecret{Webhook: webhookView(w), Secret: secret}), nil
}

type webhookPing struct {
	WebhookIn
	Creating
}

func (s *Server) webhookPing(ctx context.Context, r *control.Request, in *webhookPing) (*created[api.Delivery], error) {
	d, err := s.control.PingWebhook(ctx, r, in.ref())
	if err != nil {
		return nil, err
	}
	return newObject("/webhooks/"+string(d.WebhookID)+"/deliveries", d.ID, d.Meta, deliveryView(d)), nil
}

type deliveryListing struct {
	WebhookIn
	Listing
}

func (s *Server) deliveryList(ctx context.Context, r *control.Request, in *deliveryListing) (*page[api.Delivery], error) {
	list, next, err := s.control.Deliveries(ctx, r, in.ref(), in.query())
	if err != nil {
		return nil, err
	}
	return pageOf(list, next, deliveryView), nil
}

// DeliveryIn names a message to a webhook in the path.
type DeliveryIn struct {
	WebhookIn
	Delivery string `path:"delivery" doc:"Id."`
}

func (s *Server) deliveryGet(ctx context.Context, r *control.Request, in *DeliveryIn) (*body[api.Delivery], error) {
	d, err := s.control.Delivery(ctx, r, in.ref(), cloud.DeliveryID(in.Delivery))
	if err != nil {
		return nil, err
	}
	v := deliveryView(d)
	v.Body = d.Body
	return object(d.Meta, v), nil
}

type redelivery struct {
	DeliveryIn
	Creating
}

func (s *Server) redeliver(ctx context.Context, r *control.Request, in *redelivery) (*body[api.Delivery], error) {
	d, err := s.control.Redeliver(ctx, r, in.ref(), cloud.DeliveryID(in.Delivery))
	if err != nil {
		return nil, err
	}
	return object(d.Meta, deliveryView(d)), nil
}
