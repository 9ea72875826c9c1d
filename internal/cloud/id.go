package cloud

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// An ID is a UUIDv7 in its text form. Each kind has a type of its own, so that
// a node's id cannot be passed where a machine's is meant; "" means none.
type (
	LocationID    string
	NodeID        string
	AccountID     string
	UserID        string
	MembershipID  string
	TokenID       string
	SSHKeyID      string
	CloudspaceID  string
	ImageID       string
	SizeID        string
	MachineID     string
	DiskID        string
	PortForwardID string
	ScriptID      string
	JobID         string
	ScheduleID    string
	OperationID   string
	EventID       string
	LeftoverID    string
	JoinTokenID   string
	SessionID     string
	ControllerID  string
	ProjectID     string
	BundleID      string
	DeploymentID  string
	ActionID      string
	WikiSpaceID   string
	WikiPageID    string
	RevisionID    string
	WebhookID     string
	DeliveryID    string
)

// NewID returns a fresh UUIDv7: ids of one process sort by time of creation.
func NewID[T ~string]() T {
	return T(uuid.Must(uuid.NewV7()).String())
}

// IDAt returns a fresh id as one that was made at the time.
func IDAt[T ~string](t Time) T {
	id := uuid.Must(uuid.NewV7())
	ms := uint64(max(0, int64(t)/1000))
	binary.BigEndian.PutUint16(id[4:], uint16(ms))
	binary.BigEndian.PutUint32(id[:], uint32(ms>>16))
	return T(id.String())
}

// FirstID sorts before all ids that NewID made at the time or later, and after
// those from before its millisecond.
func FirstID[T ~string](t Time) T {
	ms := max(0, int64(t)/1000)
	return T(fmt.Sprintf("%08x-%04x", ms>>16, ms&0xffff))
}

// Number is the id as a number, for clients that know only those: its time in units
// of 1/4096 ms, which one process gives out once. 0 if it is no id.
func (id ActionID) Number() int64 {
	u, err := uuid.Parse(string(id))
	if err != nil {
		return 0
	}
	ms := int64(binary.BigEndian.Uint64(u[:8]) >> 16)
	return ms<<12 | int64(u[6]&0xf)<<8 | int64(u[7])
}

// ActionsNumbered returns the first and the last id that have the number.
func ActionsNumbered(n int64) (first, last ActionID) {
	n = max(0, n)
	ms := n >> 12
	at := fmt.Sprintf("%08x-%04x-7%03x", ms>>16&0xffffffff, ms&0xffff, n&0xfff)
	return ActionID(at + "-0000-000000000000"), ActionID(at + "-ffff-ffffffffffff")
}

// ParseID checks that s is a UUID in its canonical form. Its error is Invalid.
func ParseID[T ~string](s string) (T, error) {
	if !IsID(s) {
		return "", Errorf(Invalid, "%q is not an id (a UUID such as 0198c3e2-7b1c-7d0a-8f00-1c2d3e4f5a6b)", s)
	}
	return T(s), nil
}

// IsID reports whether s has the shape of an id; names never have it.
func IsID(s string) bool {
	if len(s) != 36 {
		return false
	}
	_, err := uuid.Parse(s)
	return err == nil
}

// Time is a moment in microseconds since the Unix epoch, UTC. 0 means never.
type Time int64

// Now returns the current time. Code that decides about leases and deadlines
// of the store uses the database's clock instead.
func Now() Time { return TimeOf(clock()) }

// TimeOf converts t; the zero time.Time becomes 0.
func TimeOf(t time.Time) Time {
	if t.IsZero() {
		return 0
	}
	return Time(t.UnixMicro())
}

// Time converts back; 0 becomes the zero time.Time.
func (t Time) Time() time.Time {
	if t == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(t)).UTC()
}

// Add returns t+d.
func (t Time) Add(d time.Duration) Time { return t + Time(d.Microseconds()) }

// Sub returns t-u.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t-u) * time.Microsecond }

// Kind names a kind of object in the API, in events and in the ledger.
type Kind string

// The kinds.
const (
	KindInstallation   Kind = "installation"
	KindLocation       Kind = "location"
	KindNode           Kind = "node"
	KindJoinToken      Kind = "join-token"
	KindAccount        Kind = "account"
	KindUser           Kind = "user"
	KindServiceAccount Kind = "service-account"
	KindMembership     Kind = "membership"
	KindToken          Kind = "token"
	KindSSHKey         Kind = "ssh-key"
	KindSession        Kind = "session"
	KindCloudspace     Kind = "cloudspace"
	KindImage          Kind = "image"
	KindSize           Kind = "size"
	KindMachine        Kind = "machine"
	KindDisk           Kind = "disk"
	KindPortForward    Kind = "port-forward"
	KindScript         Kind = "script"
	KindJob            Kind = "job"
	KindSchedule       Kind = "schedule"
	KindOperation      Kind = "operation"
	KindEvent          Kind = "event"
	KindLeftover       Kind = "leftover"
	KindQuota          Kind = "quota"
	KindProject        Kind = "project"
	KindDeployment     Kind = "deployment"
	KindBundle         Kind = "bundle"
	KindWikiSpace      Kind = "space"
	KindWikiPage       Kind = "page"
	KindSettings       Kind = "settings"
	KindWebhook        Kind = "webhook"
)

// Meta is what every stored object has.
type Meta struct {
	CreatedAt Time
	UpdatedAt Time
	DeletedAt Time  // 0 while it exists
	Version   int64 // grows by one with each write; If-Match and compare-and-set use it
}
