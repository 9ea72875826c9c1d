package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"atoll/internal/bundle"
	"atoll/internal/cloud"
	"atoll/internal/pki"
	"atoll/internal/wire"
)

// bundleCache keeps unpacked archives by their checksum, and which bundles' init has
// run for which project.
type bundleCache struct {
	dir string // "" keeps nothing: a simulated node

	mu    sync.Mutex
	under map[string]*flight // what is under way, by its name
}

// flight is work that several jobs wait for.
type flight struct {
	done chan struct{}
	err  error
}

// unusedFor is how long an archive that nobody used is kept.
const unusedFor = 30 * 24 * time.Hour

// downloadTimeout ends a download that would go on for ever when nobody waits for it.
const downloadTimeout = 30 * time.Minute

// once runs work under a name, unless it runs already, and waits for its end or
// that of ctx. Work goes on when who began it does not wait any more.
func (a *Agent) once(ctx context.Context, name, what string, work func(ctx context.Context) error) error {
	c := &a.bundles
	c.mu.Lock()
	f := c.under[name]
	if f == nil {
		a.mu.Lock()
		closed := a.closed
		if !closed {
			f = &flight{done: make(chan struct{})}
			a.wg.Go(func() {
				f.err = work(a.work)
				c.mu.Lock()
				delete(c.under, name)
				c.mu.Unlock()
				close(f.done)
			})
		}
		a.mu.Unlock()
		if closed {
			c.mu.Unlock()
			return errStopped
		}
		if c.under == nil {
			c.under = map[string]*flight{}
		}
		c.under[name] = f
	}
	c.mu.Unlock()
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return cloud.Wrap(cloud.Timeout, context.Cause(ctx), "%s is still under way", what)
	}
}

// bundle returns the folder with a project's control scripts, and what tells this
// version of them from others.
func (a *Agent) bundle(ctx context.Context, ref wire.BundleRef) (folder, version string, err error) {
	switch ref.Kind {
	case cloud.BundleFolder:
		if !filepath.IsAbs(ref.Path) {
			return "", "", cloud.FieldErrorf("bundle", "%q is no absolute path of a folder on the runner", ref.Path)
		}
		folder = filepath.Clean(ref.Path)
		version, err = folderVersion(folder)
		return folder, version, err
	case cloud.BundleArchive, cloud.BundleImage:
		if err := a.verifyBundle(ref); err != nil {
			return "", "", err
		}
		folder, err = a.unpacked(ctx, ref.SHA256)
		return folder, ref.SHA256, err
	}
	return "", "", cloud.FieldErrorf("bundle", "%q is no kind of bundle that this agent knows; update the agent", ref.Kind)
}

// folderVersion tells when a folder on the runner changed.
func folderVersion(folder string) (string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return "", cloud.FieldErrorf("bundle", "the folder %s of the control scripts cannot be read on this runner: %v", folder, errors.Unwrap(err))
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s\n", folder)
	for _, e := range entries {
		if st, err := os.Stat(filepath.Join(folder, e.Name())); err == nil {
			fmt.Fprintf(h, "%q %d %d %s\n", e.Name(), st.Size(), st.ModTime().UnixNano(), st.Mode())
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func (a *Agent) verifyBundle(ref wire.BundleRef) error {
	if err := cloud.ValidateSHA256("bundle", ref.SHA256); err != nil {
		return err
	}
	a.mu.Lock()
	trust := a.talk.trust
	a.mu.Unlock()
	if err := pki.Verify(trust, bundle.Purpose, bundle.SignedMessage(ref.SHA256), ref.Signature); err != nil {
		return cloud.Wrap(cloud.Denied, err, "the control scripts' archive %.12s is not signed by this installation", ref.SHA256)
	}
	return nil
}

// unpacked returns the folder of an archive of the installation, which is fetched
// and unpacked if it is not there yet.
func (a *Agent) unpacked(ctx context.Context, sum string) (string, error) {
	return a.archive(ctx, "", sum, func(ctx context.Context) (io.ReadCloser, error) { return a.get(ctx, wire.PathBundle+sum) })
}

// archive returns the folder of the archive with the checksum. Those who want it from
// the same place wait for one download: another project's place may be slow, or lie.
func (a *Agent) archive(ctx context.Context, from, sum string, fetch func(context.Context) (io.ReadCloser, error)) (string, error) {
	dir := filepath.Join(a.bundles.dir, sum)
	now := time.Now()
	if os.Chtimes(dir, now, now) != nil {
		err := a.once(ctx, sum+" "+from, "the archive's download", func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, downloadTimeout)
			defer cancel()
			return a.bundles.fetch(ctx, dir, sum, fetch)
		})
		if err != nil {
			return "", err
		}
	}
	return bundle.Folder(dir)
}

// fetchArchive is a FetchArchive. What is at a URL without a checksum is loaded anew
// each time, for it may be another one.
func (a *Agent) fetchArchive(ctx context.Context, from, sum string) (string, error) {
	if sum != "" {
		if err := cloud.ValidateSHA256("sha256", sum); err != nil {
			return "", err
		}
	}
	if from == "" {
		return a.unpacked(ctx, sum)
	}
	open := func(ctx context.Context) (io.ReadCloser, error) { return download(ctx, from) }
	if sum != "" {
		return a.archive(ctx, from, sum, open)
	}
	body, err := open(ctx)
	if err != nil {
		return "", err
	}
	defer body.Close()
	if err := os.MkdirAll(a.bundles.dir, 0o700); err != nil {
		return "", err
	}
	f, err := os.CreateTemp(a.bundles.dir, ".new-")
	if err != nil {
		return "", cloud.Wrap(cloud.Unavailable, err, "the agent's folder for bundles cannot be written")
	}
	defer f.Close()
	defer os.Remove(f.Name()) //nolint:errcheck // the next start of the agent removes it
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, h), io.LimitReader(body, cloud.MaxBundle+1))
	switch {
	case err != nil:
		return "", cloud.Errorf(cloud.Unavailable, "the archive at %s was cut off: %v", from, err)
	case n > cloud.MaxBundle:
		return "", cloud.Errorf(cloud.TooLarge, "the archive at %s has more than %d MiB", from, cloud.MaxBundle>>20)
	}
	sum = hex.EncodeToString(h.Sum(nil))
	return a.archive(ctx, f.Name(), sum, func(context.Context) (io.ReadCloser, error) { return os.Open(f.Name()) })
}

