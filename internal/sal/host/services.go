package host

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/sal"
)

// Services keeps processes of projects running; it is sal.Services. They run in
// cgroups beside those of commands, go on when the agent ends, and are found again
// by their records in the folder.
type Services struct {
	p    *Processes
	dir  string
	tree *tree
	log  *slog.Logger

	ctx  context.Context // ends with Close
	stop context.CancelFunc
	wg   sync.WaitGroup // the watchers and the keeper of logs

	mu       sync.Mutex
	services map[string]*service
}

// service is one service. Its mutex is held while it is started and ended.
type service struct {
	owner *Services
	id    string

	mu      sync.Mutex
	gone    bool // deleted
	rec     record
	group   *group
	exited  chan struct{} // of the running process: closed when it has ended and nothing of it is left
	restart *time.Timer   // the next start; nil if none is due
}

// record is what the disk knows of a service.
type record struct {
	Spec      sal.ServiceSpec `json:"spec"`
	Wanted    bool            `json:"wanted"`
	PID       int             `json:"pid,omitempty"` // of the first process, while it runs
	StartedAt cloud.Time      `json:"started_at,omitempty"`
	Failures  int             `json:"failures,omitempty"`
	Ended     string          `json:"ended,omitempty"`
}

const (
	recordFile = "record.json"
	logFile    = "log"
	oldLog     = "log.1"
	maxLog     = 8 << 20     // of each of the two files
	logEvery   = time.Second // in which a service may write as much as the disk takes

	// A service that ends sooner than settled after its start is restarted ever later.
	settled     = time.Minute
	firstPause  = time.Second
	longestWait = time.Minute
)

// NewServices takes over what an earlier agent left in the folder, which is root's
// alone: what still runs is watched again, what should run and does not is started.
// The caller calls Close, which ends no service.
func NewServices(p *Processes, dir string, log *slog.Logger) (*Services, error) {
	if p.denied != nil {
		return nil, p.denied
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, cloud.Wrap(cloud.Unavailable, err, "the folder %s cannot be made", dir)
	}
	t, err := makeTree(p.mounts, p.cfg.Parent+servicesSuffix)
	if err != nil {
		return nil, cloud.Wrap(cloud.Unavailable, err, "the host's cgroups cannot be used")
	}
	s := &Services{p: p, dir: dir, tree: t, log: log, services: map[string]*service{}}
	s.ctx, s.stop = context.WithCancel(context.Background())
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, cloud.Wrap(cloud.Unavailable, err, "the folder %s cannot be read", dir)
	}
	for _, e := range entries {
		if err := s.restore(e.Name()); err != nil {
			log.Error("take a service over", "service", e.Name(), "err", err)
		}
	}
	s.wg.Go(s.keepLogs)
	return s, nil
}

// servicesSuffix tells the cgroup of services from that of commands beside it.
const servicesSuffix = "-services"

// restore takes over one service of an earlier agent.
func (s *Services) restore(id string) error {
	v := &service{owner: s, id: id}
	b, err := os.ReadFile(filepath.Join(v.folder(), recordFile))
	if errors.Is(err, fs.ErrNotExist) { // it was being made, or removed
		return errors.Join(v.clear(), os.RemoveAll(v.folder()))
	}
	if err == nil {
		err = json.Unmarshal(b, &v.rec)
	}
	if err != nil {
		return err
	}
	s.services[id] = v
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.rec.PID != 0 {
		if v.adopt() {
			return nil
		}
		v.rec.PID, v.rec.Ended = 0, "it ended while no agent ran"
	}
	if err := v.clear(); err != nil || !v.rec.Wanted {
		return err
	}
	if err := v.start(); err != nil {
		v.failed(err.Error())
	}
	return nil
}

// Close stops watching. The services go on.
func (s *Services) Close() {
	s.stop()
	for _, v := range s.all() {
		v.mu.Lock()
		v.cancelRestart()
		v.mu.Unlock()
	}
	s.wg.Wait()
	s.tree.remove(s.p.cfg.Parent + servicesSuffix)
}

func (s *Services) all() []*service {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*service, 0, len(s.services))
	for _, v := range s.services {
		list = append(list, v)
	}
	slices.SortFunc(list, func(a, b *service) int { return strings.Compare(a.id, b.id) })
	return list
}

func (s *Services) find(id string) (*service, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.services[id]; v != nil {
		return v, nil
	}
	return nil, cloud.Errorf(cloud.NotFound, "this node has no service %s", id)
}

