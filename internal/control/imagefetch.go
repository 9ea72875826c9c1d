package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/store"
)

// The limits of one fetch.
const (
	fetchLimit   = 12 * time.Hour   // of the operation
	fetchSilence = time.Minute      // without a byte, a source counts as dead
	fetchTries   = 3                // when the source or the network fails
	fetchLook    = 2 * time.Second  // how often progress is written
	fetchPause   = 10 * time.Second // between tries
	fetchPlaces  = 2                // at a time and controller
)

// fetches are the downloads of this controller. A step of an operation may not
// do them, since it runs in a transaction: it asks for one, waits, and looks at
// what became of it. A controller that takes the operation over has no download
// of it and begins one.
type fetches struct {
	mu   sync.Mutex
	of   map[cloud.OperationID]*fetch
	drop []string // checksums of files that may be needed no more
	wake chan struct{}
}

// fetch is one download.
type fetch struct {
	image cloud.Image // with the checksum that is wanted; when it ended, with what the file is
	url   string
	got   atomic.Int64 // bytes
	total atomic.Int64 // bytes, 0 while unknown

	// Guarded by fetches.mu.
	phase  fetchPhase
	cancel context.CancelCauseFunc
	err    error
}

type fetchPhase int

const (
	fetchWaits fetchPhase = iota
	fetchRuns
	fetchEnded
)

func newFetches() *fetches {
	return &fetches{of: map[cloud.OperationID]*fetch{}, wake: make(chan struct{}, 1)}
}

var errCanceled = errors.New("the operation was canceled or is another controller's")

// get returns the operation's download and how far it is.
func (f *fetches) get(id cloud.OperationID) (got *fetch, phase fetchPhase, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if got = f.of[id]; got == nil {
		return nil, fetchWaits, nil
	}
	return got, got.phase, got.err
}

func (f *fetches) add(id cloud.OperationID, n *fetch) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.of[id] == nil {
		f.of[id] = n
		signal(f.wake)
	}
}

// forget stops the operation's download.
func (f *fetches) forget(id cloud.OperationID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := f.of[id]; n != nil && n.cancel != nil {
		n.cancel(errCanceled)
	}
	delete(f.of, id)
}

// dropLater has fetchImages remove a file that may be needed no more.
func (f *fetches) dropLater(sha256 string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.drop = append(f.drop, sha256)
	signal(f.wake)
}

// next gives up to n downloads that nobody does, and the files to remove.
func (f *fetches) next(n int) (work map[cloud.OperationID]*fetch, drop []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	work = map[cloud.OperationID]*fetch{}
	for id, w := range f.of {
		if w.phase == fetchWaits && len(work) < n {
			w.phase, work[id] = fetchRuns, w
		}
	}
	drop, f.drop = f.drop, nil
	return work, drop
}

// fetchImages does the downloads that steps ask for, a few at a time, until ctx
// ends.
func (c *Control) fetchImages(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	client := c.fetchClient()
	defer client.CloseIdleConnections()
	ended := make(chan struct{})
	for running := 0; ; {
		work, drop := c.images.fetches.next(fetchPlaces - running)
		for id, f := range work {
			running++
			wg.Go(func() {
				c.runFetch(ctx, client, id, f)
				select {
				case ended <- struct{}{}:
				case <-ctx.Done():
				}
			})
		}
		for _, sum := range drop {
			c.dropImageBody(ctx, sum)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-c.images.fetches.wake:
		case <-ended:
			running--
		}
	}
}

// runFetch does one download and tells the operation its end.
func (c *Control) runFetch(ctx context.Context, client *http.Client, id cloud.OperationID, f *fetch) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c.images.fetches.mu.Lock()
	f.cancel = cancel
	wanted := c.images.fetches.of[id] == f
	c.images.fetches.mu.Unlock()
	if !wanted {
		return
	}
	var watch sync.WaitGroup
	watch.Go(func() { c.watchFetch(ctx, id, f, cancel) })
	err := c.tryFetch(ctx, client, f)
	cause := context.Cause(ctx)
	cancel(nil)
	watch.Wait()
	c.images.fetches.mu.Lock()
	defer c.images.fetches.mu.Unlock()
	if errors.Is(cause, errCanceled) || errors.Is(cause, context.Canceled) {
		if c.images.fetches.of[id] == f { // nobody waits for it any more, or the controller stops
			delete(c.images.fetches.of, id)
		}
		return
	}
	f.err, f.phase = err, fetchEnded
	c.ops.Signal(id)
}

