package cloud

import (
	"encoding/json"
	"slices"
	"time"
)

// DeploymentState is what users see of a deployment. It moves only by this table.
type DeploymentState string

// The six deployment states, in the words of those who have used them for years.
const (
	DeploymentCreatePending DeploymentState = "CreatePending" // a create or a restore is under way
	DeploymentUpdatePending DeploymentState = "UpdatePending"
	DeploymentDeletePending DeploymentState = "DeletePending" // an archive, a cleanup or a delete is under way
	DeploymentRunning       DeploymentState = "Running"
	DeploymentFailure       DeploymentState = "Failure" // Reason says why
	DeploymentArchived      DeploymentState = "Archived"
)

// DeploymentStates lists them.
var DeploymentStates = []DeploymentState{
	DeploymentRunning, DeploymentFailure, DeploymentCreatePending, DeploymentUpdatePending, DeploymentDeletePending, DeploymentArchived,
}

// DeploymentTransitions is the transition table of deployments. Running and Failure
// follow each other as the checks say. A pending state gives way to DeletePending,
// as an archive cancels what is stuck; a cleanup that failed leads back to Archived,
// or to Failure if it was cleaned up from there.
var DeploymentTransitions = Transitions[DeploymentState]{
	DeploymentCreatePending: {DeploymentRunning, DeploymentFailure, DeploymentDeletePending, DeploymentArchived},
	DeploymentUpdatePending: {DeploymentRunning, DeploymentFailure, DeploymentDeletePending},
	DeploymentRunning:       {DeploymentFailure, DeploymentUpdatePending, DeploymentDeletePending},
	DeploymentFailure:       {DeploymentRunning, DeploymentCreatePending, DeploymentUpdatePending, DeploymentDeletePending},
	DeploymentDeletePending: {DeploymentArchived, DeploymentFailure, DeploymentDeletePending},
	DeploymentArchived:      {DeploymentCreatePending, DeploymentDeletePending},
}

// Transitional reports whether the state needs a live operation.
func (s DeploymentState) Transitional() bool {
	return s == DeploymentCreatePending || s == DeploymentUpdatePending || s == DeploymentDeletePending
}

// DeploymentReason says why a deployment is as it is, where the state does not.
type DeploymentReason string

// The reasons. The first three are what exit codes of the check say.
const (
	ReasonGeneric       DeploymentReason = "GenericFailure"
	ReasonTagMismatch   DeploymentReason = "TagMismatch"
	ReasonPartial       DeploymentReason = "PartialAvailability"
	ReasonCleanupFailed DeploymentReason = "CleanupFailed"
	ReasonArchiveFailed DeploymentReason = "ArchiveFailed"
	ReasonScriptFailed  DeploymentReason = "ScriptFailed" // create, update or unarchive answered no
	ReasonTimeout       DeploymentReason = "Timeout"
	ReasonCanceled      DeploymentReason = "Canceled"
	ReasonDiskLimit     DeploymentReason = "DiskLimit"  // the project holds too much on the runner
	ReasonRunnerLost    DeploymentReason = "RunnerLost" // no runner, or it was lost in the middle of a script
)

// DeploymentVerb is what is done to a deployment.
type DeploymentVerb string

// The verbs.
const (
	VerbCreate  DeploymentVerb = "create"
	VerbUpdate  DeploymentVerb = "update"
	VerbArchive DeploymentVerb = "archive"
	VerbRestore DeploymentVerb = "restore"
	VerbCleanup DeploymentVerb = "cleanup"
	VerbDelete  DeploymentVerb = "delete"
	// VerbHealth is no wish of anybody: a check found a change.
	VerbHealth DeploymentVerb = "health"
)

// Deployment is one running copy of a project's product.
type Deployment struct {
	ID          DeploymentID
	AccountID   AccountID
	ProjectID   ProjectID
	Name        string
	State       DeploymentState
	Reason      DeploymentReason
	Message     string // the reason as a sentence for people
	Script      string // the control script that failed, "" if none did
	ExitCode    int64  // its exit code
	Verb        DeploymentVerb
	OperationID OperationID // the live operation while the state is transitional
	// WaitingID is the live operation of one further update, which begins when the
	// one that runs has ended; "" for none.
	WaitingID OperationID
	// Application and Deployment are the differences from the project's defaults.
	// Values of secret ones are sealed.
	Application Overrides
	Deployment  Overrides
	// EffectiveApplication and EffectiveDeployment are what the scripts were given
	// last: check, archive and cleanup are about what there is, not about defaults that
	// have changed since.
	EffectiveApplication []KeyValue
	EffectiveDeployment  []KeyValue
	Links                []Link
	Labels               map[string]string
	OwnerID              UserID
	OwnerName            string
	Comment              string
	// RunnerID is the node on which its scripts ran last, and run again if it can.
	RunnerID NodeID
	// TTL is how long after the last create, update or restore it is archived; 0 is for
	// ever. ExpiresAt is when that is, WarnedAt when it was announced.
	TTL       time.Duration
	ExpiresAt Time
	WarnedAt  Time
	// UsedAt is when somebody used it last, as far as that is seen, or said that it is
	// needed; IdleWarnedAt when it was announced that it will be archived as unused.
	UsedAt       Time
	IdleWarnedAt Time
	DeployedAt   Time // end of the last create, update or restore that went well
	ArchivedAt   Time // 0 unless it is archived
	StatusAt     Time // of the last change of the state
	// CheckedAt is the end of the last check, CheckAt when the next one is due, and
	// CheckJobID the one that is under way.
	CheckedAt  Time
	CheckAt    Time
	CheckJobID JobID
	// CheckError says why the last check could not be run, "" if it could: its health
	// is as it was seen last.
	CheckError string
	Meta
}

