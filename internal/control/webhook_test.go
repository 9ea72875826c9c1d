package control

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
)

// received is a message as it came.
type received struct {
	id, signature string
	at            time.Time
	body          string
	message       struct {
		Type string
		Data struct {
			Seq         int64  `json:"seq"`
			SubjectName string `json:"subject_name"`
		}
	}
}

// signed reports whether one of the message's signatures is of the secret.
func (m *received) signed(secret string) bool {
	want, err := cloud.SignWebhook(secret, cloud.DeliveryID(m.id), m.at, m.body)
	return err == nil && slices.Contains(strings.Fields(m.signature), want)
}

// receiver is a real HTTP server that keeps what it gets.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	got    []received
	answer func(n int, w http.ResponseWriter, r *http.Request) // of the n-th message; nil is 204
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	rec := &receiver{}
	rec.Server = httptest.NewServer(rec)
	t.Cleanup(rec.Close)
	return rec
}

func (rec *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body)
	at, err2 := strconv.ParseInt(r.Header.Get("webhook-timestamp"), 10, 64)
	m := received{id: r.Header.Get("webhook-id"), signature: r.Header.Get("webhook-signature"), at: time.Unix(at, 0), body: string(text)}
	if err := errors.Join(err, err2, json.Unmarshal(text, &m.message)); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	rec.mu.Lock()
	rec.got = append(rec.got, m)
	n, answer := len(rec.got), rec.answer
	rec.mu.Unlock()
	if answer != nil {
		answer(n, w, r)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (rec *receiver) answers(fn func(n int, w http.ResponseWriter, r *http.Request)) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.answer = fn
}

func (rec *receiver) messages() []received {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	return slices.Clone(rec.got)
}

func (rec *receiver) wait(t *testing.T, n int) []received {
	t.Helper()
	until(t, strconv.Itoa(n)+" messages", func() bool { return len(rec.messages()) >= n })
	return rec.messages()
}

func quick(cfg *Config) { cfg.Pace.Webhook = 10 * time.Millisecond }

// newHooked is an installation whose webhooks may go to this host, with its loops.
func newHooked(t *testing.T, db *store.DB, options ...func(*Config)) *world {
	t.Helper()
	w := &world{newCatalog(t, db, append([]func(*Config){private, quick}, options...)...), t, System("test")}
	return w
}

func (w *world) hook(in NewWebhook) (*cloud.Webhook, string) {
	w.t.Helper()
	h, secret, err := w.CreateWebhook(w.t.Context(), w.root, in)
	w.ok(err)
	return h, secret
}

// happens records an event of the account.
func (w *world) happens(a *cloud.Account, action, name string) {
	w.t.Helper()
	w.ok(w.DB.Update(w.t.Context(), func(tx *store.Tx) error {
		return stateEvent(tx, action, subject{kind: cloud.KindDeployment, id: name, name: name, account: a.ID}, name)
	}))
}

func (w *world) delivery(h *cloud.Webhook, id string) *cloud.Delivery {
	w.t.Helper()
	d, err := w.Delivery(w.t.Context(), w.root, WebhookRef{Webhook: string(h.ID)}, cloud.DeliveryID(id))
	w.ok(err)
	return d
}

func (w *world) deliveries(h *cloud.Webhook) []cloud.Delivery {
	w.t.Helper()
	list, _, err := w.Deliveries(w.t.Context(), w.root, WebhookRef{Webhook: string(h.ID)}, store.Query{Limit: store.MaxLimit})
	w.ok(err)
	return list
}

