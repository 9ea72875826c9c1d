package control

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"path"
	"slices"
	"sync"
	"syscall"

	"atoll/internal/authz"
	"atoll/internal/blob"
	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/wire"
)

// NewImage is what a caller gives for an image.
type NewImage struct {
	Account     cloud.AccountID // "" for an image of the installation, which all may use
	Name        string
	Description string
	User        string // login name of the image
	SHA256      string // of the file; required with URL
	URL         string // where to fetch it; not for uploads
}

// ImageUpdate is what may change of an image; nil fields stay.
type ImageUpdate struct {
	Name        *string
	Description *string
	User        *string
	Enabled     *bool // false: existing machines keep it, new ones cannot use it
}

// MaxImage is the default of Config.MaxImage.
const MaxImage = 64 << 30

// imageBodies is what this controller does with the files of images.
type imageBodies struct {
	// rows makes writing an image's row and removing a body exclusive within this
	// controller; among several, LockImageBodies does.
	rows    sync.Mutex
	fetches *fetches
}

const imagePrefix = "images"

// imageKey is where blob.Store.Put keeps the file.
func imageKey(sha256 string) string { return path.Join(imagePrefix, sha256[:2], sha256) }

func imageTarget(i *cloud.Image) target {
	return target{kind: cloud.KindImage, name: i.Name, account: i.AccountID}
}

func imageSubject(i *cloud.Image) subject {
	return subject{kind: cloud.KindImage, id: string(i.ID), name: i.Name, account: i.AccountID}
}

// allowImage is allow, knowing that everybody may read the installation's images.
func (r *Request) allowImage(a authz.Action, i *cloud.Image) error {
	if i.AccountID == "" && a == authz.Read {
		return nil
	}
	err := r.allow(a, imageTarget(i))
	if i.AccountID == "" && cloud.Is(err, cloud.NotFound) {
		return cloud.Errorf(cloud.Denied, "you may not %s the installation's image %s; an operator could", a, i.Name)
	}
	return err
}

// findImage returns the image by id, or by its name in the account, else among
// the installation's.
func findImage(tx *store.Tx, account cloud.AccountID, ref string) (*cloud.Image, error) {
	return byRef(ref, tx.Image, func(name string) (*cloud.Image, error) {
		i, err := tx.ImageNamed(account, name)
		if account != "" && cloud.Is(err, cloud.NotFound) {
			return tx.ImageNamed("", name)
		}
		return i, err
	})
}

// Image returns the image by id or name (see findImage).
func (c *Control) Image(ctx context.Context, r *Request, account cloud.AccountID, ref string) (*cloud.Image, error) {
	var i *cloud.Image
	err := c.view(ctx, func(tx *store.Tx) (err error) {
		i, err = r.readImage(tx, account, ref)
		return err
	})
	return i, err
}

// readImage is findImage for what the caller may read.
func (r *Request) readImage(tx *store.Tx, account cloud.AccountID, ref string) (*cloud.Image, error) {
	i, err := findImage(tx, account, ref)
	if err != nil {
		return nil, err
	}
	if r.allowImage(authz.Read, i) == nil {
		return i, nil
	}
	if !cloud.IsID(ref) && i.AccountID != "" { // the account's own is hidden; the installation's is not
		if shared, err := tx.ImageNamed("", ref); err == nil {
			return shared, nil
		}
	}
	return nil, cloud.Errorf(cloud.NotFound, "there is no image %s", ref)
}

// Images returns a page of the images that the caller may use: its accounts'
// and the installation's.
func (c *Control) Images(ctx context.Context, r *Request, q store.Query) (list []cloud.Image, next string, err error) {
	err = c.view(ctx, func(tx *store.Tx) error {
		q := r.query(cloud.KindImage, q)
		q.Visible.Shared = true
		list, next, err = tx.Images(q)
		return err
	})
	return list, next, err
}

