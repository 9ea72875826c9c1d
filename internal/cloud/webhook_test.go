package cloud

import (
	"testing"
	"time"
)

// The example of the specification's own libraries.
func TestSignWebhook(t *testing.T) {
	got, err := SignWebhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), `{"test": 2432232314}`)
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; err != nil || got != want {
		t.Errorf("SignWebhook() = %q, %v, want %q", got, err, want)
	}
	if err := ValidateWebhookSecret(NewWebhookSecret()); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_%%%", "whsec_aGFsbG8="} {
		if err := ValidateWebhookSecret(bad); !Is(err, Invalid) {
			t.Errorf("secret %q: %v", bad, err)
		}
	}
}

func TestWebhookTakes(t *testing.T) {
	of := func(events ...string) Webhook {
		return Webhook{ID: "w", AccountID: "a", State: WebhookActive, After: 5, Events: events}
	}
	project, paused, all := of(), of(), of()
	project.ProjectID, paused.State, all.AccountID = "p", WebhookPaused, ""
	event := Event{Seq: 6, AccountID: "a", ProjectID: "p", SubjectKind: KindDeployment, SubjectID: "d", Action: "deployment.state"}
	foreign, older, own, account := event, event, event, event
	foreign.AccountID, older.Seq, own.SubjectKind, own.SubjectID, account.ProjectID = "b", 5, KindWebhook, "w", ""
	for _, tt := range []struct {
		name  string
		hook  Webhook
		event Event
		want  bool
	}{
		{"all", of(), event, true},
		{"a star", of("*"), event, true},
		{"its action", of("machine.start", "deployment.state"), event, true},
		{"a beginning", of("deployment.*"), event, true},
		{"no whole word", of("deploy"), event, false},
		{"another beginning", of("deployment.state.*"), event, false},
		{"another account's", of(), foreign, false},
		{"of the installation", all, foreign, true},
		{"of before", of(), older, false},
		{"about itself", of(), own, false},
		{"of its project", project, event, true},
		{"of no project", project, account, false},
		{"paused", paused, event, false},
	} {
		if got := tt.hook.Takes(&tt.event); got != tt.want {
			t.Errorf("%s: Takes() = %v", tt.name, got)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	for n, want := range map[int64]time.Duration{1: 5 * time.Second, 2: 15 * time.Second, 5: 405 * time.Second, 9: 4 * time.Hour, 1000: 4 * time.Hour} {
		if got := RetryAfter(FirstRetry, n, 0); got != want {
			t.Errorf("RetryAfter(%d) = %s, want %s", n, got, want)
		}
		if got := RetryAfter(FirstRetry, n, 1); got != want+want/5 {
			t.Errorf("RetryAfter(%d) = %s at most, want %s", n, got, want+want/5)
		}
	}
}
