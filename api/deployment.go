package api

// Deployment is one running copy of a project's product.
type Deployment struct {
	ID                   string            `json:"id"`
	AccountID            string            `json:"account_id"`
	ProjectID            string            `json:"project_id"`
	Name                 string            `json:"name" example:"feature-x-123"`
	State                string            `json:"state" enum:"Running,Failure,CreatePending,UpdatePending,DeletePending,Archived"`
	Reason               string            `json:"reason,omitempty" doc:"Why it failed: GenericFailure, TagMismatch, PartialAvailability, CleanupFailed, ArchiveFailed, ScriptFailed, Timeout, Canceled, DiskLimit or RunnerLost."`
	Message              string            `json:"message,omitempty" doc:"The reason for people."`
	Script               string            `json:"script,omitempty" doc:"The control script that failed …"`
	ExitCode             int64             `json:"exit_code,omitempty" doc:"… and its exit code."`
	Action               string            `json:"action,omitempty" enum:"create,update,archive,restore,cleanup,delete" doc:"What is under way."`
	OperationID          string            `json:"operation_id,omitempty" doc:"The live operation that does it."`
	WaitingID            string            `json:"waiting_id,omitempty" doc:"The operation of one further update, which begins after it."`
	Application          []Override        `json:"application" nullable:"false" doc:"Differences from the project's defaults."`
	Deployment           []Override        `json:"deployment" nullable:"false"`
	EffectiveApplication []KeyValue        `json:"effective_application" nullable:"false" doc:"What the control scripts were given last."`
	EffectiveDeployment  []KeyValue        `json:"effective_deployment" nullable:"false"`
	Links                []Link            `json:"links" nullable:"false"`
	Labels               map[string]string `json:"labels,omitempty"`
	OwnerID              string            `json:"owner_id,omitempty"`
	Owner                string            `json:"owner,omitempty"`
	Comment              string            `json:"comment,omitempty"`
	RunnerID             string            `json:"runner_id,omitempty" doc:"The node on which its scripts ran last."`
	TTL                  string            `json:"ttl,omitempty" doc:"Time to live from the last create, update or restore on."`
	ExpiresAt            Time              `json:"expires_at,omitzero"`
	UsedAt               Time              `json:"used_at,omitzero" doc:"When somebody used it last, to a minute or so, where Atoll sees that; or touched it."`
	DeployedAt           Time              `json:"deployed_at,omitzero" doc:"End of the last create, update or restore that went well."`
	ArchivedAt           Time              `json:"archived_at,omitzero"`
	StatusAt             Time              `json:"status_at,omitzero" doc:"When its state changed last."`
	CheckedAt            Time              `json:"checked_at,omitzero"`
	CheckError           string            `json:"check_error,omitempty" doc:"Why the last check could not be run: then the health is as it was seen last."`
	Found                []Match           `json:"found,omitempty" doc:"With search: where the words were found, the first 50 places."`
	Meta
}

// Match is where a search found its words.
type Match struct {
	Field string    `json:"field" enum:"name,owner,comment,label,application,deployment"`
	Key   string    `json:"key,omitempty" doc:"Of the label or override."`
	KeyAt [][]int64 `json:"key_at,omitempty" doc:"Ranges of characters (code points) in the key, each from its first to before its end."`
	At    [][]int64 `json:"at,omitempty" doc:"The same in the value, or in the name, owner or comment."`
}

// Override is one difference from the default configuration.
type Override struct {
	Key     string `json:"key" doc:"Dotted." example:"image.tag"`
	Value   string `json:"value,omitempty"`
	Deleted bool   `json:"deleted,omitempty" doc:"Takes the default away."`
	Secret  bool   `json:"secret,omitempty" doc:"The value is kept encrypted and never shown; without one, a change keeps it."`
}

// Link is where a deployment is reached.
type Link struct {
	Name string `json:"name"`
	URL  string `json:"url"`
}