func TestWebhookDelivers(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newHooked(t, db)
		ours, other := w.account("ours"), w.account("other")
		rec := newReceiver(t)
		w.happens(ours, "deployment.state", "before") // no webhook was there
		w.events("")
		h, secret := w.hook(NewWebhook{Account: "ours", Name: "chat", URL: rec.URL, Events: []string{"deployment.state", "machine.*"}})
		foreign, _ := w.hook(NewWebhook{Account: "other", Name: "chat", URL: rec.URL + "/other", Events: []string{"*"}})
		runLoops(t, w.numberEvents, w.queueWebhooks, w.sendWebhooks)
		w.happens(ours, "deployment.state", "one")
		w.happens(ours, "deployment.expires", "no")
		w.happens(other, "deployment.state", "foreign")
		w.happens(ours, "machine.found-off", "two")
		var names []string
		for _, m := range rec.wait(t, 3) {
			if m.message.Data.SubjectName == "foreign" {
				if len(w.deliveries(foreign)) != 1 || m.signed(secret) {
					t.Errorf("the other account's message is not its own: %+v", m)
				}
				continue
			}
			names = append(names, m.message.Type+" "+m.message.Data.SubjectName)
			if !m.signed(secret) {
				t.Errorf("signature %q of %s does not hold", m.signature, m.body)
			}
			until(t, "delivery", func() bool { return w.delivery(h, m.id).State == cloud.DeliveryDelivered })
			if d := w.delivery(h, m.id); d.Status != 204 || d.Attempts != 1 || d.Body != m.body || d.Seq != m.message.Data.Seq {
				t.Errorf("its delivery is %+v", d)
			}
		}
		if slices.Sort(names); !slices.Equal(names, []string{"deployment.state one", "machine.found-off two"}) {
			t.Errorf("got %v", names)
		}
		if h, err := w.Webhook(t.Context(), w.root, WebhookRef{"ours", "chat"}); err != nil || h.LastStatus != 204 || h.LastAt == 0 || h.FailingSince != 0 {
			t.Errorf("the webhook is %+v, %v", h, err)
		}
	})
}

func TestWebhookIsTriedAgain(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newHooked(t, db)
		ours := w.account("ours")
		runLoops(t, w.numberEvents, w.queueWebhooks, w.sendWebhooks)
		rec := newReceiver(t)
		rec.answers(func(n int, w http.ResponseWriter, r *http.Request) {
			switch n {
			case 1:
				http.Error(w, strings.Repeat("we are down ", 1000), http.StatusInternalServerError)
			case 2:
				http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
			default:
				w.WriteHeader(http.StatusOK)
			}
		})
		h, secret := w.hook(NewWebhook{Account: "ours", Name: "chat", URL: rec.URL, Events: []string{"deployment.*"}})
		w.happens(ours, "deployment.state", "one")
		got := rec.wait(t, 3)
		until(t, "delivery", func() bool { return w.delivery(h, got[0].id).State == cloud.DeliveryDelivered })
		for _, m := range got {
			if m.id != got[0].id || m.body != got[0].body || !m.signed(secret) {
				t.Errorf("an attempt is %+v, the first one %+v", m, got[0])
			}
		}
		if d := w.delivery(h, got[0].id); d.Attempts != 3 || d.Error != "" || len(got) != 3 {
			t.Errorf("the delivery is %+v", d)
		}

		// Nobody listens, and then somebody does.
		l, err := net.Listen("tcp", "127.0.0.1:0")
		w.ok(err)
		address := l.Addr().String()
		l.Close()
		away, _ := w.hook(NewWebhook{Account: "ours", Name: "away", URL: "http://" + address, Events: []string{"machine.*"}})
		w.happens(ours, "machine.found-off", "two")
		until(t, "refused attempt", func() bool {
			list := w.deliveries(away)
			return len(list) == 1 && strings.Contains(list[0].Error, "connection refused")
		})
		if l, err = net.Listen("tcp", address); err != nil {
			t.Fatal(err)
		}
		srv := &httptest.Server{Listener: l, Config: &http.Server{Handler: rec}}
		srv.Start()
		t.Cleanup(srv.Close)
		until(t, "delivery", func() bool { return w.deliveries(away)[0].State == cloud.DeliveryDelivered })
	})
}

