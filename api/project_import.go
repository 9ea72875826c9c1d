package api

// ProjectImport are deployments of an Octopod installation, with their log.
type ProjectImport struct {
	Deployments []ImportDeployment `json:"deployments" maxItems:"100"`
}

// ImportDeployment is one deployment as Octopod has it.
type ImportDeployment struct {
	Name        string         `json:"name"`
	Status      string         `json:"status" enum:"Running,GenericFailure,TagMismatch,PartialAvailability,CreatePending,UpdatePending,ArchivePending,Archived,CleanupFailed"`
	Application []Override     `json:"application,omitempty"`
	Deployment  []Override     `json:"deployment,omitempty"`
	Links       []Link         `json:"links,omitempty"`
	CreatedAt   Time           `json:"created_at"`
	UpdatedAt   Time           `json:"updated_at"`
	StatusAt    Time           `json:"status_at"`
	ArchivedAt  Time           `json:"archived_at,omitzero"`
	Actions     []ImportAction `json:"actions,omitempty" doc:"The oldest first."`
}

// ImportAction is one entry of its log.
type ImportAction struct {
	Number      int64      `json:"number" doc:"Its action id in Octopod."`
	Action      string     `json:"action" enum:"create,update,archive,restore,cleanup"`
	ExitCode    int64      `json:"exit_code"`
	StartedAt   Time       `json:"started_at"`
	FinishedAt  Time       `json:"finished_at"`
	Stdout      string     `json:"stdout,omitempty" maxLength:"65536"`
	Stderr      string     `json:"stderr,omitempty" maxLength:"65536"`
	Application []Override `json:"application,omitempty" doc:"The overrides that it had."`
	Deployment  []Override `json:"deployment,omitempty"`
}

// ProjectImported says what was done with each deployment, or would be.
type ProjectImported struct {
	Deployments []ImportedDeployment `json:"deployments"`
}

// ImportedDeployment is what was done with one.
type ImportedDeployment struct {
	Name    string `json:"name"`
	Outcome string `json:"outcome" enum:"imported,skipped"`
	State   string `json:"state,omitempty" doc:"The state that it has now."`
	Reason  string `json:"reason,omitempty"`
	Actions int    `json:"actions" doc:"How many entries of its log were taken over."`
	Message string `json:"message,omitempty" doc:"What is to be known of it."`
}
