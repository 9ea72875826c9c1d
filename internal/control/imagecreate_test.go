package control

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
)

func private(cfg *Config) { cfg.ImageURLAllow = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")} }

// source serves the file, once wait is closed after its first half (nil: at once).
func source(t *testing.T, file []byte, wait <-chan struct{}) (url string, calls *atomic.Int64) {
	t.Helper()
	calls = &atomic.Int64{}
	mux := http.NewServeMux()
	mux.HandleFunc("/disk", func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		w.Header().Set("Content-Length", strconv.Itoa(len(file)))
		w.Write(file[:len(file)/2])
		w.(http.Flusher).Flush()
		if wait != nil {
			select {
			case <-wait:
			case <-r.Context().Done():
				return
			}
		}
		w.Write(file[len(file)/2:])
	})
	mux.Handle("/moved", http.RedirectHandler("/disk", http.StatusFound))
	mux.Handle("/file", http.RedirectHandler("file:///etc/passwd", http.StatusFound))
	mux.Handle("/loop", http.RedirectHandler("/loop", http.StatusFound))
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv.URL, calls
}

// createFromURL starts the operation and waits for its end.
func createFromURL(t *testing.T, c *Control, r *Request, in NewImage) (*cloud.Image, *cloud.Operation) {
	t.Helper()
	i, o, err := c.CreateImageFromURL(t.Context(), r, in)
	if err != nil {
		t.Fatal(err)
	}
	if i.State != cloud.ImageCreating {
		t.Errorf("state = %s, want creating", i.State)
	}
	if o, err = c.WaitOperation(t.Context(), r, o.ID); err != nil {
		t.Fatal(err)
	}
	if i, err = c.Image(t.Context(), r, in.Account, string(i.ID)); err != nil {
		t.Fatal(err)
	}
	noneStuck(t, c)
	return i, o
}

func noneStuck(t *testing.T, c *Control) {
	t.Helper()
	inTx(t, c, func(tx *store.Tx) error {
		stuck, err := tx.StuckObjects()
		if len(stuck) > 0 {
			t.Errorf("stuck objects: %v", stuck)
		}
		return err
	})
}

func TestImageFromURL(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCatalog(t, db, private)
		runLoops(t, c.ops.Run, c.fetchImages)
		account, tenant := newTenant(t, c, "acme")
		file := rawDisk(3 << 20)
		url, _ := source(t, file, nil)
		i, o := createFromURL(t, c, tenant, NewImage{Account: account, Name: "web", URL: url + "/moved?signature=secret", SHA256: sum(file)})
		if o.State != cloud.OperationSucceeded || o.Progress != 100 {
			t.Errorf("operation = %+v", o)
		}
		if i.State != cloud.ImageReady || i.Format != "raw" || i.VirtualMiB != 3 || i.Size != 3<<20 || i.OperationID != "" || i.SourceURL != url+"/moved" {
			t.Errorf("image = %+v", i)
		}
		if !hasBody(t, c, file) {
			t.Error("the file is not in the blob store")
		}
	})
}

func TestImageFromURLFailures(t *testing.T) {
	t.Parallel()
	c := newCatalog(t, storetest.SQLite(t), private, func(cfg *Config) { cfg.MaxImage = 1 << 20 })
	runLoops(t, c.ops.Run, c.fetchImages)
	disk, text := rawDisk(1024), []byte("this is text")
	url, _ := source(t, disk, nil)
	textURL, _ := source(t, text, nil)
	largeURL, _ := source(t, rawDisk(2<<20), nil)
	for _, tt := range []struct {
		name, url, sum string
		kind           cloud.ErrorKind
		says           string
	}{
		{"another-checksum", url + "/disk", sum(nil), cloud.Invalid, "checksum"},
		{"no-disk", textURL + "/disk", sum(text), cloud.Invalid, "no disk image"},
		{"not-there", url + "/nothing", sum(disk), cloud.Invalid, "404"},
		{"too-large", largeURL + "/disk", sum(disk), cloud.TooLarge, "1048576"},
		{"redirect-to-file", url + "/file", sum(disk), cloud.Invalid, "https://"},
		{"redirects", url + "/loop", sum(disk), cloud.Invalid, "redirects"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			i, o := createFromURL(t, c, operator, NewImage{Name: tt.name, URL: tt.url, SHA256: tt.sum})
			if o.State != cloud.OperationFailed || o.ErrorKind != tt.kind || !strings.Contains(o.Error, tt.says) {
				t.Errorf("operation is %s: %s %q, want %s with %q", o.State, o.ErrorKind, o.Error, tt.kind, tt.says)
			}
			if i.State != cloud.ImageFailed || i.Reason == "" {
				t.Errorf("image is %s (%s), want failed with a reason", i.State, i.Reason)
			}
			until(t, "removal of the file", func() bool { return !hasBody(t, c, text) && !hasBody(t, c, disk) })
			if err := c.DeleteImage(t.Context(), operator, "", tt.name); err != nil {
				t.Errorf("delete the failed image: %v", err)
			}
		})
	}
}