// Ensure implements sal.Services.
func (s *Services) Ensure(ctx context.Context, spec sal.ServiceSpec) error {
	if err := check(sal.Command{Name: spec.ID, Argv: spec.Argv, Env: spec.Env, Dir: spec.Dir, Show: spec.Show, RunAs: spec.RunAs, Limits: spec.Limits}); err != nil {
		return err
	}
	if spec.RunAs == cloud.RunAsRoot {
		return cloud.Errorf(cloud.Denied, "a service never runs as root")
	}
	s.mu.Lock()
	v := s.services[spec.ID]
	if v == nil {
		v = &service{owner: s, id: spec.ID}
		s.services[spec.ID] = v
	}
	s.mu.Unlock()
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.gone {
		return cloud.Errorf(cloud.Conflict, "service %s is being removed; try again", spec.ID)
	}
	before := v.rec.Spec
	before.Note = spec.Note
	same := reflect.DeepEqual(before, spec)
	v.rec.Spec = spec
	if v.group != nil && same {
		v.rec.Wanted = true
		return v.save()
	}
	if err := v.end(ctx); err != nil {
		return err
	}
	v.rec.Wanted, v.rec.Failures, v.rec.Ended = true, 0, ""
	if err := v.start(); err != nil {
		v.rec.Wanted, v.rec.Ended = false, cloud.UserMessage(err)
		return errors.Join(err, v.save())
	}
	return nil
}

// Stop implements sal.Services.
func (s *Services) Stop(ctx context.Context, id string) error {
	v, err := s.find(id)
	if err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.rec.Wanted = false
	if err := v.save(); err != nil {
		return err
	}
	return v.end(ctx)
}

// Delete implements sal.Services.
func (s *Services) Delete(ctx context.Context, id string) error {
	v, err := s.find(id)
	if err != nil {
		return nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.rec.Wanted = false
	if err := v.end(ctx); err != nil {
		return err
	}
	if err := os.RemoveAll(v.folder()); err != nil {
		return cloud.Wrap(cloud.Unavailable, err, "the folder of service %s cannot be removed", id)
	}
	v.gone = true
	s.mu.Lock()
	delete(s.services, id)
	s.mu.Unlock()
	return nil
}

// Status implements sal.Services.
func (s *Services) Status(id string) (sal.ServiceStatus, error) {
	v, err := s.find(id)
	if err != nil {
		return sal.ServiceStatus{}, err
	}
	return v.status(), nil
}

// List implements sal.Services.
func (s *Services) List() []sal.ServiceStatus {
	list := []sal.ServiceStatus{}
	for _, v := range s.all() {
		list = append(list, v.status())
	}
	return list
}

func (v *service) status() sal.ServiceStatus {
	v.mu.Lock()
	defer v.mu.Unlock()
	r := &v.rec
	return sal.ServiceStatus{
		ServiceSpec: r.Spec, Wanted: r.Wanted, Running: v.group != nil, StartedAt: r.StartedAt, Failures: r.Failures, Ended: r.Ended,
	}
}

// Log implements sal.Services.
func (s *Services) Log(id string, bytes int64) (string, error) {
	v, err := s.find(id)
	if err != nil {
		return "", err
	}
	var text []byte
	for _, name := range []string{logFile, oldLog} {
		f, err := os.Open(filepath.Join(v.folder(), name))
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return "", err
		}
		size, err := f.Seek(0, io.SeekEnd)
		from := max(0, size-(bytes-int64(len(text))))
		part := make([]byte, size-from)
		n, readErr := f.ReadAt(part, from)
		f.Close()
		if err != nil || readErr != nil && !errors.Is(readErr, io.EOF) {
			return "", errors.Join(err, readErr)
		}
		text = append(part[:n], text...)
	}
	return strings.ToValidUTF8(string(text), "\uFFFD"), nil
}

// keepLogs bounds the logs: what a service wrote is copied and cut off, as it goes
// on to write to the same file.
func (s *Services) keepLogs() {
	tick := time.NewTicker(logEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
		}
		for _, v := range s.all() {
			if err := v.cutLog(maxLog); err != nil {
				s.log.Warn("cut the log of a service", "service", v.id, "err", err)
			}
		}
	}
}

func (v *service) cutLog(limit int64) error {
	path := filepath.Join(v.folder(), logFile)
	st, err := os.Stat(path)
	if err != nil || st.Size() <= limit {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	// Whatever comes of the copy, the log is cut: on a full disk that is what helps.
	err = keepEnd(path, filepath.Join(v.folder(), oldLog), st.Size(), limit)
	return errors.Join(err, os.Truncate(path, 0))
}

// keepEnd copies the last bytes of a file of the size.
func keepEnd(path, copied string, size, bytes int64) error {
	from, err := os.Open(path)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(copied, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, io.NewSectionReader(from, max(0, size-bytes), bytes))
	return errors.Join(err, to.Close())
}
