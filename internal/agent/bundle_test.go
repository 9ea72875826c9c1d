package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

// TestArchiveFromElsewhere has somebody promise an archive and never send it: who
// gets the same archive from a better place does not wait for that.
func TestArchiveFromElsewhere(t *testing.T) {
	archive := pack(t, map[string]string{"create": "#!/bin/sh\n"})
	sum := sha256.Sum256(archive)
	name := hex.EncodeToString(sum[:])
	asked := make(chan struct{})
	never := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
	}))
	defer never.Close()
	good := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(archive) }))
	defer good.Close()

	work, stop := context.WithCancel(t.Context())
	a := &Agent{work: work, bundles: bundleCache{dir: t.TempDir()}}
	defer a.wg.Wait()
	defer stop()
	a.wg.Go(func() {
		if _, err := a.fetchArchive(work, never.URL, name); err == nil {
			t.Error("an archive that was never sent is there")
		}
	})
	<-asked
	dir, err := a.fetchArchive(t.Context(), good.URL, name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "create")); err != nil {
		t.Error(err)
	}
}