// What is answered with an error keeps its beginning, and the last answer of a
// receiver that wants nothing more is heard.
func TestWebhookGivesUp(t *testing.T) {
	t.Parallel()
	w := newHooked(t, storetest.SQLite(t))
	ours := w.account("ours")
	runLoops(t, w.numberEvents, w.queueWebhooks, w.sendWebhooks)
	rec := newReceiver(t)
	rec.answers(func(_ int, w http.ResponseWriter, _ *http.Request) {
		http.Error(w, strings.Repeat("we are down ", 1000), http.StatusInternalServerError)
	})
	h, _ := w.hook(NewWebhook{Account: "ours", Name: "chat", URL: rec.URL, Events: []string{"deployment.*"}})
	w.happens(ours, "deployment.state", "one")
	id := rec.wait(t, 3)[0].id
	if d := w.delivery(h, id); d.State != cloud.DeliveryPending || len(d.Response) != cloud.MaxDeliveryReply || d.Status != 500 || d.NextAt == 0 {
		t.Errorf("while it is tried it is %+v", d)
	}
	w.exec("UPDATE webhook_deliveries SET begin_at = 1, version = version + 1, next_at = 1")
	until(t, "end of the attempts", func() bool { return w.delivery(h, id).State == cloud.DeliveryFailed })

	// After days without a success it is disabled, which is an event for the others.
	w.exec("UPDATE webhooks SET failing_since = 1")
	w.happens(ours, "deployment.state", "two")
	state := func() *cloud.Webhook {
		h, err := w.Webhook(t.Context(), w.root, WebhookRef{Webhook: string(h.ID)})
		w.ok(err)
		return h
	}
	until(t, "disabled webhook", func() bool { return state().State == cloud.WebhookDisabled })
	if got := w.events("webhook.disabled"); len(got) != 1 || got[0].AccountID != ours.ID || !strings.Contains(got[0].Message, "500") {
		t.Errorf("events = %+v", got)
	}
	for _, d := range w.deliveries(h) {
		if d.State == cloud.DeliveryPending {
			t.Errorf("%+v still waits", d)
		}
	}
	// One that is resumed gets what happens then.
	rec.answers(nil)
	w.happens(ours, "deployment.state", "meanwhile")
	w.events("")
	no := false
	_, err := w.UpdateWebhook(t.Context(), w.root, WebhookRef{Webhook: string(h.ID)}, WebhookChange{Paused: &no})
	w.ok(err)
	before := len(rec.messages())
	w.happens(ours, "deployment.state", "three")
	if got := rec.wait(t, before+1); got[before].message.Data.SubjectName != "three" {
		t.Errorf("after it was resumed it gets %+v", got[before])
	}
	// A receiver that says 410 is left alone.
	rec.answers(func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) })
	w.happens(ours, "deployment.state", "four")
	until(t, "disabled webhook", func() bool { return state().State == cloud.WebhookDisabled })
}

func TestWebhookByHand(t *testing.T) {
	t.Parallel()
	w := newHooked(t, storetest.SQLite(t))
	ctx := t.Context()
	ours := w.account("ours")
	rec := newReceiver(t)
	h, secret := w.hook(NewWebhook{Account: "ours", Name: "chat", URL: rec.URL, Paused: true})
	ref := WebhookRef{"ours", "chat"}
	runLoops(t, w.numberEvents, w.queueWebhooks, w.sendWebhooks)
	w.happens(ours, "deployment.state", "one") // it is paused
	d, err := w.PingWebhook(ctx, w.root, ref)
	w.ok(err)
	got := rec.wait(t, 1)
	if got[0].message.Type != "ping" || got[0].id != string(d.ID) || !got[0].signed(secret) {
		t.Errorf("the ping is %+v", got[0])
	}
	until(t, "delivery", func() bool { return w.delivery(h, got[0].id).State == cloud.DeliveryDelivered })
	_, err = w.Redeliver(ctx, w.root, ref, d.ID)
	w.ok(err)
	if got = rec.wait(t, 2); got[1].id != got[0].id || got[1].body != got[0].body {
		t.Errorf("sent again it is %+v", got[1])
	}

	// Both secrets sign for a while, then the new one does.
	_, fresh, err := w.RotateWebhookSecret(ctx, w.root, ref, "", nil)
	w.ok(err)
	_, err = w.PingWebhook(ctx, w.root, ref)
	w.ok(err)
	if got = rec.wait(t, 3); !got[2].signed(secret) || !got[2].signed(fresh) {
		t.Errorf("after a rotation the signatures are %q", got[2].signature)
	}
	w.exec("UPDATE webhooks SET old_until = 1")
	_, err = w.PingWebhook(ctx, w.root, ref)
	w.ok(err)
	if got = rec.wait(t, 4); got[3].signed(secret) || !got[3].signed(fresh) {
		t.Errorf("later the signatures are %q", got[3].signature)
	}

	// A ping is tried once.
	rec.answers(func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	d, err = w.PingWebhook(ctx, w.root, ref)
	w.ok(err)
	until(t, "failed ping", func() bool { return w.delivery(h, string(d.ID)).State == cloud.DeliveryFailed })
	if list := w.deliveries(h); len(list) != 4 {
		t.Errorf("there are %d deliveries: a paused webhook got events", len(list))
	}
	// Its secrets are in no event.
	for _, e := range append(w.events("webhook.create"), w.events("webhook.rotate-secret")...) {
		text, err := json.Marshal(e)
		w.ok(err)
		if s := string(text); strings.Contains(s, "whsec_") || strings.Contains(s, rec.URL) || strings.Contains(s, h.Secret) {
			t.Errorf("an event has %s", s)
		}
	}
}

// A controller that is killed after it sent, and before it recorded that, leaves the
// delivery to the next one, which sends it under the same id.
func TestWebhookOfAKilledController(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newHooked(t, db)
		ours := w.account("ours")
		rec := newReceiver(t)
		held := make(chan struct{})
		rec.answers(func(n int, _ http.ResponseWriter, r *http.Request) {
			if n == 1 {
				select {
				case <-held:
				case <-r.Context().Done():
				}
			}
		})
		h, _ := w.hook(NewWebhook{Account: "ours", Name: "chat", URL: rec.URL, Events: []string{"deployment.*"}})
		runLoops(t, w.numberEvents, w.queueWebhooks)
		stop := runLoops(t, w.sendWebhooks)
		w.happens(ours, "deployment.state", "one")
		first := rec.wait(t, 1)[0]
		stop()
		close(held)
		if d := w.delivery(h, first.id); d.State != cloud.DeliveryPending || d.Attempts != 1 {
			t.Errorf("afterwards it is %+v", d)
		}
		w.exec("UPDATE webhook_deliveries SET next_at = 1") // a minute later
		runLoops(t, w.sendWebhooks)
		if got := rec.wait(t, 2); got[1].id != first.id {
			t.Errorf("sent again it is %+v", got[1])
		}
		until(t, "delivery", func() bool { return w.delivery(h, first.id).State == cloud.DeliveryDelivered })
		if list := w.deliveries(h); len(list) != 1 {
			t.Errorf("there are %d deliveries of one event", len(list))
		}
	})
}