// DeploymentCreate is what a deployment is made from.
type DeploymentCreate struct {
	Account     string            `json:"account,omitempty" doc:"Id or name; needed where project is a name."`
	Project     string            `json:"project" doc:"Id, or name in the account."`
	Name        string            `json:"name" doc:"2 to 40 of a-z, 0-9 and '-', with a letter first; unique in the project." example:"feature-x-123"`
	Application []Override        `json:"application,omitempty"`
	Deployment  []Override        `json:"deployment,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Comment     string            `json:"comment,omitempty" maxLength:"1000"`
	TTL         *string           `json:"ttl,omitempty" doc:"Such as 72h; the project's if left out, 0s for ever."`
}

// DeploymentUpdate changes a deployment; what is left out stays. A new configuration
// needs an operation.
type DeploymentUpdate struct {
	Application *ConfigUpdate      `json:"application,omitempty"`
	Deployment  *ConfigUpdate      `json:"deployment,omitempty"`
	Labels      *map[string]string `json:"labels,omitempty"`
	Comment     *string            `json:"comment,omitempty" maxLength:"1000"`
	Owner       *string            `json:"owner,omitempty" doc:"Id or name of a user."`
	TTL         *string            `json:"ttl,omitempty" doc:"From now on; 0s for ever."`
}

// ConfigUpdate changes overrides: all at once, or one by one.
type ConfigUpdate struct {
	Replace *[]Override `json:"replace,omitempty" doc:"All overrides, in the place of those that there are."`
	Set     []Override  `json:"set,omitempty" doc:"To add, or to replace those of the same keys."`
	Unset   []string    `json:"unset,omitempty" doc:"Keys of overrides that end: the defaults hold again."`
}

// Action is one entry of a deployment's log.
type Action struct {
	ID             string         `json:"id"`
	AccountID      string         `json:"account_id"`
	ProjectID      string         `json:"project_id"`
	DeploymentID   string         `json:"deployment_id"`
	DeploymentName string         `json:"deployment_name"`
	Action         string         `json:"action" enum:"create,update,archive,restore,cleanup,delete,health"`
	OperationID    string         `json:"operation_id,omitempty"`
	ActorID        string         `json:"actor_id,omitempty"`
	Actor          string         `json:"actor" doc:"Who; system is Atoll itself."`
	Outcome        string         `json:"outcome" enum:"waiting,running,succeeded,failed,canceled"`
	From           string         `json:"from,omitempty" doc:"The state before …"`
	To             string         `json:"to,omitempty" doc:"… and after it."`
	Reason         string         `json:"reason,omitempty"`
	Message        string         `json:"message,omitempty"`
	Script         string         `json:"script,omitempty" doc:"The control script whose end decided."`
	ExitCode       int64          `json:"exit_code"`
	JobID          string         `json:"job_id,omitempty" doc:"Of that script; its output is the job's."`
	Application    []ConfigChange `json:"application,omitempty" doc:"What it changed of the effective configuration."`
	Deployment     []ConfigChange `json:"deployment,omitempty"`
	StartedAt      Time           `json:"started_at"`
	FinishedAt     Time           `json:"finished_at,omitzero"`
	Imported       *ImportedLog   `json:"imported,omitempty" doc:"Of an action that was imported: what is kept of it. Not in lists."`
}

// ImportedLog is what is kept of an action of another system, which has no job here.
type ImportedLog struct {
	Application []Override `json:"application" doc:"The overrides that the deployment had then."`
	Deployment  []Override `json:"deployment"`
	Stdout      string     `json:"stdout,omitempty" doc:"The last part of what the script wrote."`
	Stderr      string     `json:"stderr,omitempty"`
}

// ConfigChange is one difference of two configurations; values of secrets are masked.
type ConfigChange struct {
	Key string  `json:"key"`
	Old *string `json:"old,omitempty" doc:"Left out if there was none."`
	New *string `json:"new,omitempty" doc:"Left out if there is none."`
}