// download opens what is at a URL.
func download(ctx context.Context, from string) (io.ReadCloser, error) {
	u, err := url.Parse(from)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, cloud.FieldErrorf("archive", "%q is no URL such as https://example.com/app-1.tar.gz", from)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, cloud.FieldErrorf("archive", "%q is no URL: %v", from, err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, cloud.Errorf(cloud.Unavailable, "the archive cannot be fetched: %v", err)
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, cloud.Errorf(cloud.Invalid, "the archive cannot be fetched: %s answers %s", u.Redacted(), resp.Status)
	}
	return resp.Body, nil
}

// fetch unpacks an archive beside its place, checks it, and moves it there when all
// of it is on the disk.
func (c *bundleCache) fetch(ctx context.Context, dir, sum string, fetch func(context.Context) (io.ReadCloser, error)) error {
	if _, err := os.Stat(dir); err == nil {
		return nil // another flight ended meanwhile
	}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return cloud.Wrap(cloud.Unavailable, err, "the agent's folder for bundles cannot be made")
	}
	next, err := os.MkdirTemp(c.dir, ".new-")
	if err != nil {
		return cloud.Wrap(cloud.Unavailable, err, "the agent's folder for bundles cannot be written")
	}
	defer os.RemoveAll(next) //nolint:errcheck // the next start of the agent removes it
	body, err := fetch(ctx)
	if err != nil {
		return err
	}
	defer body.Close()
	h := sha256.New()
	limited := &io.LimitedReader{R: body, N: cloud.MaxBundle + 1}
	all := io.TeeReader(limited, h)
	err = bundle.Unpack(all, next)
	_, drainErr := io.Copy(io.Discard, all)
	switch got := hex.EncodeToString(h.Sum(nil)); {
	case limited.N == 0:
		return cloud.Errorf(cloud.TooLarge, "the archive has more than %d MiB", cloud.MaxBundle>>20)
	case errors.Is(err, unix.ENOSPC):
		return cloud.Wrap(cloud.Unavailable, err, "the runner has no room for the archive")
	case err != nil:
		return err
	case drainErr != nil:
		return cloud.Wrap(cloud.Unavailable, drainErr, "the archive was cut off")
	case got != sum:
		return cloud.Errorf(cloud.Denied, "the archive has the checksum %s, not %s", got, sum)
	}
	if err := os.Chmod(next, 0o755); err != nil {
		return err
	}
	if err := syncTree(next); err != nil {
		return cloud.Wrap(cloud.Unavailable, err, "the archive cannot be written")
	}
	err = os.Rename(next, dir)
	if errors.Is(err, fs.ErrExist) || errors.Is(err, unix.ENOTEMPTY) {
		return nil // the same archive came from another place meanwhile
	}
	return err
}

// syncTree has all of a file system written: a folder may hold thousands of files.
func syncTree(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(d.Fd())), d.Close())
}

// clean removes what nobody used for long, and what an earlier agent did not finish.
// Used lists folders that something runs from.
func (c *bundleCache) clean(used []string) error {
	entries, err := os.ReadDir(c.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		path := filepath.Join(c.dir, e.Name())
		info, infoErr := e.Info()
		if infoErr != nil || e.Name() == initDir {
			continue
		}
		inUse := slices.ContainsFunc(used, func(dir string) bool { return dir == path || strings.HasPrefix(dir, path+"/") })
		if strings.HasPrefix(e.Name(), ".new-") || !inUse && time.Since(info.ModTime()) > unusedFor {
			err = errors.Join(err, os.RemoveAll(path))
		}
	}
	return err
}
