// Package wire is what controller and agent say to each other.
//
// It holds types, constants and the settings of connections, and must never do
// input or output. Readers
// ignore fields that they do not know, so that agents of the previous version
// work; a field is never given another meaning. History:
//
//	1  (2026-11) exchange, join, renew, scripts, blobs, streams
//	2  (2026-11) control scripts: the action control.run, bundles
//	3  (2026-11) control.run: when the deployment was used last; how much its project may hold
//	4  (2026-11) which lines of a job's output are standard error
//	5  (2026-11) facts: the address of the node's public ports
package wire

import (
	"encoding/json"
	"time"

	"atoll/internal/cloud"
)

// Version is the newest line of the history above.
const Version = 5

// The paths of the agents' listener.
const (
	PathExchange = "/agent/v1/exchange"
	PathJoin     = "/agent/v1/join"     // no client certificate; a join token
	PathRenew    = "/agent/v1/renew"    // a new certificate for a new key
	PathScript   = "/agent/v1/scripts/" // + id: the script's bytes
	PathBundle   = "/agent/v1/bundles/" // + sha256: an archive of control scripts or programs
	PathImage    = "/agent/v1/images/"  // + sha256: the image's bytes
	PathStream   = "/agent/v1/streams/" // + id: WebSocket that the agent opens on request
)

// Limits of one exchange.
const (
	MaxExchangeBody = 16 << 20
	HoldSeconds     = 30 // how long an exchange is held when there is nothing to say
)

// Exchange is what an agent sends.
type Exchange struct {
	Version int    `json:"version"`
	Agent   string `json:"agent"` // version of the agent's program
	// Session is new each time the agent starts; Number counts its exchanges.
	Session string `json:"session"`
	Number  int64  `json:"number"`
	// Answer is the number of the last answer received in this session, 0 for none.
	Answer  int64      `json:"answer"`
	BootID  string     `json:"boot_id,omitempty"`
	Results []Result   `json:"results,omitempty"`
	Logs    []LogChunk `json:"logs,omitempty"`
	Running []JobRef   `json:"running,omitempty"` // all jobs that the agent holds, not yet reported
	// Free is the free places per queue, "*" for queues made on demand: jobs that
	// any node may take go only to a free place. Room is how many more jobs bound
	// to this node the agent takes into its own queues; a free place takes one anyway.
	Free  map[string]int   `json:"free,omitempty"`
	Room  int              `json:"room,omitempty"`
	Facts *cloud.NodeFacts `json:"facts,omitempty"` // at first and when changed
	// Inventory is the whole list of machines, at first and when changed.
	Inventory *Inventory `json:"inventory,omitempty"`
	// Usage is that of all machines, from time to time.
	Usage     []Usage `json:"usage,omitempty"`
	Simulated bool    `json:"simulated,omitempty"`
}

// JobRef names one lease of a job. Token counts its leases: it is the number of
// the attempt, 1 for the first.
type JobRef struct {
	ID    cloud.JobID `json:"id"`
	Token int64       `json:"token"`
}

// Result is the end of a job.
type Result struct {
	JobRef
	State       cloud.JobState  `json:"state"` // succeeded, failed, timed_out, canceled or lost
	ExitCode    int64           `json:"exit_code,omitempty"`
	Result      json.RawMessage `json:"result,omitempty"` // at most cloud.MaxInlineResult, of a built-in action cloud.MaxActionResult
	Output      string          `json:"output,omitempty"` // the last part, at most cloud.MaxInlineResult
	OutputBytes int64           `json:"output_bytes,omitempty"`
	// Streams has a letter for each line of Output, StdoutLine or StderrLine, if Output
	// is all of the output, which is told apart, and has lines of standard error.
	Streams    string     `json:"streams,omitempty"`
	Error      string     `json:"error,omitempty"`
	StartedAt  cloud.Time `json:"started_at,omitempty"`
	FinishedAt cloud.Time `json:"finished_at,omitempty"`
	Stats      []Stat     `json:"stats,omitempty"`
	Simulated  bool       `json:"simulated,omitempty"`
}

// Stat is one statistics line of a job: key:value|g.
type Stat struct {
	Key   string  `json:"key"`
	Value float64 `json:"value"`
	Type  string  `json:"type"` // g gauge, c counter
}

// LogChunk is a run of lines of a job's output. Sequence counts the job's
// chunks from 0, so that a chunk sent twice is stored once.
type LogChunk struct {
	JobRef
	Sequence int64  `json:"sequence"`
	Data     string `json:"data"` // valid UTF-8
}