func TestImageFromURLRefusals(t *testing.T) {
	t.Parallel()
	c := newCatalog(t, storetest.SQLite(t))
	for _, tt := range []struct{ name, url, sum, field string }{
		{"no checksum", "https://example.org/x", "", "sha256"},
		{"file", "file:///etc/passwd", sum(nil), "url"},
		{"no host", "https:///x", sum(nil), "url"},
		{"password", "https://me:secret@example.org/x", sum(nil), "url"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := c.CreateImageFromURL(t.Context(), operator, NewImage{Name: "x", URL: tt.url, SHA256: tt.sum})
			var e *cloud.Error
			if !errors.As(err, &e) || e.Kind != cloud.Invalid || e.Field != tt.field {
				t.Errorf("create = %v, want Invalid in %s", err, tt.field)
			}
		})
	}
}

func TestImageFetchIsCanceled(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCatalog(t, db, private)
		runLoops(t, c.ops.Run, c.fetchImages)
		file := rawDisk(4 << 20)
		url, _ := source(t, file, make(chan struct{}))
		ctx := t.Context()
		_, o, err := c.CreateImageFromURL(ctx, operator, NewImage{Name: "web", URL: url + "/disk", SHA256: sum(file)})
		if err != nil {
			t.Fatal(err)
		}
		until(t, "progress", func() bool {
			o, err = c.Operation(ctx, operator, o.ID)
			return err == nil && o.Progress == 50
		})
		wantKind(t, "delete while it is created", c.DeleteImage(ctx, operator, "", "web"), cloud.Conflict)
		if err := c.CancelOperation(ctx, operator, o.ID); err != nil {
			t.Fatal(err)
		}
		if o, err = c.WaitOperation(ctx, operator, o.ID); err != nil || o.State != cloud.OperationCanceled {
			t.Errorf("operation = %+v, %v, want canceled", o, err)
		}
		if i, err := c.Image(ctx, operator, "", "web"); err != nil || i.State != cloud.ImageFailed {
			t.Errorf("image = %+v, %v, want failed", i, err)
		}
		noneStuck(t, c)
	})
}

func TestImageFetchGoesOnElsewhere(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	first := newCatalog(t, db, private)
	stop := runLoops(t, first.ops.Run, first.fetchImages)
	file, wait := rawDisk(1<<20), make(chan struct{})
	url, calls := source(t, file, wait)
	_, o, err := first.CreateImageFromURL(t.Context(), operator, NewImage{Name: "web", URL: url + "/disk", SHA256: sum(file)})
	if err != nil {
		t.Fatal(err)
	}
	until(t, "download", func() bool { return calls.Load() == 1 })
	stop()
	close(wait)
	second := newCatalog(t, db, private, func(cfg *Config) { cfg.Blobs, cfg.Keys = first.Blobs, first.Keys })
	runLoops(t, second.ops.Run, second.fetchImages)
	if o, err = second.WaitOperation(t.Context(), operator, o.ID); err != nil || o.State != cloud.OperationSucceeded {
		t.Errorf("operation = %+v, %v, want succeeded", o, err)
	}
	if calls.Load() != 2 || !hasBody(t, second, file) {
		t.Errorf("%d downloads, want 2 and the file", calls.Load())
	}
}

func TestImageFetchFaults(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"before do fetch", "after do fetch", "before undo fetch"} {
		t.Run(when, func(t *testing.T) {
			c := newCatalog(t, storetest.SQLite(t), private)
			var failed atomic.Bool
			c.ops.Inject = func(_ *cloud.Operation, at string) error {
				if at == when || strings.HasPrefix(when, "before undo") && at == "after do fetch" {
					failed.Store(true)
					return cloud.Errorf(cloud.Unavailable, "injected")
				}
				return nil
			}
			runLoops(t, c.ops.Run, c.fetchImages)
			file := rawDisk(1 << 20)
			url, _ := source(t, file, nil)
			i, o := createFromURL(t, c, operator, NewImage{Name: "web", URL: url + "/disk", SHA256: sum(file)})
			if !failed.Load() || o.State != cloud.OperationFailed || i.State != cloud.ImageFailed {
				t.Fatalf("operation is %s, image %s", o.State, i.State)
			}
			until(t, "removal of the file", func() bool { return !hasBody(t, c, file) })
			c.ops.Inject = nil
			again, err := c.RetryOperation(t.Context(), operator, o.ID)
			if err != nil {
				t.Fatal(err)
			}
			if o, err = c.WaitOperation(t.Context(), operator, again.ID); err != nil || o.State != cloud.OperationSucceeded {
				t.Errorf("retry = %+v, %v", o, err)
			}
			if i, err = c.Image(t.Context(), operator, "", "web"); err != nil || i.State != cloud.ImageReady || i.Reason != "" {
				t.Errorf("image after the retry = %+v, %v", i, err)
			}
			noneStuck(t, c)
		})
	}
}
