package host

import (
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"atoll/internal/cloud"
	"atoll/internal/sal"
)

var commandName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// check refuses what no start could make sense of.
func check(cmd sal.Command) error {
	switch {
	case !commandName.MatchString(cmd.Name):
		return cloud.FieldErrorf("name", "%q is no name of a command: 1 to 128 letters, digits, '.', '_' and '-'", cmd.Name)
	case len(cmd.Argv) == 0 || cmd.Argv[0] == "":
		return cloud.FieldErrorf("command", "is empty; give a program")
	case cmd.Limits.MemoryMiB < 0 || cmd.Limits.Processes < 0:
		return cloud.FieldErrorf("limits", "must not be negative")
	case cmd.Dir != "" && !filepath.IsAbs(cmd.Dir):
		return cloud.FieldErrorf("dir", "%q is no absolute path", cmd.Dir)
	}
	if cmd.RunAs == cloud.RunAsRoot && len(cmd.Show)+len(cmd.Files) > 0 {
		return cloud.FieldErrorf("files", "and show are for projects' commands; root sees everything")
	}
	for _, dir := range cmd.Show {
		if st, err := os.Stat(dir); err != nil || !st.IsDir() || !filepath.IsAbs(dir) {
			return cloud.FieldErrorf("show", "%q is no folder on this node", dir)
		}
	}
	for name := range cmd.Files {
		if !commandName.MatchString(name) {
			return cloud.FieldErrorf("files", "%q is no name of a file: 1 to 128 letters, digits, '.', '_' and '-'", name)
		}
	}
	for _, s := range cmd.Argv {
		if strings.Contains(s, "\x00") {
			return cloud.FieldErrorf("command", "has an argument with a zero byte")
		}
	}
	for _, s := range cmd.Env {
		if key, _, ok := strings.Cut(s, "="); !ok || key == "" || strings.Contains(s, "\x00") {
			return cloud.FieldErrorf("env", "%q is no NAME=value", s)
		}
	}
	return nil
}

// account is the user that a command runs as.
type account struct {
	root bool
	id   int // user id and group id
	name string
	home string
}

// account reads RunAs. An unknown user is cloud.Invalid, one of the host's own
// users cloud.Denied.
func (p *Processes) account(runAs string) (account, error) {
	if runAs == cloud.RunAsRoot {
		return account{root: true, name: "root", home: "/root"}, nil
	}
	number := strings.TrimPrefix(runAs, "uid:")
	id, err := strconv.ParseUint(number, 10, 32)
	if err != nil || number != strconv.FormatUint(id, 10) || id < uint64(p.cfg.FirstUser) || id > uint64(p.cfg.LastUser) {
		return account{}, cloud.FieldErrorf("run_as", "%q is neither root nor the user id of a project (%d to %d)",
			runAs, p.cfg.FirstUser, p.cfg.LastUser)
	}
	if u, err := user.LookupId(number); err == nil {
		return account{}, cloud.Errorf(cloud.Denied, "run_as %s is the user %s of this host, not a project", number, u.Username)
	}
	if lacks := p.tree.lacks(); len(lacks) > 0 {
		return account{}, cloud.Errorf(cloud.Unavailable,
			"this host has no cgroup controller %s, without which projects' commands cannot be bounded", strings.Join(lacks, ", "))
	}
	return account{id: int(id), name: "project-" + number, home: filepath.Join(p.cfg.Homes, number)}, nil
}

// limits fills in the defaults and the least that a start needs.
func (p *Processes) limits(l sal.Limits) sal.Limits {
	if l.MemoryMiB == 0 {
		l.MemoryMiB = p.cfg.Limits.MemoryMiB
	}
	if l.Processes == 0 {
		l.Processes = p.cfg.Limits.Processes
	}
	return sal.Limits{MemoryMiB: max(l.MemoryMiB, minMemoryMiB), Processes: max(l.Processes, minProcesses)}
}

