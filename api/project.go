package api

// Project is a product of which there are deployments. Times are lengths such as
// 30m or 1h30m; "0s" is for ever where that makes sense.
type Project struct {
	ID               string            `json:"id"`
	AccountID        string            `json:"account_id"`
	Name             string            `json:"name" example:"shop"`
	Description      string            `json:"description,omitempty"`
	BaseDomain       string            `json:"base_domain" doc:"Deployments are reached below it." example:"staging.example.com"`
	Namespace        string            `json:"namespace" doc:"What its control scripts are told to work in."`
	Folder           string            `json:"folder,omitempty" doc:"Where the control scripts are on each runner."`
	BundleID         string            `json:"bundle_id,omitempty" doc:"The uploaded version of its control scripts that is in use."`
	Role             string            `json:"role" doc:"The nodes of this role …" example:"runner"`
	Labels           map[string]string `json:"labels,omitempty" doc:"… that have all of these labels run its control scripts."`
	UserID           int64             `json:"user_id" doc:"The user id on the runners under which they run."`
	ScriptTimeout    string            `json:"script_timeout"`
	CheckTimeout     string            `json:"check_timeout"`
	StatusInterval   string            `json:"status_interval" doc:"How often each deployment is checked."`
	StatusTimeout    string            `json:"status_timeout" doc:"How long a new deployment has until its check must be good."`
	ArchiveRetention string            `json:"archive_retention" doc:"An archived deployment is cleaned up after it."`
	History          string            `json:"history" doc:"How long the log of deployments that are gone is kept."`
	DefaultTTL       string            `json:"default_ttl" doc:"Deployments that name no time to live are archived after it."`
	IdleTTL          string            `json:"idle_ttl" doc:"Deployments are archived so long after their last use; only with the bundle builtin:process, where Atoll sees it."`
	DiskMiB          int64             `json:"disk_mib,omitempty" doc:"How much the project may hold on each runner; left out: no limit."`
	Secrets          []string          `json:"secrets,omitempty" doc:"Names of what the scripts find in their environment."`
	Meta
}

// ProjectCreate is what a project is made from.
type ProjectCreate struct {
	Account string `json:"account" doc:"Id or name."`
	ProjectUpdate
}

// ProjectUpdate sets a project's values; what is left out stays, or takes its
// default in a new one.
type ProjectUpdate struct {
	Name             *string            `json:"name,omitempty" doc:"A DNS label, unique in the account." example:"shop"`
	Description      *string            `json:"description,omitempty" maxLength:"1000"`
	BaseDomain       *string            `json:"base_domain,omitempty" example:"staging.example.com"`
	Namespace        *string            `json:"namespace,omitempty" doc:"The project's name if left out."`
	Folder           *string            `json:"folder,omitempty" doc:"An absolute path on the runners."`
	Role             *string            `json:"role,omitempty" doc:"runner if left out."`
	Labels           *map[string]string `json:"labels,omitempty"`
	ScriptTimeout    *string            `json:"script_timeout,omitempty" doc:"30m if left out."`
	CheckTimeout     *string            `json:"check_timeout,omitempty" doc:"30s if left out."`
	StatusInterval   *string            `json:"status_interval,omitempty" doc:"15s if left out."`
	StatusTimeout    *string            `json:"status_timeout,omitempty" doc:"10m if left out."`
	ArchiveRetention *string            `json:"archive_retention,omitempty" doc:"336h if left out; 0s for ever."`
	History          *string            `json:"history,omitempty" doc:"2160h if left out; 0s for ever."`
	DefaultTTL       *string            `json:"default_ttl,omitempty" doc:"For ever if left out."`
	IdleTTL          *string            `json:"idle_ttl,omitempty" doc:"0s for ever. Only with the bundle builtin:process, where Atoll sees what is used."`
	DiskMiB          *int64             `json:"disk_mib,omitempty" minimum:"0" doc:"0 for no limit. It is looked at before a deployment is made, changed or restored."`
	Secrets          map[string]string  `json:"secrets,omitempty" doc:"Values by name, to add or replace; an empty one is removed."`
}

// ProjectDefaults are what a project's control scripts say of the configuration.
type ProjectDefaults struct {
	Deployment      []KeyValue `json:"deployment" nullable:"false"`
	Application     []KeyValue `json:"application" nullable:"false"`
	DeploymentKeys  []string   `json:"deployment_keys" nullable:"false" doc:"Keys that may be set."`
	ApplicationKeys []string   `json:"application_keys" nullable:"false"`
}

// ProjectDefaultsAsk says for which deployment the defaults of the application are
// asked: they may depend on its configuration.
type ProjectDefaultsAsk struct {
	Deployment []Override `json:"deployment,omitempty"`
}

// KeyValue is one value of a configuration.
type KeyValue struct {
	Key    string `json:"key" example:"image.tag"`
	Value  string `json:"value"`
	Secret bool   `json:"secret,omitempty" doc:"The value is not shown."`
}
