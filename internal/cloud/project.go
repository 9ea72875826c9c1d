package cloud

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Project is a product of which there are deployments: where they are reached, the
// control scripts that make them, and the runners on which those run.
type Project struct {
	ID          ProjectID
	AccountID   AccountID
	Name        string
	Description string
	// BaseDomain, Namespace and the name are what each control script gets.
	BaseDomain string
	Namespace  string
	// Folder is where the control scripts are on each runner, and BundleID the version
	// of an uploaded bundle that is in use: one of them, "" until there is one.
	Folder   string
	BundleID BundleID
	// UserID is the user id, on the runners, under which they run.
	UserID int64
	// Role and Labels say which nodes run the scripts: those of the role that have
	// all of the labels.
	Role   Role
	Labels map[string]string
	// ScriptTimeout is how long one script may run; CheckTimeout is the same for a
	// check, which must not hold up the others.
	ScriptTimeout time.Duration
	CheckTimeout  time.Duration
	// StatusInterval is how often a deployment is checked, StatusTimeout how long a
	// new one has until its check must be good.
	StatusInterval time.Duration
	StatusTimeout  time.Duration
	// ArchiveRetention is how long an archived deployment is kept until it is cleaned
	// up, History how long what was done is kept after that; 0 is for ever.
	ArchiveRetention time.Duration
	History          time.Duration
	// DefaultTTL is the time to live of deployments that name none; 0 is for ever.
	DefaultTTL time.Duration
	// IdleTTL is how long after their last use deployments are archived; 0 is for ever.
	// It holds only where use is seen: with the bundle builtin:process.
	IdleTTL time.Duration
	// DiskMiB is how much the project's user may hold on each runner; 0 is no limit.
	DiskMiB int64
	// Secrets are given to each script in its environment, by name. Sealed.
	Secrets []Secret
	Meta
}

// Secret is a named value that people write and never read.
type Secret struct {
	Name   string `json:"name"`
	Sealed string `json:"sealed"`
}

// The defaults of a project.
const (
	DefaultScriptTimeout    = 30 * time.Minute
	DefaultCheckTimeout     = 30 * time.Second
	DefaultStatusInterval   = 15 * time.Second
	DefaultStatusTimeout    = 10 * time.Minute
	DefaultArchiveRetention = 14 * 24 * time.Hour
	DefaultHistory          = 90 * 24 * time.Hour
)

// ConfigCheckTimeout is how long config_check may take: somebody waits for it.
const ConfigCheckTimeout = 30 * time.Second

// FirstProjectUser is the user id before that of the first project; each has one of
// its own.
const FirstProjectUser = 10000

// Limits of a project.
const (
	MaxSecrets     = 100
	MaxSecretValue = 32 << 10
	maxLabels      = 32
)

// Normalise sets what the caller left out.
func (p *Project) Normalise() {
	if p.Role == "" {
		p.Role = RoleRunner
	}
	if p.Namespace == "" {
		p.Namespace = p.Name
	}
	for _, d := range []struct {
		of  *time.Duration
		def time.Duration
	}{
		{&p.ScriptTimeout, DefaultScriptTimeout},
		{&p.CheckTimeout, DefaultCheckTimeout},
		{&p.StatusInterval, DefaultStatusInterval},
		{&p.StatusTimeout, DefaultStatusTimeout},
	} {
		if *d.of == 0 {
			*d.of = d.def
		}
	}
}

var (
	domainName  = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$`)
	secretName  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)
	labelFormat = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._/-]{0,126}[A-Za-z0-9])?$`)
)

