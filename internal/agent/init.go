package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/sal"
)

const (
	initDir     = "init"  // of the cache: a file for each init that has run
	initPrefix  = "init-" // of the names of their commands
	initTimeout = 30 * time.Minute
	initTail    = 600 // bytes of its output that its failure tells
)

// init runs the bundle's script init if it has not run yet for this project and
// version on this runner. It is noted when it has ended well: one that a crash cut
// off runs again. Scripts that come meanwhile wait for it.
func (c *controlJob) init(ctx context.Context, folder, version string) error {
	file, err := findScript(folder, cloud.ScriptInit)
	if err != nil || file == "" {
		return err
	}
	sum := sha256.Sum256([]byte(c.RunAs + " " + string(c.run.Project) + " " + version))
	name := initPrefix + hex.EncodeToString(sum[:16])
	marker := filepath.Join(c.agent.bundles.dir, initDir, name)
	if _, err := os.Stat(marker); err == nil {
		return nil
	}
	return c.agent.once(ctx, name, "the script init", func(ctx context.Context) error {
		if _, err := os.Stat(marker); err == nil {
			return nil
		}
		if err := c.runInit(ctx, name, folder, file); err != nil {
			return err
		}
		return mark(marker)
	})
}

func (c *controlJob) runInit(ctx context.Context, name, folder, file string) error {
	ctx, cancel := context.WithTimeout(ctx, initTimeout)
	defer cancel()
	cmd := c.command(folder, file)
	last := &tail{}
	stdout, stderr := newRedactor(io.MultiWriter(c.out, last), c.secrets), newRedactor(io.MultiWriter(c.errors, last), c.secrets)
	cmd.Name, cmd.Stdout, cmd.Output = name, stdout, stderr
	exit, err := c.execute(ctx, cmd)
	err = errors.Join(err, stdout.Close(), stderr.Close())
	switch {
	case err != nil:
		return err
	case exit.Killed:
		return cloud.Errorf(cloud.Timeout, "the script init did not end within %s", initTimeout)
	case exit.Code != 0:
		return initError(exit, last.String())
	}
	return nil
}

func initError(exit sal.Exit, said string) error {
	if said = strings.TrimSpace(said); said != "" {
		said = ": " + said
	}
	return cloud.Errorf(cloud.Invalid, "the script init of the project failed with exit code %d, and no other script runs on this runner before it ends well%s", exit.Code, said)
}

// tail keeps the last bytes that are written to it.
type tail struct{ b []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	t.b = t.b[max(0, len(t.b)-initTail):]
	return len(p), nil
}

func (t *tail) String() string { return strings.ToValidUTF8(string(t.b), "") }

// mark notes that something has been done, so that it stays noted.
func mark(marker string) error {
	if err := os.MkdirAll(filepath.Dir(marker), 0o700); err != nil {
		return err
	}
	f, err := writeFile(marker, nil)
	if err != nil {
		return err
	}
	return f.Close()
}
