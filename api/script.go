package api

import "encoding/json"

// Script is one version of an executable with a header. Uploading under the same
// name makes the next revision.
type Script struct {
	ID        string       `json:"id"`
	AccountID string       `json:"account_id,omitempty"`
	Name      string       `json:"name" example:"disk-health"`
	Revision  int64        `json:"revision"`
	Current   bool         `json:"current" doc:"The newest revision of its name."`
	SHA256    string       `json:"sha256"`
	Size      int64        `json:"size" doc:"Bytes."`
	Header    ScriptHeader `json:"header"`
	Meta
}

// ScriptHeader is the YAML comment block at the top of a script.
type ScriptHeader struct {
	Description string          `json:"description,omitempty"`
	Roles       []string        `json:"roles,omitempty" doc:"Which nodes it is for."`
	Every       string          `json:"every,omitempty" doc:"Period." example:"5m"`
	Cron        string          `json:"cron,omitempty" doc:"Five fields."`
	TimeZone    string          `json:"timezone,omitempty" example:"Europe/Brussels"`
	Timeout     string          `json:"timeout,omitempty" example:"30s"`
	Queue       string          `json:"queue,omitempty"`
	Kind        string          `json:"kind,omitempty" doc:"health, stats, maintenance or control."`
	Parameters  json.RawMessage `json:"parameters,omitempty" doc:"JSON Schema of the arguments."`
}
