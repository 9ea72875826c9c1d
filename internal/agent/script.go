package agent

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"atoll/internal/cloud"
	"atoll/internal/pki"
	"atoll/internal/sal"
	"atoll/internal/script"
	"atoll/internal/wire"
)

// scriptCache keeps the scripts that the agent has run, by checksum.
type scriptCache struct {
	dir string     // "" keeps nothing
	mu  sync.Mutex // one is written at a time
}

const (
	// maxCached is how many scripts the cache keeps from one start of the agent to the next.
	maxCached  = 256
	scriptMode = 0o700
)

func runScript(ctx context.Context, j *Job) (any, error) {
	s := j.Script
	if s == nil {
		return nil, cloud.FieldErrorf("script", "is missing in the job")
	}
	src, file, err := j.agent.script(ctx, s)
	if err != nil {
		return nil, err
	}
	args := j.Args
	if len(args) == 0 {
		args = []byte("{}")
	}
	env, err := script.Env(args)
	if err != nil {
		return nil, err
	}
	cmd := sal.Command{Argv: []string{file}, Env: env, Stdin: args}
	if work := j.agent.cfg.WorkDir; work != "" && !j.asRoot() {
		cmd.Argv[0], cmd.Dir = "./script", filepath.Join(work, string(j.ID))
		defer os.RemoveAll(cmd.Dir) //nolint:errcheck // the next start of the agent removes it
		if err := layOut(cmd.Dir, src); err != nil {
			return nil, cloud.Errorf(cloud.Unavailable, "script %s cannot be written on this node: %v", s.Name, err)
		}
	}
	return nil, j.exec(ctx, cmd)
}

// layOut makes the folder with the script for a project's user, who does not see
// the cache.
func layOut(dir string, src []byte) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	path := filepath.Join(dir, "script")
	if err := os.WriteFile(path, src, 0o700); err != nil {
		return err
	}
	return os.Chmod(path, 0o755) // whatever the umask is: a project's user runs it
}

// script returns the bytes of a script after its signature was checked, and the
// file in which root can execute it: making one for each job costs a quarter of
// what the process does.
func (a *Agent) script(ctx context.Context, s *wire.Script) (src []byte, file string, err error) {
	if err := cloud.ValidateSHA256("script", s.SHA256); err != nil {
		return nil, "", err
	}
	if err := a.verify(s); err != nil {
		return nil, "", err
	}
	file = filepath.Join(a.scripts.dir, s.SHA256)
	if a.scripts.dir != "" {
		if src, err := os.ReadFile(file); err == nil && script.CheckContent(src, s.SHA256) == nil {
			return src, file, nil
		}
	}
	body, err := a.get(ctx, wire.PathScript+string(s.ID))
	if err != nil {
		return nil, "", err
	}
	src, err = io.ReadAll(io.LimitReader(body, script.MaxSize+1))
	if err = errors.Join(err, body.Close()); err != nil {
		return nil, "", cloud.Errorf(cloud.Unavailable, "fetch script %s: %v", s.Name, err)
	}
	if err := script.CheckContent(src, s.SHA256); err != nil {
		return nil, "", err
	}
	if a.scripts.dir != "" {
		if err := a.scripts.keep(file, src); err != nil {
			return nil, "", cloud.Errorf(cloud.Unavailable, "script %s cannot be kept on this node: %v", s.Name, err)
		}
	}
	return src, file, nil
}

// maxVerified is how many signatures that held are remembered.
const maxVerified = 64

// verify checks the signature of the script's checksum. One that held under the
// same keys still does: checking it costs as much as a tenth of a process.
func (a *Agent) verify(s *wire.Script) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := &a.talk
	if t.verified[*s] {
		return nil
	}
	if err := pki.Verify(t.trust, script.Purpose, script.SignedMessage(s.SHA256), s.Signature); err != nil {
		return cloud.Wrap(cloud.Denied, err, "script %s is not signed by this installation", s.Name)
	}
	if t.verified == nil || len(t.verified) >= maxVerified {
		t.verified = map[wire.Script]bool{}
	}
	t.verified[*s] = true
	return nil
}

// keep writes the script such that root can execute it from the moment on that
// another job finds it. It is not synced: one that is not whole is fetched again.
func (c *scriptCache) keep(path string, src []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return err
	}
	part := path + ".new"
	err := os.WriteFile(part, src, scriptMode)
	if err = errors.Join(err, os.Chmod(part, scriptMode)); err != nil { // whatever the umask is
		return err
	}
	return os.Rename(part, path)
}

// clean removes the oldest scripts of a cache that has grown, and the folders
// that jobs of an earlier agent left in work.
func (c *scriptCache) clean(work string, log *slog.Logger) {
	left, err := os.ReadDir(work)
	for _, e := range left {
		if cloud.IsID(e.Name()) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(work, e.Name())))
		}
	}
	cached, readErr := os.ReadDir(c.dir)
	if readErr != nil && !errors.Is(readErr, fs.ErrNotExist) {
		err = errors.Join(err, readErr)
	}
	var infos []fs.FileInfo
	for _, e := range cached {
		if i, infoErr := e.Info(); infoErr == nil {
			infos = append(infos, i)
		}
	}
	slices.SortFunc(infos, func(a, b fs.FileInfo) int { return cmp.Compare(b.ModTime().UnixNano(), a.ModTime().UnixNano()) })
	for n, i := range infos {
		path := filepath.Join(c.dir, i.Name())
		if n >= maxCached {
			err = errors.Join(err, os.Remove(path))
		} else if i.Mode().Perm() != scriptMode { // an agent that copied it for each job kept it
			err = errors.Join(err, os.Chmod(path, scriptMode))
		}
	}
	if err != nil {
		log.Warn("clean up after an earlier agent", "err", err)
	}
}