// LogLine is one line of output in a stored segment, as JSON per line.
type LogLine struct {
	At    time.Time `json:"at"`
	Level int       `json:"level"` // JumpScale levels 1 to 9; 5 for plain lines
	Text  string    `json:"text"`
	// Attempt is the number of the attempt that wrote it, from the second one on.
	Attempt int64 `json:"attempt,omitempty"`
	// Stream is cloud.StreamStderr for standard error, of jobs that tell it apart.
	Stream string `json:"stream,omitempty"`
}

// The letters of Result.Streams.
const (
	StdoutLine = 'o'
	StderrLine = 'e'
)

// Usage is what a machine moved in one run, from its start on: through its network
// cards as the guest sees them, and from and to its disks.
type Usage struct {
	Machine  cloud.MachineID `json:"machine"`
	Since    cloud.Time      `json:"since"` // the start of the run; a later one counts from 0 again
	Received int64           `json:"rx_bytes"`
	Sent     int64           `json:"tx_bytes"`
	Read     int64           `json:"read_bytes"`
	Written  int64           `json:"write_bytes"`
}

// Counters are the bytes by the names under which they are kept.
func (u *Usage) Counters() map[string]int64 {
	return map[string]int64{"rx_bytes": u.Received, "tx_bytes": u.Sent, "read_bytes": u.Read, "write_bytes": u.Written}
}

// Repeated returns the number of the attempt for LogLine: 0 for the first.
func (r JobRef) Repeated() int64 {
	if r.Token <= 1 {
		return 0
	}
	return r.Token
}

// Inventory is what a node has.
type Inventory struct {
	At       cloud.Time     `json:"at"`
	Machines []MachineState `json:"machines"`
}

// MachineState is a machine as its node sees it.
type MachineState struct {
	ID    cloud.MachineID `json:"id"`
	Epoch int64           `json:"epoch"`
	Power cloud.Power     `json:"power"`
	// HostBoot is the boot of the host in which it was last started: a machine
	// that is off and was started in an earlier boot went down with its host.
	HostBoot string `json:"host_boot,omitempty"`
	Detail   string `json:"detail,omitempty"`
}

// Answer is what the controller says.
type Answer struct {
	Number  int64        `json:"number"`
	Jobs    []Job        `json:"jobs,omitempty"`
	Cancel  []JobRef     `json:"cancel,omitempty"`
	Forget  []JobRef     `json:"forget,omitempty"` // results stored or refused: the agent drops them
	Streams []StreamOpen `json:"streams,omitempty"`
	Renew   bool         `json:"renew,omitempty"`  // ask for a new certificate now
	Resend  bool         `json:"resend,omitempty"` // send facts and inventory with the next exchange
	// Trust is the public keys that sign scripts, in pki's form, with the
	// session's first answer that says anything.
	Trust []string `json:"trust,omitempty"`
}

// Job is a job as an agent gets it.
type Job struct {
	JobRef
	Action     string          `json:"action"`
	Args       json.RawMessage `json:"args,omitempty"`
	Queue      string          `json:"queue,omitempty"`
	TimeoutMS  int64           `json:"timeout_ms"`
	RunAs      string          `json:"run_as,omitempty"`
	Idempotent bool            `json:"idempotent,omitempty"`
	Script     *Script         `json:"script,omitempty"`
}

// Script names the version of a script that a job runs.
type Script struct {
	ID        cloud.ScriptID `json:"id"`
	Name      string         `json:"name"`
	SHA256    string         `json:"sha256"`
	Signature string         `json:"signature"` // pki's form: names the key
}

// The kinds of streams. Their arguments are a MachineRef.
const (
	StreamConsole = "console" // the serial console, raw bytes
	StreamScreen  = "screen"  // the screen, RFB
)

// StreamOpen asks the agent to open a WebSocket at PathStream + ID.
type StreamOpen struct {
	ID   string          `json:"id"`
	Kind string          `json:"kind"`
	Args json.RawMessage `json:"args,omitempty"`
}

// JoinRequest asks for the first certificate.
type JoinRequest struct {
	Token     string          `json:"token"`
	Name      string          `json:"name"`
	CSR       []byte          `json:"csr"` // PKCS#10 DER
	Facts     cloud.NodeFacts `json:"facts"`
	Roles     []cloud.Role    `json:"roles,omitempty"` // what the agent can offer, a subset of the token's
	Simulated bool            `json:"simulated,omitempty"`
}

// RenewRequest asks for the next certificate.
type RenewRequest struct {
	CSR []byte `json:"csr"`
}

// JoinAnswer gives a certificate.
type JoinAnswer struct {
	Node        cloud.NodeID `json:"node"`
	Certificate []byte       `json:"certificate"` // PEM
	CA          []byte       `json:"ca"`          // PEM
}
