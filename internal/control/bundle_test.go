package control

import (
	"archive/tar"
	"bytes"
	"testing"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
	"atoll/internal/wire"
)

// scriptsArchive is an archive with one control script.
func scriptsArchive(t *testing.T, name, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(text))}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func newProject(t *testing.T, c *Control, account cloud.AccountID, name string) *cloud.Project {
	t.Helper()
	domain := "staging.example.com"
	p, err := c.CreateProject(t.Context(), operator, string(account), ProjectChange{Name: &name, BaseDomain: &domain})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestBundle(t *testing.T) {
	t.Parallel()
	c := newCatalog(t, storetest.SQLite(t))
	account, writer := newTenant(t, c, "acme")
	_, stranger := newTenant(t, c, "other")
	p := newProject(t, c, account, "shop")
	add := func(r *Request, kind cloud.BundleKind, use bool, body []byte) (*cloud.Bundle, error) {
		return c.CreateBundle(t.Context(), r, NewBundle{Project: ProjectRef{Project: string(p.ID)}, Kind: kind, Source: "x.tar.gz", Use: use}, bytes.NewReader(body))
	}
	used := func(want wire.BundleRef) {
		t.Helper()
		inTx(t, c, func(tx *store.Tx) error {
			now, err := tx.Project(p.ID)
			if err != nil {
				return err
			}
			if got, err := bundleOf(tx, now); err != nil || got != want {
				t.Errorf("the project uses %+v, %v; want %+v", got, err, want)
			}
			return nil
		})
	}
	one, err := add(operator, cloud.BundleArchive, true, scriptsArchive(t, "create", "#!/bin/sh\n"))
	if err != nil || one.Revision != 1 || len(one.Scripts) != 1 || one.Signature == "" {
		t.Fatalf("the first version: %+v, %v", one, err)
	}
	two, err := add(operator, cloud.BundleArchive, true, scriptsArchive(t, "create", "#!/bin/bash\n"))
	if err != nil || two.Revision != 2 {
		t.Fatalf("the second version: %+v, %v", two, err)
	}
	used(wire.BundleRef{Kind: cloud.BundleArchive, ID: two.ID, SHA256: two.SHA256, Size: two.Size, Signature: two.Signature})
	if again, err := add(operator, cloud.BundleArchive, false, scriptsArchive(t, "create", "#!/bin/sh\n")); err != nil || again.ID != one.ID {
		t.Errorf("the same archive again: %+v, %v", again, err)
	}
	stale := *operator
	stale.IfMatch = p.Version // two versions of scripts ago
	_, err = c.UseBundle(t.Context(), &stale, one.ID)
	wantKind(t, "a version of the project that it has no longer", err, cloud.Conflict)
	stale.IfMatch = p.Version + 2
	if _, err := c.UseBundle(t.Context(), &stale, one.ID); err != nil {
		t.Fatal(err)
	}
	used(wire.BundleRef{Kind: cloud.BundleArchive, ID: one.ID, SHA256: one.SHA256, Size: one.Size, Signature: one.Signature})
	builtin, err := add(operator, cloud.BundleProcess, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	used(wire.BundleRef{Kind: cloud.BundleProcess, ID: builtin.ID})
	files, err := add(writer, cloud.BundleFiles, false, scriptsArchive(t, "server", "#!/bin/sh\n"))
	if err != nil {
		t.Fatalf("a writer's programs: %v", err)
	}

	_, err = add(writer, cloud.BundleArchive, false, scriptsArchive(t, "create", "#!/bin/sh\n"))
	wantKind(t, "a writer's control scripts", err, cloud.Denied)
	_, err = add(stranger, cloud.BundleFiles, false, nil)
	wantKind(t, "a stranger's programs", err, cloud.NotFound)
	_, err = c.Bundle(t.Context(), stranger, one.ID)
	wantKind(t, "a stranger reads", err, cloud.NotFound)
	_, err = c.UseBundle(t.Context(), operator, files.ID)
	wantKind(t, "programs as control scripts", err, cloud.Invalid)
	for what, body := range map[string][]byte{"no create": scriptsArchive(t, "update", "x"), "no archive": []byte("PK no archive at all"), "escape": scriptsArchive(t, "../create", "x")} {
		_, err = add(operator, cloud.BundleArchive, false, body)
		wantKind(t, what, err, cloud.Invalid)
	}
	_, err = add(operator, "magic", false, nil)
	wantKind(t, "an unknown kind", err, cloud.Invalid)
	if list, _, err := c.Bundles(t.Context(), writer, store.Query{Filter: []string{"project=" + string(p.ID)}}); err != nil || len(list) != 4 {
		t.Errorf("the versions: %d, %v; want 4", len(list), err)
	}
	if list, _, err := c.Bundles(t.Context(), stranger, store.Query{}); err != nil || len(list) != 0 {
		t.Errorf("a stranger's list: %+v, %v", list, err)
	}
	_, err = c.OpenBundle(t.Context(), cloud.NewID[cloud.NodeID](), one.SHA256)
	wantKind(t, "a node without a job of the project", err, cloud.NotFound)
}

// Uploads that were refused, or whose controller was killed, leave no archive for ever.
func TestArchivesAreSwept(t *testing.T) {
	t.Parallel()
	c := newCatalog(t, storetest.SQLite(t))
	account, _ := newTenant(t, c, "acme")
	p := newProject(t, c, account, "shop")
	b, err := c.CreateBundle(t.Context(), operator, NewBundle{Project: ProjectRef{Project: string(p.ID)}, Kind: cloud.BundleArchive}, bytes.NewReader(scriptsArchive(t, "create", "#!/bin/sh\n")))
	if err != nil {
		t.Fatal(err)
	}
	left, err := c.Blobs.Put(t.Context(), bundlePrefix, bytes.NewReader(scriptsArchive(t, "create", "#!/bin/bash\n")), "", 0)
	if err != nil {
		t.Fatal(err)
	}
	has := func() (kept, lost bool) {
		t.Helper()
		for e, err := range c.Blobs.List(t.Context(), bundlePrefix+"/") {
			if err != nil {
				t.Fatal(err)
			}
			kept, lost = kept || e.Key == bundleKey(b.SHA256), lost || e.Key == left.Key
		}
		return kept, lost
	}
	if err := c.sweepBlobs(t.Context()); err != nil {
		t.Fatal(err)
	}
	if kept, lost := has(); !kept || !lost {
		t.Errorf("after a sweep there is one in use: %v, and one that may be under way: %v", kept, lost)
	}
	if err := c.sweepBundles(t.Context(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if kept, lost := has(); !kept || lost {
		t.Errorf("after a day there is one in use: %v, and one that nobody has: %v", kept, lost)
	}
}

// A deployment cannot take the name by which Atoll is reached.
func TestBaseDomainOfTheController(t *testing.T) {
	t.Parallel()
	c := newCatalog(t, storetest.SQLite(t), func(cfg *Config) {
		cfg.PublicURL, cfg.Advertise = "https://Atoll.example.com:8443", "agents.internal.example.org:8443"
	})
	account, _ := newTenant(t, c, "acme")
	name := "shop"
	for domain, good := range map[string]bool{
		"example.com": false, "com": false, "internal.example.org": false, "staging.example.com": true, "atoll.example.com": true, "toll.example.com": true,
	} {
		name += "x"
		p, err := c.CreateProject(t.Context(), operator, string(account), ProjectChange{Name: &name, BaseDomain: &domain})
		if good != (err == nil) || err != nil && !cloud.Is(err, cloud.Invalid) {
			t.Errorf("the base domain %s: %v", domain, err)
		}
		bad := "example.com"
		if err == nil {
			_, err = c.UpdateProject(t.Context(), operator, ProjectRef{Project: string(p.ID)}, ProjectChange{BaseDomain: &bad})
			wantKind(t, "an update to it", err, cloud.Invalid)
		}
	}
	p := newProject(t, c, account, "old") // from before that was refused
	inTx(t, c, func(tx *store.Tx) error {
		p.BaseDomain = "example.com"
		return tx.UpdateProject(p)
	})
	_, _, err := c.CreateDeployment(t.Context(), operator, NewDeployment{Project: string(p.ID), Name: "atoll"})
	wantKind(t, "a deployment with the name of the controller", err, cloud.Invalid)
}
