package sal

import (
	"context"
	"encoding/json"
	"time"

	"atoll/internal/cloud"
)

// Services keeps processes of projects running that outlive the agent. Each runs
// as Processes runs a project's command, in a cgroup of its own.
type Services interface {
	// Ensure has the service run as specified. One that runs so stays as it is;
	// another specification ends it first. An error means that it does not run.
	Ensure(ctx context.Context, spec ServiceSpec) error
	// Stop ends the service: SIGTERM, and after ServiceGrace its cgroup is killed.
	// It stays known, with its log. cloud.NotFound if it is not known.
	Stop(ctx context.Context, id string) error
	// Delete ends the service and removes all of it; one that is not known is no error.
	Delete(ctx context.Context, id string) error
	// Status returns how the service is; cloud.NotFound if it is not known.
	Status(id string) (ServiceStatus, error)
	// List returns all services.
	List() []ServiceStatus
	// Log returns the last bytes of what the service wrote.
	Log(id string, bytes int64) (string, error)
}

// ServiceGrace is how long a service has to end when it is asked to.
const ServiceGrace = 10 * time.Second

// Restart says what follows when a service ends by itself.
type Restart string

// The policies.
const (
	RestartAlways    Restart = "always"
	RestartOnFailure Restart = "on-failure" // exit code other than 0, or a signal
	RestartNever     Restart = "never"
)

// ServiceSpec is a service to have.
type ServiceSpec struct {
	ID      string   `json:"id"` // unique on the node
	RunAs   string   `json:"run_as"`
	Argv    []string `json:"argv"` // a program that stays in the foreground
	Env     []string `json:"env,omitempty"`
	Dir     string   `json:"dir,omitempty"`  // as with Command, or one of Show
	Show    []string `json:"show,omitempty"` // as with Command
	Restart Restart  `json:"restart"`
	Limits  Limits   `json:"limits"`
	// Note is the caller's. It comes back with the status and is kept with the service;
	// another note alone restarts nothing.
	Note json.RawMessage `json:"note,omitempty"`
}

// ServiceStatus is how a service is.
type ServiceStatus struct {
	ServiceSpec
	Wanted    bool // it was not stopped
	Running   bool
	StartedAt cloud.Time // the last start
	Failures  int        // times in a row that it ended soon after its start
	Ended     string     // how it ended last, for people; "" if it never did
}
