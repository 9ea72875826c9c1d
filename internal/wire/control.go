package wire

import "atoll/internal/cloud"

// ActionControlRun runs a control script: ControlRun; answers ControlResult. The
// job's RunAs is the user id of the project, never root.
//
// The job succeeds when the script has ended, whatever its exit code, or was ended
// by its time limit: the result says how. The job fails, with Failure and an error
// for people, when the script did not run: no such file, not executable, a bundle
// that cannot be had, an init that failed. It is not idempotent: a script that
// was started and whose end is not known is a lost job.
const ActionControlRun = "control.run"

// ControlRun is a control script to run.
type ControlRun struct {
	Project     cloud.ProjectID     `json:"project"`
	ProjectName string              `json:"project_name"`
	BaseDomain  string              `json:"base_domain"`
	Namespace   string              `json:"namespace"`
	Bundle      BundleRef           `json:"bundle"`
	Script      cloud.ControlScript `json:"script"`
	Name        string              `json:"name,omitempty"` // of the deployment
	// The effective configuration, flattened, in its order.
	Deployment  []cloud.KeyValue `json:"deployment,omitempty"`
	Application []cloud.KeyValue `json:"application,omitempty"`
	// Env is the project's own variables; those that are Secret are kept out of output.
	Env []cloud.KeyValue `json:"env,omitempty"`
	// OldStatus and NewStatus are for notifications, in Octopod's words.
	OldStatus string `json:"old_status,omitempty"`
	NewStatus string `json:"new_status,omitempty"`
	// TimeoutS bounds the script alone; the job's own limit also bounds the wait for
	// the bundle and its init. 0 leaves only that one.
	TimeoutS int64 `json:"timeout_s,omitempty"`
	// DiskMiB is how much the project's user may hold on the runner before a script
	// that adds to it; 0 is no limit.
	DiskMiB int64 `json:"disk_mib,omitempty"`
}

// Args is what the script is told.
func (c *ControlRun) Args() cloud.ControlArgs {
	return cloud.ControlArgs{
		Project: c.ProjectName, BaseDomain: c.BaseDomain, Namespace: c.Namespace, Name: c.Name,
		Deployment: c.Deployment, Application: c.Application, OldStatus: c.OldStatus, NewStatus: c.NewStatus,
	}
}

// BundleRef names the version of a project's control scripts.
type BundleRef struct {
	Kind cloud.BundleKind `json:"kind"`
	// Path is the folder on the runner, for BundleFolder.
	Path string `json:"path,omitempty"`
	// ID, SHA256, Size and Signature are those of the archive (.tar.gz) that an
	// uploaded bundle is, and that an image's scripts were made into.
	ID        cloud.BundleID `json:"id,omitempty"`
	SHA256    string         `json:"sha256,omitempty"`
	Size      int64          `json:"size,omitempty"`
	Signature string         `json:"signature,omitempty"`
}

// ControlResult is how a control script ended.
type ControlResult struct {
	ExitCode int  `json:"exit_code"` // 128 + signal number when a signal ended it
	TimedOut bool `json:"timed_out,omitempty"`
	// Missing says that the bundle has no such script, and may do without it.
	Missing bool `json:"missing,omitempty"`
	// Stdout is the script's answer, for those that give one (ControlScript.Answers),
	// valid UTF-8 without secret values; Truncated says that it was longer than
	// cloud.MaxControlStdout.
	Stdout    string `json:"stdout,omitempty"`
	Truncated bool   `json:"truncated,omitempty"`
	// UsedAt is, after a check, when the deployment was used last, as far as the runner
	// has seen it since its agent started.
	UsedAt cloud.Time `json:"used_at,omitempty"`
	// Detail is for people: out of memory, left processes behind.
	Detail string `json:"detail,omitempty"`
}