// Validate checks what a user may set, of a project that Normalise has completed.
func (p *Project) Validate() error {
	if err := ValidateName(KindProject, p.Name); err != nil {
		return err
	}
	switch {
	case len(p.Description) > 1000:
		return FieldErrorf("description", "has %d bytes; at most 1000 are allowed", len(p.Description))
	case len(p.BaseDomain) > 253 || !domainName.MatchString(p.BaseDomain):
		return FieldErrorf("base_domain", "%q is no domain name such as staging.example.com", clip(p.BaseDomain))
	case len(p.Namespace) > 63 || !dnsLabel.re.MatchString(p.Namespace):
		return FieldErrorf("namespace", "%q does not fit: it is 1 to 63 of a-z, 0-9 and '-', and begins and ends with a letter or digit", clip(p.Namespace))
	case !slices.Contains(Roles, p.Role):
		return FieldErrorf("role", "%q is no role; the roles are %v", p.Role, Roles)
	case p.Folder != "" && (len(p.Folder) > 1024 || p.Folder[0] != '/' || strings.ContainsAny(p.Folder, "\x00\n")):
		return FieldErrorf("folder", "%q is no absolute path of a folder on the runners", clip(p.Folder))
	case p.DiskMiB < 0:
		return FieldErrorf("disk_mib", "must not be negative")
	case len(p.Labels) > maxLabels:
		return FieldErrorf("labels", "are %d; at most %d are allowed", len(p.Labels), maxLabels)
	}
	if err := validateLabels(p.Labels); err != nil {
		return err
	}
	return p.validateTimes()
}

func (p *Project) validateTimes() error {
	for _, t := range []struct {
		field    string
		d        time.Duration
		min, max time.Duration
		orZero   bool
	}{
		{"script_timeout", p.ScriptTimeout, time.Second, 24 * time.Hour, false},
		{"check_timeout", p.CheckTimeout, time.Second, 10 * time.Minute, false},
		{"status_interval", p.StatusInterval, time.Second, 24 * time.Hour, false},
		{"status_timeout", p.StatusTimeout, time.Second, 24 * time.Hour, false},
		{"archive_retention", p.ArchiveRetention, time.Minute, maxKeep, true},
		{"history", p.History, time.Minute, maxKeep, true},
		{"default_ttl", p.DefaultTTL, time.Minute, maxKeep, true},
		{"idle_ttl", p.IdleTTL, 10 * time.Minute, maxKeep, true},
	} {
		if t.orZero && t.d == 0 {
			continue
		}
		if t.d < t.min || t.d > t.max {
			return FieldErrorf(t.field, "must be %s to %s, not %s", t.min, t.max, t.d)
		}
	}
	return nil
}

// maxKeep is the longest time that something is kept, other than for ever.
const maxKeep = 10 * 365 * 24 * time.Hour

func validateLabels(labels map[string]string) error {
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		if !labelFormat.MatchString(k) || labels[k] != "" && !labelFormat.MatchString(labels[k]) {
			return FieldErrorf("labels", "%q does not fit: names and values are up to 128 of letters, digits, '.', '_', '/' and '-'", clip(k+"="+labels[k]))
		}
	}
	return nil
}

// ValidateSecret checks a secret's name and plain text.
func ValidateSecret(name, value string) error {
	switch {
	case !secretName.MatchString(name):
		return FieldErrorf("secrets", "%q does not fit: a secret is named like an environment variable, such as REGISTRY_PASSWORD", clip(name))
	case strings.HasPrefix(name, "ATOLL_"):
		return FieldErrorf("secrets", "%q does not fit: names that begin with ATOLL_ are Atoll's own", clip(name))
	case len(value) > MaxSecretValue || strings.ContainsRune(value, 0):
		return FieldErrorf("secrets", "%s has %d bytes; at most %d without NUL are allowed", name, len(value), MaxSecretValue)
	}
	return nil
}

// Runs reports whether the node may run the project's scripts.
func (p *Project) Runs(n *Node) bool {
	if !n.HasRole(p.Role) || n.Cordoned || n.State != NodeOnline {
		return false
	}
	for k, v := range p.Labels {
		if n.Labels[k] != v {
			return false
		}
	}
	return true
}
