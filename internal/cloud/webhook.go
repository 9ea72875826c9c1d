package cloud

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Webhook has events sent to a URL: those of a project, of an account, or of the
// whole installation.
type Webhook struct {
	ID        WebhookID
	AccountID AccountID // "" is the installation
	ProjectID ProjectID // "" is the whole account
	Name      string
	URL       string
	// Secret signs what is sent. After a rotation OldSecret signs too, until OldUntil.
	// Both are sealed.
	Secret    string
	OldSecret string
	OldUntil  Time
	// Events are patterns of actions: deployment.state, deployment.* or *. None is all.
	Events []string
	State  WebhookState
	Reason string // why Atoll disabled it
	// After is the number of the last event that is none of this webhook's: the last
	// one before it was made, or resumed.
	After int64
	// FailingSince is the end of the first of the failed attempts since one succeeded,
	// 0 after one that did.
	FailingSince Time
	LastAt       Time   // end of the last attempt …
	LastStatus   int64  // … the HTTP status that it was answered, 0 for no answer …
	LastError    string // … and why it failed, "" if it did not
	CreatedBy    UserID
	Meta
}

// WebhookState says whether events are sent.
type WebhookState string

// The states of webhooks. Only an active one gets events; what happens meanwhile is
// not sent later.
const (
	WebhookActive   WebhookState = "active"
	WebhookPaused   WebhookState = "paused"   // by somebody
	WebhookDisabled WebhookState = "disabled" // by Atoll: Reason says why
)

// Limits of webhooks.
const (
	MaxWebhooks      = 50 // of one account, or of the installation
	MaxWebhookEvents = 50
	maxWebhookURL    = 2048
)

var eventPattern = regexp.MustCompile(`^(\*|[a-z][a-z0-9-]*(\.[a-z][a-z0-9-]*)*(\.\*)?)$`)

// Validate checks what a user may set.
func (w *Webhook) Validate() error {
	if err := ValidateName(KindWebhook, w.Name); err != nil {
		return err
	}
	if len(w.URL) > maxWebhookURL {
		return FieldErrorf("url", "has %d bytes; at most %d are allowed", len(w.URL), maxWebhookURL)
	}
	if len(w.Events) > MaxWebhookEvents {
		return FieldErrorf("events", "are %d; at most %d are allowed", len(w.Events), MaxWebhookEvents)
	}
	for _, p := range w.Events {
		if len(p) > 100 || !eventPattern.MatchString(p) {
			return FieldErrorf("events", "%q names no events: write an action such as deployment.state, deployment.* for all that begin so, or * for all", clip(p))
		}
	}
	return nil
}

// Takes reports whether the event is one of the webhook's: in its scope, after its
// beginning, of its patterns, and not about itself.
func (w *Webhook) Takes(e *Event) bool {
	switch {
	case w.State != WebhookActive || e.Seq <= w.After:
		return false
	case w.AccountID != "" && w.AccountID != e.AccountID, w.ProjectID != "" && w.ProjectID != e.ProjectID:
		return false
	case e.SubjectKind == KindWebhook && e.SubjectID == string(w.ID):
		return false // that it was pinged is no news to it
	}
	return len(w.Events) == 0 || slices.ContainsFunc(w.Events, func(p string) bool {
		begin, any := strings.CutSuffix(p, "*")
		return p == e.Action || any && strings.HasPrefix(e.Action, begin)
	})
}

// Delivery is one event on its way to a webhook. Its id is the message's: the same in
// each attempt, so that a receiver can tell what it has already.
type Delivery struct {
	ID        DeliveryID
	WebhookID WebhookID
	Seq       int64  // of the event; 0 for a ping
	Action    string // of the event
	Body      string // what is sent
	State     DeliveryState
	Attempts  int64
	// BeginAt is when its attempts began: they go on for DeliveryTime.
	BeginAt Time
	// NextAt is when it is due. While it is being sent, this is when another controller
	// may try, should this one not come back.
	NextAt   Time
	SentAt   Time          // the last attempt
	Duration time.Duration // of it
	Status   int64         // the HTTP status of its answer, 0 for none
	Response string        // the beginning of its answer
	Error    string        // why it failed, "" if it did not
	Meta
}

// DeliveryState says how far a delivery is.
type DeliveryState string

// The states of deliveries.
const (
	DeliveryPending   DeliveryState = "pending" // it is tried, or tried again
	DeliveryDelivered DeliveryState = "delivered"
	DeliveryFailed    DeliveryState = "failed"
)

// How deliveries are tried.
const (
	DeliveryTime     = 24 * time.Hour // from the first attempt on
	FirstRetry       = 5 * time.Second
	retryFactor      = 3
	longestRetry     = 4 * time.Hour
	MaxDeliveryReply = 1024 // bytes of an answer that are kept
)

// RetryAfter is how long to wait after so many failed attempts: first, then three times
// as long each time, up to 4 hours, and up to a fifth more, so that what failed together
// does not come back together. spread is a random number from 0 to 1.
func RetryAfter(first time.Duration, attempts int64, spread float64) time.Duration {
	d := first
	for range attempts - 1 {
		if d = min(d*retryFactor, longestRetry); d == longestRetry {
			break
		}
	}
	return d + time.Duration(spread*float64(d)/5)
}

// The secrets of webhooks, as of https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md.
const (
	webhookSecretPrefix = "whsec_"
	minWebhookSecret    = 24 // bytes, without their encoding
	maxWebhookSecret    = 64
)

// NewWebhookSecret returns a fresh secret.
func NewWebhookSecret() string {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return webhookSecretPrefix + base64.StdEncoding.EncodeToString(key)
}

func webhookKey(secret string) ([]byte, error) {
	text, ok := strings.CutPrefix(secret, webhookSecretPrefix)
	key, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(key) < minWebhookSecret || len(key) > maxWebhookSecret {
		return nil, FieldErrorf("secret", "must be whsec_ and the base64 of %d to %d bytes; left out, one is made", minWebhookSecret, maxWebhookSecret)
	}
	return key, nil
}

// ValidateWebhookSecret checks a secret that somebody brings along.
func ValidateWebhookSecret(secret string) error {
	_, err := webhookKey(secret)
	return err
}

// SignWebhook is the signature of a message by the specification's version 1: the
// HMAC-SHA256 of its id, the time in seconds, and its body.
func SignWebhook(secret string, id DeliveryID, at time.Time, body string) (string, error) {
	key, err := webhookKey(secret)
	if err != nil {
		return "", err
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(string(id) + "." + strconv.FormatInt(at.Unix(), 10) + "." + body))
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)), nil
}