// environment is the command's whole environment: a few defaults and env.
func environment(env []string, who account) []string {
	all := make([]string, 0, len(env)+6)
	for _, d := range []string{
		"PATH=" + searchPath, "HOME=" + who.home, "USER=" + who.name, "LOGNAME=" + who.name, "SHELL=/bin/sh", "LANG=C.UTF-8",
	} {
		key := d[:strings.IndexByte(d, '=')+1]
		if !slices.ContainsFunc(env, func(e string) bool { return strings.HasPrefix(e, key) }) {
			all = append(all, d)
		}
	}
	return append(all, env...)
}

// folder checks the folder to run in, and hands it to a project's user; "" if
// the command gets a private one.
func (p *Processes) folder(cmd sal.Command, who account) (string, error) {
	if !who.root {
		if err := home(who); err != nil {
			return "", err
		}
	}
	if cmd.Dir == "" {
		return "", nil
	}
	if st, err := os.Stat(cmd.Dir); err != nil || !st.IsDir() {
		return "", cloud.FieldErrorf("dir", "%s is no folder on this node", cmd.Dir)
	}
	switch work := under(p.cfg.Work, cmd.Dir); {
	case slices.Contains(cmd.Show, cmd.Dir): // to read only
	case who.root, !work && under(who.home, cmd.Dir):
	case !work:
		return "", cloud.Errorf(cloud.Denied, "user id %d may not run in %s; its folders are its home and what the agent made for it",
			who.id, cmd.Dir)
	default:
		if err := os.Lchown(cmd.Dir, who.id, who.id); err != nil {
			return "", cloud.Wrap(cloud.Unavailable, err, "the folder %s cannot be handed to user id %d", cmd.Dir, who.id)
		}
	}
	return cmd.Dir, nil
}

// under reports whether path lies below dir.
func under(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel) && rel != "."
}

// home makes the home folder of a project's user.
func home(who account) error {
	err := os.Mkdir(who.home, 0o700)
	if err == nil || errors.Is(err, os.ErrExist) {
		err = os.Lchown(who.home, who.id, who.id)
	}
	if err != nil {
		return cloud.Wrap(cloud.Unavailable, err, "the home folder of user id %d cannot be made", who.id)
	}
	return nil
}

// program finds the file to execute.
func program(argv0, path, dir string) (string, error) {
	file := lookPath(argv0, path)
	if file == "" {
		return "", cloud.FieldErrorf("command", "%q is no program on this node (looked in %s)", argv0, path)
	}
	if !filepath.IsAbs(file) {
		file = filepath.Join(dir, file)
	}
	return file, nil
}

// startError tells why the kernel did not execute a file.
func startError(file string, err error) error {
	switch {
	case errors.Is(err, unix.ENOENT):
		return cloud.FieldErrorf("command", "%s does not exist on this node, or the interpreter in its first line does not", file)
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM), errors.Is(err, unix.EISDIR):
		return cloud.FieldErrorf("command", "%s is not executable for the command's user (chmod +x)", file)
	case errors.Is(err, unix.ENOEXEC):
		return cloud.FieldErrorf("command", "%s is no program for this node; a script needs a first line such as #!/bin/sh", file)
	case errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP), errors.Is(err, unix.ENAMETOOLONG):
		return cloud.FieldErrorf("command", "%s cannot be executed: %v", file, err)
	case errors.Is(err, unix.E2BIG):
		return cloud.FieldErrorf("command", "the arguments and the environment of %s are too long for this node", file)
	}
	return cloud.Wrap(cloud.Unavailable, err, "the node cannot start %s now", file)
}

// lookupEnv returns a variable's value; the last one counts, as in a shell.
func lookupEnv(env []string, key string) string {
	for _, e := range slices.Backward(env) {
		if value, ok := strings.CutPrefix(e, key+"="); ok {
			return value
		}
	}
	return ""
}
