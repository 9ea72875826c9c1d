package control

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"testing"

	"atoll/internal/blob"
	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
	"atoll/internal/wire"
)

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

func upload(t *testing.T, c *Control, r *Request, in NewImage, file []byte) *cloud.Image {
	t.Helper()
	i, err := c.CreateImageFromUpload(t.Context(), r, in, bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// hasBody reports whether the blob store has the file.
func hasBody(t *testing.T, c *Control, file []byte) bool {
	t.Helper()
	f, _, err := c.Blobs.Open(t.Context(), imageKey(sum(file)))
	if errors.Is(err, blob.ErrNotFound) {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	return true
}

// holdImage gives the node a job to fetch the image.
func holdImage(t *testing.T, c *Control, node cloud.NodeID, sha256 string) {
	t.Helper()
	j, err := jobOf(node, wire.ActionImageEnsure, cloud.QueueIO, wire.ImageArgs{SHA256: sha256})
	if err != nil {
		t.Fatal(err)
	}
	hold(t, c, &j)
}

func TestImageUpload(t *testing.T) {
	t.Parallel()
	eachCatalog(t, func(t *testing.T, c *Control) {
		ctx := t.Context()
		account, tenant := newTenant(t, c, "acme")
		file := qcow2File(3<<30, nil)
		i := upload(t, c, tenant, NewImage{Account: account, Name: "web", User: "debian", SHA256: sum(file)}, file)
		if i.State != cloud.ImageReady || i.Format != "qcow2" || i.VirtualMiB != 3<<10 || i.Size != int64(len(file)) || i.SHA256 != sum(file) {
			t.Errorf("image = %+v", i)
		}
		node := newNode(t, c, "n1", newLocation(t, c, "here").ID, cloud.NodeOnline)
		_, _, err := c.OpenImage(ctx, node.ID, i.SHA256)
		wantKind(t, "image for a node without a job", err, cloud.NotFound)
		holdImage(t, c, node.ID, i.SHA256)
		body, size, err := c.OpenImage(ctx, node.ID, i.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(body)
		body.Close()
		if err != nil || size != i.Size || !bytes.Equal(got, file) {
			t.Errorf("OpenImage() gave %d bytes of %d, %v", len(got), size, err)
		}
		holdImage(t, c, node.ID, sum(nil))
		_, _, err = c.OpenImage(ctx, node.ID, sum(nil))
		wantKind(t, "open of what is no image", err, cloud.NotFound)
	})
}

func TestImageUploadRefusals(t *testing.T) {
	t.Parallel()
	c := newCatalog(t, storetest.SQLite(t), func(cfg *Config) { cfg.MaxImage = 1 << 20 })
	account, tenant := newTenant(t, c, "acme")
	other, _ := newTenant(t, c, "other")
	upload(t, c, tenant, NewImage{Account: account, Name: "taken"}, rawDisk(512))
	disk := rawDisk(1024)
	for _, tt := range []struct {
		name string
		in   NewImage
		file []byte
		want cloud.ErrorKind
	}{
		{"no disk", NewImage{Account: account, Name: "x"}, []byte("hello"), cloud.Invalid},
		{"another checksum", NewImage{Account: account, Name: "x", SHA256: sum(nil)}, disk, cloud.Invalid},
		{"no checksum", NewImage{Account: account, Name: "x", SHA256: "abc"}, disk, cloud.Invalid},
		{"too large", NewImage{Account: account, Name: "x"}, rawDisk(1<<20 + 512), cloud.TooLarge},
		{"bad name", NewImage{Account: account, Name: "X"}, disk, cloud.Invalid},
		{"taken name", NewImage{Account: account, Name: "taken"}, disk, cloud.Conflict},
		{"of the installation", NewImage{Name: "x"}, disk, cloud.Denied},
		{"of another account", NewImage{Account: other, Name: "x"}, disk, cloud.Denied},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := c.CreateImageFromUpload(t.Context(), tenant, tt.in, bytes.NewReader(tt.file))
			wantKind(t, "upload", err, tt.want)
			if hasBody(t, c, tt.file) {
				t.Error("the refused file stays in the blob store")
			}
		})
	}
}

func TestImageUploadDryRunReadsNothing(t *testing.T) {
	t.Parallel()
	c := newCatalog(t, storetest.SQLite(t))
	dry := *operator
	dry.DryRun = true
	body := bytes.NewReader(rawDisk(512))
	_, err := c.CreateImageFromUpload(t.Context(), &dry, NewImage{Name: "x"}, body)
	if _, ok := err.(*Planned); !ok || body.Len() != 512 {
		t.Errorf("dry run = %v, %d bytes left, want a plan and all of them", err, body.Len())
	}
}

func TestImageVisibility(t *testing.T) {
	t.Parallel()
	eachCatalog(t, func(t *testing.T, c *Control) {
		ctx := t.Context()
		mine, me := newTenant(t, c, "mine")
		theirs, them := newTenant(t, c, "theirs")
		shared := upload(t, c, operator, NewImage{Name: "debian"}, rawDisk(512))
		upload(t, c, me, NewImage{Account: mine, Name: "web"}, rawDisk(1024))
		hidden := upload(t, c, them, NewImage{Account: theirs, Name: "web"}, rawDisk(1536))

		list, _, err := c.Images(ctx, me, store.Query{})
		if err != nil || len(list) != 2 || list[0].Name != "debian" || list[1].AccountID != mine {
			t.Errorf("Images() = %v, %v; want the shared and my own", list, err)
		}
		if got, err := c.Image(ctx, me, mine, "debian"); err != nil || got.ID != shared.ID {
			t.Errorf("Image(debian) = %v, %v", got, err)
		}
		_, err = c.Image(ctx, me, "", string(hidden.ID))
		wantKind(t, "another account's image", err, cloud.NotFound)
		_, err = c.Image(ctx, me, theirs, "web")
		wantKind(t, "another account's image by name", err, cloud.NotFound)
		wantKind(t, "delete of a shared image by a tenant", c.DeleteImage(ctx, me, mine, "debian"), cloud.Denied)
		limited := *operator
		limited.Account = mine
		if list, _, err := c.Images(ctx, &limited, store.Query{}); err != nil || len(list) != 2 {
			t.Errorf("Images() of a token limited to an account = %v, %v", list, err)
		}
	})
}

func TestImageUpdate(t *testing.T) {
	t.Parallel()
	eachCatalog(t, func(t *testing.T, c *Control) {
		ctx := t.Context()
		upload(t, c, operator, NewImage{Name: "debian"}, rawDisk(512))
		no, yes, text := false, true, "twelve"
		i, err := c.UpdateImage(ctx, operator, "", "debian", ImageUpdate{Enabled: &no, Description: &text})
		if err != nil || i.State != cloud.ImageDisabled || i.Description != text {
			t.Fatalf("disable = %+v, %v", i, err)
		}
		node := newNode(t, c, "n1", newLocation(t, c, "here").ID, cloud.NodeOnline)
		holdImage(t, c, node.ID, i.SHA256)
		body, _, err := c.OpenImage(ctx, node.ID, i.SHA256)
		if err != nil {
			t.Fatalf("a disabled image is not served to machines that have it: %v", err)
		}
		body.Close()
		if i, err = c.UpdateImage(ctx, operator, "", "debian", ImageUpdate{Enabled: &yes}); err != nil || i.State != cloud.ImageReady {
			t.Fatalf("enable = %+v, %v", i, err)
		}
	})
}

func TestImageDelete(t *testing.T) {
	t.Parallel()
	eachCatalog(t, func(t *testing.T, c *Control) {
		ctx := t.Context()
		account, tenant := newTenant(t, c, "acme")
		file := rawDisk(512)
		upload(t, c, operator, NewImage{Name: "debian"}, file)
		mine := upload(t, c, tenant, NewImage{Account: account, Name: "same"}, file)
		if err := c.DeleteImage(ctx, operator, "", "debian"); err != nil {
			t.Fatal(err)
		}
		if !hasBody(t, c, file) {
			t.Fatal("the file was removed although another image has it")
		}
		loc := newLocation(t, c, "home")
		disk := &cloud.Disk{ID: cloud.NewID[cloud.DiskID](), AccountID: account, Name: "boot", State: cloud.DiskReady, SizeGiB: 1, ImageID: mine.ID, Boot: true}
		inTx(t, c, func(tx *store.Tx) error {
			s := &cloud.Cloudspace{ID: cloud.NewID[cloud.CloudspaceID](), AccountID: account, LocationID: loc.ID, Name: "s", Network: cloud.DefaultNetwork}
			m := &cloud.Machine{ID: cloud.NewID[cloud.MachineID](), AccountID: account, CloudspaceID: s.ID, Name: "m", State: cloud.MachineStopped}
			disk.CloudspaceID, disk.MachineID = s.ID, m.ID
			return errors.Join(tx.CreateCloudspace(s), tx.CreateMachine(m), tx.CreateDisk(disk))
		})
		wantKind(t, "delete with a disk", c.DeleteImage(ctx, tenant, account, "same"), cloud.Conflict)
		inTx(t, c, func(tx *store.Tx) error {
			disk.DeletedAt = cloud.Now()
			return tx.UpdateDisk(disk)
		})
		if err := c.DeleteImage(ctx, tenant, account, "same"); err != nil {
			t.Fatal(err)
		}
		if hasBody(t, c, file) {
			t.Error("the file stays without an image")
		}
		upload(t, c, tenant, NewImage{Account: account, Name: "same"}, file) // the name is free again
	})
}

func TestImageOfDisabledAccount(t *testing.T) {
	t.Parallel()
	c := newCatalog(t, storetest.SQLite(t))
	account, tenant := newTenant(t, c, "acme")
	upload(t, c, tenant, NewImage{Account: account, Name: "web"}, rawDisk(512))
	inTx(t, c, func(tx *store.Tx) error {
		a, err := tx.Account(account)
		if err != nil {
			return err
		}
		a.State = cloud.AccountDisabled
		return tx.UpdateAccount(a)
	})
	wantKind(t, "delete", c.DeleteImage(t.Context(), tenant, account, "web"), cloud.Conflict)
	_, err := c.CreateImageFromUpload(t.Context(), tenant, NewImage{Account: account, Name: "x"}, bytes.NewReader(rawDisk(512)))
	wantKind(t, "upload", err, cloud.Conflict)
}
