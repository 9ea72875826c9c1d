package host

import (
	"encoding/json"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"atoll/internal/cloud"
)

// childName is the argv[0] by which MaybeChild knows the step between the agent
// and a project's command.
const childName = "atoll-run-as"

// The descriptors of that step beside the command's own three.
const (
	childSpecFD   = 3
	childReportFD = 4
)

// childSpec tells the step what to do.
type childSpec struct {
	UID  int      `json:"uid"`
	Home string   `json:"home"`
	Dir  string   `json:"dir"`  // "" for an empty folder in the private /tmp
	Hide []string `json:"hide"` // folders to cover
	Show []string `json:"show"` // folders to show to read, also below those
	// Files go to sal.FilesDir.
	Files map[string][]byte `json:"files"`
	Argv  []string          `json:"argv"`
	Env   []string          `json:"env"`
}

// childError is why the step did not get to the command.
type childError struct {
	Kind    cloud.ErrorKind `json:"kind"`
	Field   string          `json:"field"`
	Message string          `json:"message"`
	Cause   string          `json:"cause"`
}

// startAs starts the step that becomes a project's command: our own program
// once more, in a new mount and IPC namespace.
func (p *Processes) startAs(g *group, s *start, attr *syscall.ProcAttr) (pid int, err error) {
	if !childHandled.Load() {
		return 0, cloud.Errorf(cloud.Internal, "this program cannot run projects' commands: its main does not call host.MaybeChild")
	}
	spec, err := json.Marshal(childSpec{
		UID: s.who.id, Home: s.who.home, Dir: s.dir, Hide: p.cfg.Hide, Show: s.cmd.Show, Files: s.cmd.Files, Argv: s.cmd.Argv, Env: s.env,
	})
	if err != nil {
		return 0, err
	}
	in, err := input(p.null, spec)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return 0, cloud.Wrap(cloud.Unavailable, err, "the node cannot open a pipe")
	}
	defer w.Close()
	attr.Files = append(attr.Files, in.Fd(), w.Fd())
	attr.Dir, attr.Env = "/", []string{"GOMAXPROCS=1"}
	attr.Sys.Cloneflags = unix.CLONE_NEWNS | unix.CLONE_NEWIPC
	pid, err = g.start("/proc/self/exe", []string{childName}, attr)
	if err != nil {
		r.Close()
		return 0, cloud.Wrap(cloud.Unavailable, err, "the node cannot start a project's command now")
	}
	s.report = r
	return pid, nil
}

// refusal waits until the command has started, or returns why it has not.
func (s *start) refusal() error {
	if s.report == nil {
		return nil
	}
	defer s.report.Close()
	b, err := io.ReadAll(io.LimitReader(s.report, 64<<10))
	if err != nil || len(b) == 0 {
		return nil // executed, or killed before: the exit status tells
	}
	var e childError
	if err := json.Unmarshal(b, &e); err != nil {
		return cloud.Wrap(cloud.Internal, err, "the command of user id %d did not start", s.who.id)
	}
	failure := &cloud.Error{Kind: e.Kind, Field: e.Field, Message: e.Message}
	if e.Cause != "" {
		failure.Cause = causeText(e.Cause)
	}
	return failure
}

// causeText is a cause that came through the pipe.
type causeText string

func (c causeText) Error() string { return string(c) }
