package control

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/store"
)

// Events become deliveries in the order of their numbers, by one controller, in one
// transaction with the number of the last one that did: none is left out, and none
// comes twice. A delivery is sent until it is answered 2xx or its time is over. Before
// it is sent its next attempt is recorded, and after it what became of it: should the
// controller be killed between, another one sends it again, under the same id.

const (
	webhookTick    = time.Second
	webhookTime    = 15 * time.Second // of one attempt
	webhookAgain   = time.Minute      // an attempt that nobody ended is made again
	maxSending     = 32               // attempts at once by one controller …
	maxSendingTo   = 4                // … to one webhook, and one alone while it fails
	maxWaiting     = 10000            // deliveries of one webhook
	maxWebhookBody = 64 << 10
	// A webhook of which no attempt succeeded for so long is disabled, if the one that
	// failed now is not of a delivery that was hardly tried.
	webhookPatience = 5 * 24 * time.Hour
	patientAttempts = 3
)

// message is what is sent, as the specification recommends.
type message struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      any       `json:"data"`
}

// eventData is an event for a receiver, named as in the API. What only concerns those
// who look for a culprit is not in it: credential, source address, request.
type eventData struct {
	ID           cloud.EventID      `json:"id"`
	Seq          int64              `json:"seq"`
	At           time.Time          `json:"at"`
	Class        cloud.EventClass   `json:"class"`
	Actor        string             `json:"actor"`
	ActorName    string             `json:"actor_name"`
	AccountID    cloud.AccountID    `json:"account_id,omitempty"`
	CloudspaceID cloud.CloudspaceID `json:"cloudspace_id,omitempty"`
	ProjectID    cloud.ProjectID    `json:"project_id,omitempty"`
	SubjectKind  cloud.Kind         `json:"subject_kind"`
	SubjectID    string             `json:"subject_id"`
	SubjectName  string             `json:"subject_name"`
	Action       string             `json:"action"`
	Outcome      cloud.Outcome      `json:"outcome"`
	Message      string             `json:"message,omitempty"`
	Difference   json.RawMessage    `json:"difference,omitempty"`
}

func eventBody(e *cloud.Event) (string, error) {
	data := eventData{
		ID: e.ID, Seq: e.Seq, At: e.At.Time(), Class: e.Class, Actor: e.Actor, ActorName: e.ActorName,
		AccountID: e.AccountID, CloudspaceID: e.CloudspaceID, ProjectID: e.ProjectID,
		SubjectKind: e.SubjectKind, SubjectID: e.SubjectID, SubjectName: e.SubjectName,
		Action: e.Action, Outcome: e.Outcome, Message: e.Message, Difference: e.Difference,
	}
	b, err := json.Marshal(message{e.Action, e.At.Time(), data})
	if err == nil && len(b) > maxWebhookBody { // whoever needs it asks the API
		data.Difference = nil
		b, err = json.Marshal(message{e.Action, e.At.Time(), data})
	}
	return string(b), err
}

func pingBody(w *cloud.Webhook, now cloud.Time) (string, error) {
	b, err := json.Marshal(message{"ping", now.Time(), map[string]string{"webhook_id": string(w.ID), "webhook_name": w.Name}})
	return string(b), err
}