// OpenImage returns the file of a ready image and its size in bytes, for the
// agent of a node that has a job to fetch it; to others it is NotFound.
func (c *Control) OpenImage(ctx context.Context, node cloud.NodeID, sha256 string) (io.ReadSeekCloser, int64, error) {
	if err := cloud.ValidateSHA256("sha256", sha256); err != nil {
		return nil, 0, err
	}
	err := c.view(ctx, func(tx *store.Tx) error {
		held, err := tx.HeldJobs(node)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(held, func(j cloud.Job) bool { return wantsImage(&j, sha256) }) {
			return cloud.Errorf(cloud.NotFound, "this node has no job to fetch image %s", sha256)
		}
		_, err = tx.ImageByContent(sha256)
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	body, size, err := c.Blobs.Open(ctx, imageKey(sha256))
	if errors.Is(err, blob.ErrNotFound) {
		return nil, 0, cloud.Wrap(cloud.Unavailable, err, "the file of image %s is gone from the blob store; delete the image and create it again", sha256)
	}
	return body, size, err
}

// wantsImage reports whether the job is to have the image in its node's cache.
func wantsImage(j *cloud.Job, sha256 string) bool {
	var args wire.ImageArgs
	return j.Action == wire.ActionImageEnsure && json.Unmarshal(j.Args, &args) == nil && args.SHA256 == sha256
}

// checkNewImage refuses what cannot become an image before its file is moved.
func (ch *change) checkNewImage(i *cloud.Image) error {
	if err := ch.r.allowImage(authz.Create, i); err != nil {
		return err
	}
	if i.AccountID != "" {
		if _, err := ch.active(i.AccountID); err != nil {
			return err
		}
	}
	if err := i.Validate(); err != nil {
		return err
	}
	_, err := ch.ImageNamed(i.AccountID, i.Name)
	if err == nil {
		return &cloud.Error{Kind: cloud.Conflict, Field: "name", Message: "is taken; choose another one"}
	}
	if cloud.Is(err, cloud.NotFound) {
		return nil
	}
	return err
}

// CreateImageFromUpload stores the file that body reads and makes it an image.
// A checksum that is given is enforced. A dry run reads nothing of body. Errors:
// Invalid for a file that is no disk, TooLarge, Conflict for a taken name.
func (c *Control) CreateImageFromUpload(ctx context.Context, r *Request, in NewImage, body io.Reader) (*cloud.Image, error) {
	i := &cloud.Image{
		ID: cloud.NewID[cloud.ImageID](), AccountID: in.Account, Name: in.Name, Description: in.Description,
		User: in.User, SHA256: in.SHA256, State: cloud.ImageReady,
	}
	early := *r // what would be refused anyhow is refused before the file is moved
	early.DryRun = true
	var planned *Planned
	err := c.change(ctx, &early, "image.create", func(ch *change) error { return ch.checkNewImage(i) })
	if r.DryRun {
		return nil, err
	}
	if !errors.As(err, &planned) {
		if cloud.Is(err, cloud.Denied) {
			c.refused(ctx, r, "image.create", err)
		}
		return nil, err
	}
	if err := c.storeImage(ctx, i, body); err != nil {
		return nil, err
	}
	err = c.changeImages(ctx, r, "image.create", func(ch *change) error {
		if err := ch.checkNewImage(i); err != nil {
			return err
		}
		if err := c.haveBody(ctx, i.SHA256); err != nil {
			return err
		}
		if err := ch.CreateImage(i); err != nil {
			return err
		}
		return ch.event("image.create", imageSubject(i), nil, i)
	})
	if err != nil {
		c.dropImageBody(context.WithoutCancel(ctx), i.SHA256)
		return nil, err
	}
	return i, nil
}

// storeImage stores the file and completes the image with what it is.
func (c *Control) storeImage(ctx context.Context, i *cloud.Image, body io.Reader) error {
	ref, err := c.Blobs.Put(ctx, imagePrefix, body, i.SHA256, c.MaxImage)
	switch {
	case errors.Is(err, blob.ErrTooLarge):
		return cloud.Wrap(cloud.TooLarge, err, "the file is larger than the %d bytes that an image may have", c.MaxImage)
	case errors.Is(err, blob.ErrChecksum):
		return &cloud.Error{Kind: cloud.Invalid, Field: "sha256", Message: "is not the checksum of the file that came; is it complete, and the right one?", Cause: err}
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return cloud.Wrap(cloud.Unavailable, err, "the controller's blob store is full; tell your operator")
	case err != nil:
		return err
	}
	d, err := c.inspectImage(ctx, ref)
	if err != nil {
		if i.State == cloud.ImageReady { // no row refers to it yet
			c.dropImageBody(context.WithoutCancel(ctx), ref.SHA256)
		}
		return err
	}
	i.SHA256, i.Size, i.Format, i.VirtualMiB = ref.SHA256, ref.Size, d.Format, d.VirtualMiB
	return nil
}

func (c *Control) inspectImage(ctx context.Context, ref blob.Ref) (diskImage, error) {
	f, _, err := c.Blobs.OpenRange(ctx, ref.Key, 0, headBytes)
	if errors.Is(err, blob.ErrNotFound) {
		return diskImage{}, removedMeanwhile(err)
	}
	if err != nil {
		return diskImage{}, err
	}
	defer f.Close()
	return readDiskImage(f, ref.Size)
}

// changeImages is change for what makes or ends the use of an image's file.
func (c *Control) changeImages(ctx context.Context, r *Request, action string, fn func(ch *change) error) error {
	c.images.rows.Lock()
	defer c.images.rows.Unlock()
	return c.change(ctx, r, action, func(ch *change) error {
		if err := ch.LockImageBodies(); err != nil {
			return err
		}
		return fn(ch)
	})
}

// haveBody is Unavailable if the file was removed, with the last image that had
// it, since it was stored.
func (c *Control) haveBody(ctx context.Context, sha256 string) error {
	f, _, err := c.Blobs.OpenRange(ctx, imageKey(sha256), 0, 1)
	if errors.Is(err, blob.ErrNotFound) {
		return removedMeanwhile(err)
	}
	if err != nil {
		return err
	}
	return f.Close()
}

func removedMeanwhile(cause error) error {
	return cloud.Wrap(cloud.Unavailable, cause, "another image with the same content was deleted meanwhile; try again")
}

// dropImageBody removes the file unless an image needs it. What it cannot remove
// now, sweepImages will.
func (c *Control) dropImageBody(ctx context.Context, sha256 string) {
	if sha256 == "" {
		return
	}
	c.images.rows.Lock()
	defer c.images.rows.Unlock()
	used := false
	err := c.DB.Update(ctx, func(tx *store.Tx) (err error) {
		if err := tx.LockImageBodies(); err != nil {
			return err
		}
		used, err = tx.ImageBodyUsed(sha256)
		if err != nil || used || !c.DB.Shared() {
			return err
		}
		return c.Blobs.Delete(ctx, imageKey(sha256)) // under the row's lock: other controllers wait
	})
	if err == nil && !used && !c.DB.Shared() {
		err = c.Blobs.Delete(ctx, imageKey(sha256))
	}
	if err != nil {
		c.Log.Error("remove the file of an image", "sha256", sha256, "err", err)
	}
}

// UpdateImage describes, enables or disables an image.
func (c *Control) UpdateImage(ctx context.Context, r *Request, account cloud.AccountID, ref string, u ImageUpdate) (*cloud.Image, error) {
	var i *cloud.Image
	err := c.change(ctx, r, "image.update", func(ch *change) (err error) {
		if i, err = ch.imageForChange(authz.Update, account, ref); err != nil {
			return err
		}
		before := *i
		set(&i.Name, u.Name)
		set(&i.Description, u.Description)
		set(&i.User, u.User)
		if u.Enabled != nil {
			to := cloud.ImageDisabled
			if *u.Enabled {
				to = cloud.ImageReady
			}
			if i.State != to {
				if err := cloud.ImageTransitions.Check(cloud.KindImage, i.Name, i.State, to); err != nil {
					return err
				}
				i.State = to
			}
		}
		if i.State == cloud.ImageCreating {
			return creating(i)
		}
		if err := i.Validate(); err != nil {
			return err
		}
		if err := ch.UpdateImage(i); err != nil {
			return err
		}
		return ch.event("image.update", imageSubject(i), &before, i)
	})
	return i, err
}

// DeleteImage removes an image that no disk was made from, and its file if no
// other image has the same.
func (c *Control) DeleteImage(ctx context.Context, r *Request, account cloud.AccountID, ref string) error {
	var sum string
	err := c.changeImages(ctx, r, "image.delete", func(ch *change) error {
		i, err := ch.imageForChange(authz.Delete, account, ref)
		if err != nil {
			return err
		}
		if i.State == cloud.ImageCreating {
			return creating(i)
		}
		if err := ch.LockImage(i.ID); err != nil { // machines that are being made from it are counted
			return err
		}
		n, err := ch.DisksFrom(i.ID)
		if err != nil {
			return err
		}
		if n > 0 {
			return cloud.StateErrorf(string(i.State), "image %s is what %d disks were made from; delete their machines first, or disable the image", i.Name, n)
		}
		if err := cloud.ImageTransitions.Check(cloud.KindImage, i.Name, i.State, cloud.ImageDeleted); err != nil {
			return err
		}
		before := *i
		sum, i.State = i.SHA256, cloud.ImageDeleted
		if i.DeletedAt, err = ch.Now(); err != nil {
			return err
		}
		if err := ch.UpdateImage(i); err != nil {
			return err
		}
		return ch.event("image.delete", imageSubject(i), &before, nil)
	})
	if err == nil {
		c.dropImageBody(context.WithoutCancel(ctx), sum)
	}
	return err
}

// imageForChange finds the image and checks what every change of one needs.
func (ch *change) imageForChange(a authz.Action, account cloud.AccountID, ref string) (*cloud.Image, error) {
	i, err := ch.r.readImage(ch.Tx, account, ref)
	if err != nil {
		return nil, err
	}
	if err := ch.r.allowImage(a, i); err != nil {
		return nil, err
	}
	if i.AccountID != "" {
		if _, err := ch.active(i.AccountID); err != nil {
			return nil, err
		}
	}
	return i, ch.match(cloud.KindImage, i.Name, i.Version)
}

func creating(i *cloud.Image) error {
	return cloud.StateErrorf(string(i.State), "image %s is being created; wait for operation %s, or cancel it", i.Name, i.OperationID)
}

// publicURL is an address without what may be secret in it, such as the
// signature of a link that holds for an hour.
func publicURL(u *url.URL) string {
	p := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	return p.String()
}