// MaxDeploymentName is the longest name of a deployment: releases and host names
// are made of it, which have room for 53 and 63 characters.
const MaxDeploymentName = 40

// Limits of what people write on a deployment.
const (
	maxComment     = 1000
	maxDescription = 1000
)

// Validate checks what a user may set.
func (d *Deployment) Validate() error {
	if err := ValidateName(KindDeployment, d.Name); err != nil {
		return err
	}
	if err := d.Application.Validate("application"); err != nil {
		return err
	}
	if err := d.Deployment.Validate("deployment"); err != nil {
		return err
	}
	switch {
	case len(d.Comment) > maxComment:
		return FieldErrorf("comment", "has %d bytes; at most %d are allowed", len(d.Comment), maxComment)
	case len(d.Labels) > maxLabels:
		return FieldErrorf("labels", "are %d; at most %d are allowed", len(d.Labels), maxLabels)
	case d.TTL != 0 && (d.TTL < time.Minute || d.TTL > maxKeep):
		return FieldErrorf("ttl", "must be %s to %s, or 0 for ever, not %s", time.Minute, maxKeep, d.TTL)
	}
	return validateLabels(d.Labels)
}

// OctopodStatus is the deployment's state in the words that Octopod has for it, which
// its scripts and clients know (docs/octopod.md).
func OctopodStatus(d *Deployment) string {
	switch {
	case d.Reason == ReasonCleanupFailed:
		return "CleanupFailed"
	case d.State == DeploymentDeletePending:
		return "ArchivePending"
	case d.State != DeploymentFailure:
		return string(d.State)
	case d.Reason == ReasonTagMismatch || d.Reason == ReasonPartial:
		return string(d.Reason)
	}
	return string(ReasonGeneric)
}

// CheckReason is what the exit code of the script check says of a deployment; "" is
// that all is well. One that a signal or the time limit ended is as any other.
func CheckReason(exit int) DeploymentReason {
	switch exit {
	case 0:
		return ""
	case 2:
		return ReasonPartial
	case 3:
		return ReasonTagMismatch
	}
	return ReasonGeneric
}

// Checked is the state after a check of a deployment without a live operation: the
// reason is that of its exit code. Deployments that are not deployed stay as they are.
func (s DeploymentState) Checked(r DeploymentReason) DeploymentState {
	switch {
	case s != DeploymentRunning && s != DeploymentFailure:
		return s
	case r == "":
		return DeploymentRunning
	}
	return DeploymentFailure
}

// Action is one entry of a deployment's log: something that somebody did to it, or
// a change of its health. It outlives the deployment.
type Action struct {
	ID             ActionID
	AccountID      AccountID
	ProjectID      ProjectID
	DeploymentID   DeploymentID
	DeploymentName string
	Verb           DeploymentVerb
	OperationID    OperationID
	ActorID        string // who; "" is Atoll itself
	ActorName      string
	Outcome        ActionOutcome
	From, To       DeploymentState
	Reason         DeploymentReason
	Message        string
	Script         string // the script whose end decided, "" if none ran
	ExitCode       int64
	JobID          JobID // of that script; its output is the job's
	// Application and Deployment are what the action changed of the effective
	// configuration, secrets masked; Overrides is a snapshot for those who compare.
	Application []ConfigChange
	Deployment  []ConfigChange
	Overrides   json.RawMessage
	StartedAt   Time
	FinishedAt  Time
	Meta
}

// ActionOutcome is how an action ended.
type ActionOutcome string

// The outcomes of actions.
const (
	ActionRunning   ActionOutcome = "running"
	ActionWaiting   ActionOutcome = "waiting"
	ActionSucceeded ActionOutcome = "succeeded"
	ActionFailed    ActionOutcome = "failed"
	ActionCanceled  ActionOutcome = "canceled"
)

// Verbs lists what people may ask for.
var Verbs = []DeploymentVerb{VerbCreate, VerbUpdate, VerbArchive, VerbRestore, VerbCleanup, VerbDelete}

// Known reports whether it is a verb of people.
func (v DeploymentVerb) Known() bool { return slices.Contains(Verbs, v) }
