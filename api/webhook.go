package api

// Webhook has events sent to a URL: those of a project, of an account, or of the whole
// installation.
type Webhook struct {
	ID           string   `json:"id"`
	AccountID    string   `json:"account_id,omitempty" doc:"Left out: of the installation."`
	ProjectID    string   `json:"project_id,omitempty" doc:"Left out: of the whole account."`
	Name         string   `json:"name" example:"chat"`
	URL          string   `json:"url"`
	Events       []string `json:"events" nullable:"false" doc:"Actions of events, such as deployment.state or deployment.*; none is all."`
	State        string   `json:"state" enum:"active,paused,disabled" doc:"Only an active one gets events; Atoll disables one that fails for days."`
	Reason       string   `json:"reason,omitempty" doc:"Why Atoll disabled it."`
	FailingSince Time     `json:"failing_since,omitzero" doc:"Since when each attempt failed."`
	LastAt       Time     `json:"last_at,omitzero" doc:"End of the last attempt …"`
	LastStatus   int64    `json:"last_status,omitempty" doc:"… the HTTP status that it was answered …"`
	LastError    string   `json:"last_error,omitempty" doc:"… and why it failed."`
	OldUntil     Time     `json:"old_secret_until,omitzero" doc:"How long the secret from before the last rotation signs too."`
	CreatedBy    string   `json:"created_by,omitempty"`
	Meta
}

// WebhookCreate is what a webhook is made from.
type WebhookCreate struct {
	Account string   `json:"account,omitempty" doc:"Id or name: whose events; without account and project those of the whole installation, for operators."`
	Project string   `json:"project,omitempty" doc:"Id, or name in the account: only its events."`
	Name    string   `json:"name" doc:"Unique in the account." example:"chat"`
	URL     string   `json:"url" doc:"Where to send them." example:"https://hooks.example.com/atoll"`
	Secret  string   `json:"secret,omitempty" doc:"whsec_ and the base64 of 24 to 64 bytes; made if left out."`
	Events  []string `json:"events,omitempty" doc:"Actions of events, such as deployment.state or deployment.*; none is all." example:"[\"deployment.*\"]"`
	Paused  bool     `json:"paused,omitempty" doc:"It gets nothing until it goes on."`
}

// WebhookUpdate changes a webhook; what is left out stays.
type WebhookUpdate struct {
	Name   *string   `json:"name,omitempty"`
	URL    *string   `json:"url,omitempty"`
	Events *[]string `json:"events,omitempty"`
	Paused *bool     `json:"paused,omitempty" doc:"true: it gets nothing; false: it gets what happens from now on, also after Atoll disabled it."`
}

// WebhookRotate gives a webhook another secret.
type WebhookRotate struct {
	Secret  string  `json:"secret,omitempty" doc:"whsec_ and the base64 of 24 to 64 bytes; made if left out."`
	KeepOld *string `json:"keep_old,omitempty" doc:"How long the old one signs too, up to 168h; 24h if left out, 0s not at all." example:"24h"`
}

// WebhookSecret is a webhook with its secret, which is shown once.
type WebhookSecret struct {
	Webhook
	Secret string `json:"secret" doc:"With it the receiver checks the signatures; it is shown only now."`
}

// Delivery is a message to a webhook.
type Delivery struct {
	ID        string `json:"id" doc:"The header webhook-id of each attempt."`
	WebhookID string `json:"webhook_id"`
	Seq       int64  `json:"seq,omitempty" doc:"The event's number; left out for a ping."`
	Action    string `json:"action" doc:"The event's, and the message's type."`
	State     string `json:"state" enum:"pending,delivered,failed"`
	Attempts  int64  `json:"attempts"`
	NextAt    Time   `json:"next_at,omitzero" doc:"When it is tried next, while it is pending."`
	SentAt    Time   `json:"sent_at,omitzero" doc:"The last attempt …"`
	Duration  string `json:"duration,omitempty" doc:"… how long it took …"`
	Status    int64  `json:"status,omitempty" doc:"… the HTTP status of its answer …"`
	Response  string `json:"response,omitempty" doc:"… the first KiB of its answer …"`
	Error     string `json:"error,omitempty" doc:"… and why it failed."`
	Body      string `json:"body,omitempty" doc:"What is sent; not in lists."`
	Meta
}
