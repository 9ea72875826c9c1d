package agent

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"atoll/internal/cloud"
)

// adds are the scripts that make a project hold more.
var adds = map[cloud.ControlScript]bool{cloud.ScriptCreate: true, cloud.ScriptUpdate: true, cloud.ScriptUnarchive: true}

// room refuses a script that adds to a project that holds more on this runner than it
// may. It is looked at before, not while something runs: the file systems of runners
// need have no quotas.
func (c *controlJob) room(ctx context.Context) error {
	limit := c.run.DiskMiB << 20
	if limit <= 0 || !adds[c.run.Script] || c.agent.cfg.Node.Simulated {
		return nil
	}
	held, err := heldIn(ctx, filepath.Join(c.agent.cfg.DataDir, "homes", strings.TrimPrefix(c.RunAs, "uid:")), limit)
	if err == nil && held > limit {
		err = cloud.Errorf(cloud.Quota, "project %s holds more than the %d MiB that it may on this runner: in its home, which has the folders of its deployments; "+
			"clean up deployments, remove files, or have an admin of the project set a higher limit (atoll project update --disk-mib)", c.run.ProjectName, c.run.DiskMiB)
	}
	return err
}

// heldIn is how many bytes of the disk a folder takes, or some more than enough. It
// follows no link: the folder is its user's.
func heldIn(ctx context.Context, folder string, enough int64) (sum int64, err error) {
	root, err := os.OpenRoot(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, cloud.Wrap(cloud.Unavailable, err, "the home of the project cannot be read on this runner")
	}
	defer root.Close()
	type file struct{ dev, ino uint64 }
	seen := map[file]bool{} // what has several names counts once
	err = fs.WalkDir(root.FS(), ".", func(_ string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var info fs.FileInfo
		if err == nil {
			info, err = d.Info()
		}
		if err != nil {
			return nil // it is gone, or changes at this moment
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		if !ok || st.Nlink > 1 && !d.IsDir() && seen[file{st.Dev, st.Ino}] {
			return nil
		}
		if st.Nlink > 1 && !d.IsDir() {
			seen[file{st.Dev, st.Ino}] = true
		}
		if sum += st.Blocks * 512; sum > enough {
			return fs.SkipAll
		}
		return nil
	})
	return sum, err
}