// queueWebhooks makes deliveries of the events, until ctx ends.
func (c *Control) queueWebhooks(ctx context.Context) error {
	const name = "webhooks"
	news, stop := c.feed.followEvents()
	defer stop()
	var wake sync.WaitGroup
	defer wake.Wait()
	wake.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-news:
				c.loops.Signal(name)
			}
		}
	})
	return c.loop(ctx, name, webhookTick, func(ctx context.Context) error {
		for more := true; more && ctx.Err() == nil; {
			var hooks []cloud.Webhook
			if err := c.view(ctx, func(tx *store.Tx) (err error) { hooks, err = tx.ActiveWebhooks(); return err }); err != nil || len(hooks) == 0 {
				return err
			}
			err := c.DB.Update(ctx, func(tx *store.Tx) (err error) { more, err = c.queueDeliveries(tx); return err })
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// queueDeliveries makes deliveries of some events, and reports whether there may be more.
func (c *Control) queueDeliveries(tx *store.Tx) (more bool, err error) {
	seq, err := tx.QueuedEvent()
	if err != nil {
		return false, err
	}
	hooks, err := tx.ActiveWebhooks() // as they are now that nobody else does this
	if err != nil || len(hooks) == 0 {
		return false, err
	}
	first := hooks[0].After
	for i := range hooks {
		first = min(first, hooks[i].After)
	}
	list, err := tx.EventsAfter(max(seq, first), store.Everything, eventPage)
	if err != nil || len(list) == 0 {
		return false, err
	}
	now, err := tx.Now()
	if err != nil {
		return false, err
	}
	made := false
	for i := range list {
		for j := range hooks {
			if !hooks[j].Takes(&list[i]) {
				continue
			}
			body, err := eventBody(&list[i])
			if err != nil {
				return false, err
			}
			made = true
			err = tx.CreateDelivery(&cloud.Delivery{
				ID: cloud.NewID[cloud.DeliveryID](), WebhookID: hooks[j].ID, Seq: list[i].Seq, Action: list[i].Action, Body: body,
				State: cloud.DeliveryPending, BeginAt: now, NextAt: now,
			})
			if err != nil {
				return false, err
			}
		}
	}
	if err := tx.SetQueuedEvent(list[len(list)-1].Seq); err != nil {
		return false, err
	}
	if made {
		tx.OnCommit(func() { signal(c.posted) })
		err = c.disableCrowded(tx)
	}
	return len(list) == eventPage, err
}

// disableCrowded disables webhooks that take events much slower than they happen.
func (c *Control) disableCrowded(tx *store.Tx) error {
	list, err := tx.CrowdedWebhooks(maxWaiting)
	for _, id := range list {
		if err == nil {
			err = disableWebhook(tx, id, fmt.Sprintf("more than %d events waited to be sent", maxWaiting))
		}
	}
	return err
}

// disableWebhook has an active webhook get nothing more, and tells by an event.
func disableWebhook(tx *store.Tx, id cloud.WebhookID, why string) error {
	was, err := tx.DisableWebhook(id, why)
	if err != nil || !was {
		return err
	}
	if err := tx.EndDeliveries(id, "the webhook was disabled: "+why); err != nil {
		return err
	}
	w, err := tx.Webhook(id)
	if err != nil {
		return err
	}
	return stateEvent(tx, "webhook.disabled", webhookSubject(w), why)
}

// webhookSender sends what is due. Its methods but run are called by one goroutine.
type webhookSender struct {
	c       *Control
	client  *http.Client
	sending map[cloud.WebhookID]int
	n       int
	ended   chan cloud.WebhookID
}

// attempt is a delivery that is to be sent now.
type attempt struct {
	delivery cloud.Delivery
	webhook  cloud.Webhook
}

// sendWebhooks sends what is due until ctx ends. All controllers do: each delivery is
// begun by one of them.
func (c *Control) sendWebhooks(ctx context.Context) error {
	client := c.fetchClient()
	client.Timeout = webhookTime
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	defer client.CloseIdleConnections()
	s := &webhookSender{c: c, client: client, sending: map[cloud.WebhookID]int{}, ended: make(chan cloud.WebhookID, maxSending)}
	var wg sync.WaitGroup
	defer wg.Wait()
	tick := time.NewTicker(webhookTick)
	defer tick.Stop()
	for ctx.Err() == nil {
		list, err := s.begin(ctx)
		if err != nil && ctx.Err() == nil {
			c.Log.Error("look for deliveries to webhooks", "err", err)
		}
		for _, a := range list {
			s.n++
			s.sending[a.webhook.ID]++
			wg.Go(func() {
				s.run(ctx, &a)
				s.ended <- a.webhook.ID
			})
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		case <-c.posted:
		case id := <-s.ended: // there may be more for which there was no room
			s.n--
			if s.sending[id]--; s.sending[id] == 0 {
				delete(s.sending, id)
			}
		}
	}
	return nil
}

// begin begins attempts of what is due, as many as there is room for.
func (s *webhookSender) begin(ctx context.Context) (list []attempt, err error) {
	if s.n == maxSending {
		return nil, nil
	}
	any := false
	err = s.c.view(ctx, func(tx *store.Tx) error {
		now, err := tx.Now()
		if err != nil {
			return err
		}
		due, err := tx.DueDeliveries(now, s.full(nil), 1)
		any = len(due) > 0
		return err
	})
	if err != nil || !any {
		return nil, err
	}
	err = s.c.DB.Update(ctx, func(tx *store.Tx) error {
		list, err = s.claim(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// full are the webhooks to which nothing more is sent at once, and those of more.
func (s *webhookSender) full(more map[cloud.WebhookID]bool) (out []cloud.WebhookID) {
	for id, n := range s.sending {
		if n >= maxSendingTo && !more[id] {
			out = append(out, id)
		}
	}
	for id := range more {
		out = append(out, id)
	}
	return out
}

func (s *webhookSender) claim(tx *store.Tx) (list []attempt, err error) {
	now, err := tx.Now()
	if err != nil {
		return nil, err
	}
	begun, full := map[cloud.WebhookID]int{}, map[cloud.WebhookID]bool{}
	hooks := map[cloud.WebhookID]*cloud.Webhook{}
	for {
		due, err := tx.DueDeliveries(now, s.full(full), maxSending-s.n-len(list))
		if err != nil {
			return nil, err
		}
		again := false // others may be behind those of a full one
		for i := range due {
			d := &due[i]
			w := hooks[d.WebhookID]
			if w == nil {
				if w, err = tx.Webhook(d.WebhookID); cloud.Is(err, cloud.NotFound) {
					err = tx.EndDeliveries(d.WebhookID, "the webhook was deleted")
					full[d.WebhookID] = true
				}
				if err != nil {
					return nil, err
				}
				if w == nil {
					continue
				}
				hooks[w.ID] = w
			}
			room := maxSendingTo
			if w.FailingSince != 0 {
				room = 1
			}
			if s.sending[w.ID]+begun[w.ID] >= room {
				full[w.ID], again = true, true
				continue
			}
			mine, err := tx.BeginDelivery(d, now.Add(webhookAgain))
			if err != nil {
				return nil, err
			}
			if mine {
				begun[w.ID]++
				list = append(list, attempt{*d, *w})
			}
		}
		if !again || s.n+len(list) >= maxSending {
			return list, nil
		}
	}
}

// answer is what became of an attempt.
type attemptEnd struct {
	at       time.Time
	took     time.Duration
	status   int
	response string
	problem  string        // "" if it went well
	gone     bool          // the receiver wants nothing more, ever
	wait     time.Duration // that the receiver asked for
}

// run makes one attempt and records what became of it.
func (s *webhookSender) run(ctx context.Context, a *attempt) {
	end := s.post(ctx, a)
	if ctx.Err() != nil && end.problem != "" {
		return // the controller stops; the next one tries again
	}
	err := s.c.DB.Update(context.WithoutCancel(ctx), func(tx *store.Tx) error { return s.c.attempted(tx, a, end) })
	if err != nil {
		s.c.Log.Error("record what became of a delivery to a webhook", "delivery", a.delivery.ID, "err", err)
	}
}

func (s *webhookSender) post(ctx context.Context, a *attempt) (end attemptEnd) {
	end.at = time.Now()
	req, err := s.request(ctx, a, end.at)
	if err != nil {
		end.problem = "it cannot be signed, or has no address any more; give the webhook a new secret and URL"
		s.c.Log.Error("make a request to a webhook", "webhook", a.webhook.ID, "err", cloud.UserMessage(err))
		return end
	}
	res, err := s.client.Do(req)
	end.took = time.Since(end.at)
	if err != nil {
		end.problem = requestProblem(err)
		return end
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(res.Body, cloud.MaxDeliveryReply)) // what there is of it
	end.took = time.Since(end.at)
	end.status, end.response = res.StatusCode, strings.ReplaceAll(strings.ToValidUTF8(string(text), "\uFFFD"), "\x00", "\uFFFD")
	switch {
	case res.StatusCode >= 200 && res.StatusCode < 300:
	case res.StatusCode >= 300 && res.StatusCode < 400:
		end.problem = fmt.Sprintf("the receiver answered %d: redirects are not followed; give the webhook the new URL", res.StatusCode)
	default:
		end.problem = fmt.Sprintf("the receiver answered %d", res.StatusCode)
		end.gone = res.StatusCode == http.StatusGone
		if n, err := strconv.ParseInt(res.Header.Get("Retry-After"), 10, 32); err == nil && n > 0 {
			end.wait = min(time.Duration(n)*time.Second, time.Hour)
		}
	}
	return end
}

// request is the signed request, see
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md.
func (s *webhookSender) request(ctx context.Context, a *attempt, at time.Time) (*http.Request, error) {
	d, w := &a.delivery, &a.webhook
	secrets := []string{w.Secret}
	if w.OldSecret != "" && cloud.TimeOf(at) < w.OldUntil {
		secrets = append(secrets, w.OldSecret)
	}
	var signatures []string
	for _, sealed := range secrets {
		secret, err := s.c.inst.values.Open(sealed, webhookPlace(w.ID))
		if err != nil {
			return nil, err
		}
		sig, err := cloud.SignWebhook(secret, d.ID, at, d.Body)
		if err != nil {
			return nil, err
		}
		signatures = append(signatures, sig)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader([]byte(d.Body)))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Atoll-Webhooks")
	req.Header.Set("webhook-id", string(d.ID))
	req.Header.Set("webhook-timestamp", strconv.FormatInt(at.Unix(), 10))
	req.Header.Set("webhook-signature", strings.Join(signatures, " "))
	return req, nil
}

// requestProblem says why there was no answer, without the URL, which may hold a secret.
func requestProblem(err error) string {
	var e *url.Error
	if errors.As(err, &e) {
		if e.Timeout() {
			return fmt.Sprintf("there was no answer within %s", webhookTime)
		}
		err = e.Err
	}
	var own *cloud.Error
	if errors.As(err, &own) {
		return cloud.UserMessage(own)
	}
	return firstRunes(clean(err.Error()), 300)
}

// attempted records what became of an attempt, unless something else did meanwhile.
func (c *Control) attempted(tx *store.Tx, a *attempt, end attemptEnd) error {
	d := a.delivery
	now, err := tx.Now()
	if err != nil {
		return err
	}
	d.SentAt, d.Duration, d.Status, d.Response, d.Error = cloud.TimeOf(end.at), end.took, int64(end.status), end.response, end.problem
	next := now.Add(max(cloud.RetryAfter(c.Pace.Webhook, d.Attempts, rand.Float64()), end.wait))
	switch {
	case end.problem == "":
		d.State = cloud.DeliveryDelivered
	case d.Seq == 0 || end.gone || next.Sub(d.BeginAt) > cloud.DeliveryTime:
		d.State = cloud.DeliveryFailed
	default:
		d.NextAt = next
	}
	if err := tx.UpdateDelivery(&d); errors.Is(err, store.ErrChanged) {
		return nil // it was paused, or asked for anew, or another controller took it over
	} else if err != nil {
		return err
	}
	if err := tx.WebhookAnswered(d.WebhookID, now, d.Status, d.Error); err != nil || end.problem == "" {
		return err
	}
	failing := cmp.Or(a.webhook.FailingSince, now)
	switch {
	case end.gone:
		return disableWebhook(tx, d.WebhookID, "the receiver answered 410: it wants nothing more")
	case now.Sub(failing) > webhookPatience && d.Attempts >= patientAttempts:
		return disableWebhook(tx, d.WebhookID, fmt.Sprintf("nothing could be delivered since %s; the last attempt: %s", failing.Time().Format(time.RFC3339), end.problem))
	}
	return nil
}
