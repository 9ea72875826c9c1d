package cloud

import (
	"encoding/json"
	"regexp"
	"time"
)

var queueName = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

// ScriptKind groups scripts by use.
type ScriptKind string

// The script kinds.
const (
	ScriptHealth      ScriptKind = "health"
	ScriptStats       ScriptKind = "stats"
	ScriptMaintenance ScriptKind = "maintenance"
	ScriptControl     ScriptKind = "control"
)

// ScriptKinds lists them.
var ScriptKinds = []ScriptKind{ScriptHealth, ScriptStats, ScriptMaintenance, ScriptControl}

// Script is one version of an executable with a header. A new upload under the
// same name is a new row with the next Revision; the newest one is current.
type Script struct {
	ID        ScriptID
	AccountID AccountID // "" for the installation's own
	Name      string
	Revision  int64
	Current   bool
	SHA256    string
	Size      int64
	Signature string // by the installation's key, over the checksum
	Header    ScriptHeader
	Meta
}

// ScriptHeader is the YAML comment block at the top of a script.
type ScriptHeader struct {
	Description string          `json:"description,omitempty"`
	Roles       []Role          `json:"roles,omitempty"`
	Every       string          `json:"every,omitempty"` // period such as 5m
	Cron        string          `json:"cron,omitempty"`  // five fields
	TimeZone    string          `json:"timezone,omitempty"`
	Timeout     string          `json:"timeout,omitempty"`
	Queue       string          `json:"queue,omitempty"`
	Kind        ScriptKind      `json:"kind,omitempty"`
	Parameters  json.RawMessage `json:"parameters,omitempty"` // JSON Schema of the arguments
}

// MissPolicy says what a schedule does with times that passed while no controller ran.
type MissPolicy string

// The miss policies.
const (
	MissSkip MissPolicy = "skip" // wait for the next time
	MissOnce MissPolicy = "once" // run once now
)

// Schedule makes jobs by period or cron.
type Schedule struct {
	ID         ScheduleID
	AccountID  AccountID
	Name       string
	ScriptName string          // runs the script's current version
	Command    []string        // or this command
	Args       json.RawMessage // for the script
	Node       NodeID          // one node
	Role       Role            // or each node with the role
	All        bool            // or each node
	LocationID LocationID
	Every      string
	Cron       string
	TimeZone   string
	JitterMS   int64
	Miss       MissPolicy
	TimeoutMS  int64
	Paused     bool
	NextAt     Time
	LastAt     Time
	CreatedBy  UserID
	Meta
}

// MinPeriod is the shortest period of a schedule.
const MinPeriod = time.Second

// Validate checks what a user may set, apart from the cron line itself.
func (s *Schedule) Validate() error {
	if err := ValidateName(KindSchedule, s.Name); err != nil {
		return err
	}
	targets := 0
	for _, set := range []bool{s.Node != "", s.Role != "", s.All} {
		if set {
			targets++
		}
	}
	switch {
	case (s.ScriptName == "") == (len(s.Command) == 0):
		return FieldErrorf("script", "give either a script or a command")
	case targets != 1:
		return FieldErrorf("node", "say where: exactly one of node, role and all")
	case (s.Every == "") == (s.Cron == ""):
		return FieldErrorf("every", "give either a period (every) or a cron line")
	case s.JitterMS < 0 || s.JitterMS > time.Hour.Milliseconds():
		return FieldErrorf("jitter", "must be 0 to 1h")
	case s.Miss != MissSkip && s.Miss != MissOnce:
		return FieldErrorf("miss", "%q is no miss policy; they are skip and once", s.Miss)
	}
	if s.Every != "" {
		d, err := time.ParseDuration(s.Every)
		if err != nil || d < MinPeriod {
			return FieldErrorf("every", "%q is no period of at least %s such as 30s or 5m", clip(s.Every), MinPeriod)
		}
	}
	if _, err := time.LoadLocation(s.TimeZone); err != nil {
		return FieldErrorf("timezone", "%q is no time zone such as Europe/Brussels", clip(s.TimeZone))
	}
	return ValidateRoles(rolesOf(s.Role))
}

func rolesOf(r Role) []Role {
	if r == "" {
		return nil
	}
	return []Role{r}
}
