package cloud

import "encoding/json"

// OperationState is the state of an operation.
type OperationState string

// The operation states. undoing is still live.
const (
	OperationRunning   OperationState = "running"
	OperationUndoing   OperationState = "undoing"
	OperationSucceeded OperationState = "succeeded"
	OperationFailed    OperationState = "failed"
	OperationCanceled  OperationState = "canceled"
)

// OperationTransitions is the transition table of operations.
var OperationTransitions = Transitions[OperationState]{
	OperationRunning: {OperationUndoing, OperationSucceeded, OperationFailed, OperationCanceled},
	OperationUndoing: {OperationFailed, OperationCanceled},
}

// Live reports whether the operation still has work to do.
func (s OperationState) Live() bool { return s == OperationRunning || s == OperationUndoing }

// Operation is one change that a user asked for, done in durable steps.
type Operation struct {
	ID           OperationID
	Kind         string // machine.create, machine.start, run, …
	AccountID    AccountID
	CloudspaceID CloudspaceID
	ProjectID    ProjectID
	SubjectKind  Kind
	SubjectID    string
	SubjectName  string
	State        OperationState
	Step         int64  // index of the current step in the kind's list
	StepName     string // its name, for people
	Attempt      int64  // of the current step
	Steps        int64  // how many there are
	Progress     int64  // 0 to 100
	Message      string // what it does or waits for now
	Input        json.RawMessage
	Data         json.RawMessage // what the steps found out
	Error        string
	ErrorKind    ErrorKind
	CancelAsked  bool
	RetryOf      OperationID
	CreatedBy    string
	RequestID    string
	// Owner and Epoch are the lease: every write of a step checks the epoch.
	Owner      ControllerID
	Epoch      int64
	LeaseUntil Time
	Deadline   Time
	// WakeAt is when to look again without a signal; 0 means only on a signal.
	WakeAt     Time
	FinishedAt Time
	Meta
}

// LeftoverKind says what a dead node may still hold.
type LeftoverKind string

// The kinds of leftovers.
const (
	LeftoverMachine LeftoverKind = "machine"
	LeftoverVolume  LeftoverKind = "volume"
	LeftoverNetwork LeftoverKind = "network"
)

// Leftover is something on a node that an undo could not remove; a loop clears
// it when the node returns.
type Leftover struct {
	ID        LeftoverID
	NodeID    NodeID
	Kind      LeftoverKind
	ObjectID  string
	AccountID AccountID
	Epoch     int64 // placement epoch of a machine
	Reason    string
	JobID     JobID // the job that is clearing it, if any
	Meta
}