// watchFetch stops a download whose operation was canceled or is another
// controller's now.
func (c *Control) watchFetch(ctx context.Context, id cloud.OperationID, f *fetch, cancel context.CancelCauseFunc) {
	tick := time.NewTicker(fetchLook)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var o *cloud.Operation
		err := c.view(ctx, func(tx *store.Tx) (err error) { o, err = tx.Operation(id); return err })
		if err == nil && (o.State != cloud.OperationRunning || o.Owner != c.ID) {
			cancel(errCanceled)
		}
	}
}

// tryFetch downloads and inspects the file, again if the source fails.
func (c *Control) tryFetch(ctx context.Context, client *http.Client, f *fetch) error {
	for try := 1; ; try++ {
		err := c.fetchOnce(ctx, client, f)
		if err == nil || ctx.Err() != nil || !cloud.Is(err, cloud.Unavailable) || try == fetchTries {
			return err
		}
		c.Log.Warn("fetch an image", "image", f.image.ID, "try", try, "err", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(fetchPause):
		}
	}
}

func (c *Control) fetchOnce(ctx context.Context, client *http.Client, f *fetch) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(fetchSilence, func() { cancel(errSilent) })
	defer silence.Stop()
	f.got.Store(0)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url, nil)
	if err != nil {
		return cloud.FieldErrorf("url", "cannot be fetched: %v", err)
	}
	req.Header.Set("User-Agent", "atoll")
	resp, err := client.Do(req)
	if err != nil {
		return sourceError(ctx, req.URL, err)
	}
	defer resp.Body.Close()
	if err := c.checkResponse(resp); err != nil {
		return err
	}
	f.total.Store(max(0, resp.ContentLength))
	body := &counter{r: resp.Body, n: &f.got, more: func() { silence.Reset(fetchSilence) }, end: func() { silence.Stop() }}
	err = c.storeImage(ctx, &f.image, body)
	if body.err != nil {
		return sourceError(ctx, resp.Request.URL, body.err)
	}
	return err
}

// checkResponse reads the source's status and announced size.
func (c *Control) checkResponse(resp *http.Response) error {
	at := publicURL(resp.Request.URL)
	switch {
	case resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= 500:
		return cloud.Errorf(cloud.Unavailable, "%s answers %q; try again later", at, resp.Status)
	case resp.StatusCode != http.StatusOK:
		return cloud.FieldErrorf("url", "%s answers %q instead of the file", at, resp.Status)
	case resp.ContentLength > c.MaxImage:
		return cloud.Errorf(cloud.TooLarge, "the file at %s has %d bytes; an image may have %d", at, resp.ContentLength, c.MaxImage)
	}
	return nil
}

var errSilent = errors.New("nothing came for " + fetchSilence.String())

// sourceError is Unavailable with what the network said, for people: a source
// that is not reached is theirs to look at.
func sourceError(ctx context.Context, u *url.URL, err error) error {
	var ours *cloud.Error
	if errors.As(err, &ours) {
		return ours
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	var dial *url.Error
	if errors.As(err, &dial) {
		err = dial.Err // without the address, which may hold a secret
	}
	return cloud.Errorf(cloud.Unavailable, "the file cannot be fetched from %s: %v", publicURL(u), err)
}

// counter counts what is read and keeps the source's own error apart.
type counter struct {
	r    io.Reader
	n    *atomic.Int64
	more func() // something came
	end  func() // nothing will
	err  error
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	if n > 0 {
		c.more()
	}
	if err != nil {
		c.end()
	}
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
		err = fmt.Errorf("read the source: %w", err)
	}
	return n, err
}
