package control

import (
	"archive/tar"
	"bytes"
	"testing"

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
	if _, err := c.UseBundle(t.Context(), operator, one.ID); err != nil {
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
