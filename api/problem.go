package api

import "fmt"

// ProblemType is the media type of a Problem.
const ProblemType = "application/problem+json"

// Problem is an error answer (RFC 9457). Code is stable and says what kind of
// error it is; Detail is for people.
type Problem struct {
	Type       string         `json:"type,omitempty" doc:"about:blank, or empty for the same."`
	Title      string         `json:"title" doc:"The status in words." example:"Conflict"`
	Status     int            `json:"status" doc:"The HTTP status." example:"409"`
	Code       string         `json:"code" doc:"The kind of error." enum:"invalid,unauthenticated,second-factor,second-factor-missing,denied,not-found,conflict,quota,capacity,too-large,rate-limited,unavailable,timeout,internal"`
	Detail     string         `json:"detail,omitempty" doc:"What failed, on what, and the way out." example:"machine web-1 is running; stop it before you resize it"`
	Field      string         `json:"field,omitempty" doc:"The input field that is wrong." example:"disk_gib"`
	State      string         `json:"state,omitempty" doc:"The object's current state, with code conflict." example:"running"`
	Version    int64          `json:"version,omitempty" doc:"The object's present version, with code conflict and an If-Match that is not it." example:"4"`
	RetryAfter int64          `json:"retry_after,omitempty" doc:"Seconds after which to try again; the same as the header Retry-After."`
	RequestID  string         `json:"request_id,omitempty" doc:"Quote it to your operator: the log has the rest under it."`
	Errors     []ProblemField `json:"errors,omitempty" doc:"All wrong fields, where several were found; the first is also in detail and field."`
}

// ProblemField is one wrong input field.
type ProblemField struct {
	Field  string `json:"field" doc:"Path of the field." example:"disk_gib"`
	Detail string `json:"detail" doc:"What is wrong with it." example:"expected number >= 1"`
}

// Error is the detail with the request id.
func (p *Problem) Error() string {
	if p.RequestID == "" || p.Code != "internal" {
		return p.Detail
	}
	return fmt.Sprintf("%s (request id %s)", p.Detail, p.RequestID)
}

// GetStatus is the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is ProblemType for JSON.
func (p *Problem) ContentType(string) string { return ProblemType }