// Of several controllers one sends each, and none is left out.
func TestWebhookOfSeveralControllers(t *testing.T) {
	t.Parallel()
	dsn := storetest.DSN(t)
	w := newHooked(t, storetest.Open(t, dsn))
	same := func(cfg *Config) { cfg.Keys, cfg.SharedBlobs, cfg.Log = w.Keys, true, slog.New(slog.DiscardHandler) }
	second := newHooked(t, storetest.Open(t, dsn), same)
	ours := w.account("ours")
	rec := newReceiver(t)
	h, _ := w.hook(NewWebhook{Account: "ours", Name: "chat", URL: rec.URL, Events: []string{"deployment.*"}})
	for _, c := range []*Control{w.Control, second.Control} {
		runLoops(t, c.numberEvents, c.queueWebhooks, c.sendWebhooks)
	}
	const n = 200
	for i := range n {
		w.happens(ours, "deployment.state", strconv.Itoa(i))
	}
	until(t, "delivery of all", func() bool {
		list := w.deliveries(h)
		return len(list) == n && !slices.ContainsFunc(list, func(d cloud.Delivery) bool { return d.State != cloud.DeliveryDelivered })
	})
	times := map[string]int{}
	for _, m := range rec.messages() {
		times[m.message.Data.SubjectName]++
	}
	for name, k := range times {
		if k != 1 {
			t.Errorf("%s was sent %d times", name, k)
		}
	}
	if len(times) != n {
		t.Errorf("%d of %d events were sent", len(times), n)
	}
}

// A receiver that hangs holds up nobody else.
func TestWebhookThatHangs(t *testing.T) {
	t.Parallel()
	w := newHooked(t, storetest.SQLite(t))
	ours := w.account("ours")
	hangs, works := newReceiver(t), newReceiver(t)
	hangs.answers(func(_ int, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	w.hook(NewWebhook{Account: "ours", Name: "hangs", URL: hangs.URL, Events: []string{"machine.*"}})
	w.hook(NewWebhook{Account: "ours", Name: "works", URL: works.URL, Events: []string{"deployment.*"}})
	for i := range 3 * maxSending {
		w.happens(ours, "machine.found-off", strconv.Itoa(i))
	}
	stop := runLoops(t, w.numberEvents, w.queueWebhooks, w.sendWebhooks)
	hangs.wait(t, maxSendingTo)
	w.happens(ours, "deployment.state", "one")
	works.wait(t, 1)
	if n := len(hangs.messages()); n != maxSendingTo {
		t.Errorf("%d are sent to one that hangs", n)
	}
	stop()
}

func TestWebhookRefusals(t *testing.T) {
	t.Parallel()
	w := newHooked(t, storetest.SQLite(t))
	ctx := t.Context()
	ours := w.account("ours")
	member, writer, operator := w.user("ada", ""), w.user("wim", ""), w.user("olga", cloud.InstallationOperator)
	w.member(member, cloud.ScopeAdmin, ours)
	w.member(writer, cloud.ScopeWriter, ours)
	for _, tt := range []struct {
		name string
		in   NewWebhook
		kind cloud.ErrorKind
	}{
		{"no URL", NewWebhook{Account: "ours", Name: "x", URL: "chat"}, cloud.Invalid},
		{"a file", NewWebhook{Account: "ours", Name: "x", URL: "file:///etc/passwd"}, cloud.Invalid},
		{"a password", NewWebhook{Account: "ours", Name: "x", URL: "https://a:b@example.com/"}, cloud.Invalid},
		{"inside", NewWebhook{Account: "ours", Name: "x", URL: "http://169.254.169.254/latest"}, cloud.Invalid},
		{"no pattern", NewWebhook{Account: "ours", Name: "x", URL: "https://example.com", Events: []string{"dep*loy"}}, cloud.Invalid},
		{"a short secret", NewWebhook{Account: "ours", Name: "x", URL: "https://example.com", Secret: "whsec_aGk="}, cloud.Invalid},
		{"no name", NewWebhook{Account: "ours", URL: "https://example.com"}, cloud.Invalid},
		{"of the installation", NewWebhook{Name: "x", URL: "https://example.com"}, cloud.Denied},
	} {
		_, _, err := w.CreateWebhook(ctx, w.as(member), tt.in)
		w.fails(tt.name, err, tt.kind)
	}
	good := NewWebhook{Account: "ours", Name: "chat", URL: "https://example.com/hook"}
	_, _, err := w.CreateWebhook(ctx, w.as(writer), good)
	w.fails("a writer", err, cloud.Denied)
	h, _, err := w.CreateWebhook(ctx, w.as(member), good)
	w.ok(err)
	_, err = w.Webhook(ctx, w.as(writer), WebhookRef{Webhook: string(h.ID)})
	w.fails("a writer looks", err, cloud.NotFound)
	if list, _, err := w.Webhooks(ctx, w.as(writer), Query{}); err != nil || len(list) != 0 {
		t.Errorf("a writer lists %v, %v", list, err)
	}
	good.Account = ""
	_, _, err = w.CreateWebhook(ctx, w.as(operator), good)
	w.ok(err)
	if _, err := w.Webhook(ctx, w.as(operator), WebhookRef{Webhook: "chat"}); err != nil {
		t.Errorf("an operator looks for the installation's: %v", err)
	}

	// The address counts that is dialled, not the one that was given.
	dns, resolver := names(t)
	w.resolver = resolver
	dns.AddDNSARecord("inside.example.", []string{"127.0.0.2"})
	inside, visits := listenOn(t, "127.0.0.2:0", http.NotFoundHandler())
	runLoops(t, w.sendWebhooks)
	sly, _ := w.hook(NewWebhook{Account: "ours", Name: "sly", URL: "http://inside.example.:" + inside + "/"})
	d, err := w.PingWebhook(ctx, w.root, WebhookRef{Webhook: string(sly.ID)})
	w.ok(err)
	until(t, "refused ping", func() bool { return w.delivery(sly, string(d.ID)).State == cloud.DeliveryFailed })
	if d := w.delivery(sly, string(d.ID)); visits.Load() != 0 || !strings.Contains(d.Error, "no public address") {
		t.Errorf("the controller visited its own network: %+v", d)
	}
}

// What is long over is removed, and what waits is not.
func TestDeliveriesAreForgotten(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newHooked(t, db)
		w.account("ours")
		h, _ := w.hook(NewWebhook{Account: "ours", Name: "chat", URL: "https://example.com"})
		inTx(t, w.Control, func(tx *store.Tx) error {
			for i, state := range []cloud.DeliveryState{cloud.DeliveryDelivered, cloud.DeliveryFailed, cloud.DeliveryPending} {
				d := &cloud.Delivery{ID: cloud.IDAt[cloud.DeliveryID](cloud.Now().Add(-20 * day)), WebhookID: h.ID, Seq: int64(i + 1), State: state}
				if err := tx.CreateDelivery(d); err != nil {
					return err
				}
			}
			return tx.CreateDelivery(&cloud.Delivery{ID: cloud.NewID[cloud.DeliveryID](), WebhookID: h.ID, Seq: 9, State: cloud.DeliveryDelivered})
		})
		w.ok(w.retainOnce(t.Context()))
		list := w.deliveries(h)
		if len(list) != 2 || list[0].State != cloud.DeliveryPending || list[1].Seq != 9 {
			t.Errorf("left are %+v", list)
		}
	})
}
