package control

import (
	"context"
	"errors"
	"io"
	"os"
	"path"
	"time"

	"atoll/internal/authz"
	"atoll/internal/blob"
	"atoll/internal/bundle"
	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/wire"
)

const bundlePrefix = "bundles"

func bundleKey(sha256 string) string { return path.Join(bundlePrefix, sha256[:2], sha256) }

// imageTimeout bounds the time in which a registry must have given an image.
const imageTimeout = 5 * time.Minute

// The project's secrets that are its credentials at registries.
const (
	secretRegistryUser     = "REGISTRY_USER"
	secretRegistryPassword = "REGISTRY_PASSWORD"
)

func bundleTarget(b *cloud.Bundle) target {
	kind := cloud.KindBundle
	if b.Kind == cloud.BundleFiles {
		kind = cloud.KindDeployment // who makes deployments brings what runs in them
	}
	return target{kind: kind, account: b.AccountID, project: b.ProjectID}
}

func bundleSubject(b *cloud.Bundle) subject {
	return subject{kind: cloud.KindBundle, id: string(b.ID), account: b.AccountID, project: b.ProjectID}
}

// NewBundle is a version of a project's control scripts to add.
type NewBundle struct {
	Project ProjectRef
	Kind    cloud.BundleKind
	Source  string // the image, or the name of the file
	Use     bool   // the project uses it from now on
}

// CreateBundle adds a version: the archive that body reads, the scripts of the
// image, or the part of the agent that the kind says. What is there already is not
// added again. Errors: Invalid and TooLarge for an archive that cannot be used; those
// of the registry.
func (c *Control) CreateBundle(ctx context.Context, r *Request, in NewBundle, body io.Reader) (*cloud.Bundle, error) {
	b := &cloud.Bundle{Kind: in.Kind, Source: in.Source, CreatedBy: r.User.ID}
	early := *r // what would be refused anyhow is refused before a file is moved
	early.DryRun = true
	var project *cloud.Project
	var planned *Planned
	err := c.change(ctx, &early, "bundle.create", func(ch *change) (err error) {
		project, err = ch.bundleProject(b, in)
		return err
	})
	if r.DryRun || !errors.As(err, &planned) {
		return nil, err
	}
	if err := c.storeBundle(ctx, project, b, body); err != nil {
		return nil, err
	}
	err = c.change(ctx, r, "bundle.create", func(ch *change) error {
		p, err := ch.bundleProject(b, in)
		if err != nil {
			return err
		}
		return ch.addBundle(p, b, in.Use)
	})
	return b, err
}

// bundleProject finds the project, and checks what can be checked without the file.
func (ch *change) bundleProject(b *cloud.Bundle, in NewBundle) (*cloud.Project, error) {
	p, err := findProject(ch.Tx, in.Project)
	if err != nil {
		return nil, err
	}
	b.AccountID, b.ProjectID = p.AccountID, p.ID
	if err := ch.r.permit(authz.Create, bundleTarget(b), in.Project.String()); err != nil {
		return nil, err
	}
	if in.Use && b.Kind == cloud.BundleFiles {
		return nil, cloud.FieldErrorf("use", "goes with control scripts, not with %s", b.Kind)
	}
	if _, err := ch.active(p.AccountID); err != nil {
		return nil, err
	}
	return p, b.Validate()
}

// addBundle writes the version, or takes the one that is the same.
func (ch *change) addBundle(p *cloud.Project, b *cloud.Bundle, use bool) error {
	if err := ch.LockProject(p.ID); err != nil {
		return err
	}
	old, err := ch.BundleOf(b)
	switch {
	case err == nil:
		*b = *old
	case !cloud.Is(err, cloud.NotFound):
		return err
	default:
		b.ID = cloud.NewID[cloud.BundleID]()
		if err := ch.Tx.CreateBundle(b); err != nil {
			return err
		}
		if err := ch.event("bundle.create", bundleSubject(b), nil, b); err != nil {
			return err
		}
	}
	if !use {
		return nil
	}
	return ch.useBundle(p, b)
}

// useBundle has the project use the version. Scripts that are under way go on with
// the one that they began with.
func (ch *change) useBundle(p *cloud.Project, b *cloud.Bundle) error {
	if p.BundleID == b.ID && p.Folder == "" {
		return nil
	}
	before := *p
	p.BundleID, p.Folder = b.ID, ""
	if err := ch.Tx.UpdateProject(p); err != nil {
		return err
	}
	return ch.event("project.update", projectSubject(p), &before, p)
}

// UseBundle has the project use a version that it has. IfMatch is the project's version.
func (c *Control) UseBundle(ctx context.Context, r *Request, id cloud.BundleID) (*cloud.Bundle, error) {
	var b *cloud.Bundle
	err := c.change(ctx, r, "bundle.use", func(ch *change) (err error) {
		if b, err = ch.Bundle(id); err != nil {
			return err
		}
		if err := r.permit(authz.Update, target{kind: cloud.KindBundle, account: b.AccountID, project: b.ProjectID}, string(id)); err != nil {
			return err
		}
		if b.Kind == cloud.BundleFiles {
			return cloud.FieldErrorf("bundle", "version %d holds programs, not control scripts", b.Revision)
		}
		if err := ch.LockProject(b.ProjectID); err != nil {
			return err
		}
		p, err := ch.Project(b.ProjectID)
		if err != nil {
			return err
		}
		if err := ch.match(cloud.KindProject, p.Name, p.Version); err != nil {
			return err
		}
		return ch.useBundle(p, b)
	})
	return b, err
}

// Bundle returns a version if the caller may see it.
func (c *Control) Bundle(ctx context.Context, r *Request, id cloud.BundleID) (*cloud.Bundle, error) {
	var b *cloud.Bundle
	err := c.view(ctx, func(tx *store.Tx) (err error) {
		if b, err = tx.Bundle(id); err != nil {
			return err
		}
		return r.permit(authz.Read, bundleTarget(b), string(id))
	})
	return b, err
}

// Bundles returns a page of the versions that the caller may see.
func (c *Control) Bundles(ctx context.Context, r *Request, q store.Query) (list []cloud.Bundle, next string, err error) {
	err = c.view(ctx, func(tx *store.Tx) error {
		list, next, err = tx.Bundles(r.query(cloud.KindBundle, q))
		return err
	})
	return list, next, err
}

// storeBundle stores the archive and completes the version with what it is.
func (c *Control) storeBundle(ctx context.Context, p *cloud.Project, b *cloud.Bundle, body io.Reader) error {
	if b.Kind == cloud.BundleProcess {
		b.Source = ""
		return nil
	}
	f, err := os.CreateTemp("", "atoll-bundle-")
	if err != nil {
		return cloud.Wrap(cloud.Unavailable, err, "the controller has no room for the archive")
	}
	defer f.Close()
	defer os.Remove(f.Name()) //nolint:errcheck // it is in the folder of temporary files
	if b.Kind == cloud.BundleImage {
		err = c.takeImage(ctx, p, b, f)
	} else {
		_, err = io.Copy(f, io.LimitReader(body, cloud.MaxBundle+1))
	}
	if err != nil {
		return err
	}
	if err := checkBundle(f, b); err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	ref, err := c.Blobs.Put(ctx, bundlePrefix, f, "", 0)
	if err != nil {
		return err
	}
	b.SHA256, b.Size = ref.SHA256, ref.Size
	b.Signature, err = c.Signer().Sign(bundle.Purpose, bundle.SignedMessage(b.SHA256))
	return err
}

// checkBundle reads the archive as a runner would.
func checkBundle(f *os.File, b *cloud.Bundle) error {
	size, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	if size > cloud.MaxBundle {
		return cloud.Errorf(cloud.TooLarge, "the archive has more than %d MiB", cloud.MaxBundle>>20)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if b.Kind == cloud.BundleFiles {
		return bundle.Read(f, func(e bundle.Entry) error {
			_, err := io.Copy(io.Discard, e.Body)
			return err
		})
	}
	b.Scripts, err = bundle.Check(f)
	return err
}

// takeImage writes the image's scripts to the file, as an archive.
func (c *Control) takeImage(ctx context.Context, p *cloud.Project, b *cloud.Bundle, f *os.File) error {
	ctx, cancel := context.WithTimeout(ctx, imageTimeout)
	defer cancel()
	secrets := make([]cloud.KeyValue, 0, len(p.Secrets))
	for _, s := range p.Secrets {
		if s.Name == secretRegistryUser || s.Name == secretRegistryPassword {
			secrets = append(secrets, cloud.KeyValue{Key: s.Name, Value: s.Sealed, Secret: true})
		}
	}
	if err := c.openValues(p.ID, secrets); err != nil {
		return err
	}
	i := bundle.Image{Ref: b.Source, Transport: c.fetchClient().Transport}
	for _, s := range secrets {
		if s.Key == secretRegistryUser {
			i.User = s.Value
		} else {
			i.Password = s.Value
		}
	}
	var err error
	b.Digest, err = i.Archive(ctx, f)
	return err
}

// OpenBundle returns an archive for the agent of a node that has a job of a project
// with it; to others it is NotFound.
func (c *Control) OpenBundle(ctx context.Context, node cloud.NodeID, sha256 string) (io.ReadSeekCloser, error) {
	if err := cloud.ValidateSHA256("sha256", sha256); err != nil {
		return nil, err
	}
	err := c.view(ctx, func(tx *store.Tx) error {
		wants, err := tx.WantsBundle(node, sha256)
		if err == nil && !wants {
			err = cloud.Errorf(cloud.NotFound, "this node has no job of a project that has the archive %s", sha256)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	body, _, err := c.Blobs.Open(ctx, bundleKey(sha256))
	if errors.Is(err, blob.ErrNotFound) {
		return nil, cloud.Wrap(cloud.Unavailable, err, "the archive %s is gone from the blob store; add it to its project again", sha256)
	}
	return body, err
}

// bundleOf says where the project's control scripts are.
func bundleOf(tx *store.Tx, p *cloud.Project) (wire.BundleRef, error) {
	switch {
	case p.Folder != "":
		return wire.BundleRef{Kind: cloud.BundleFolder, Path: p.Folder}, nil
	case p.BundleID == "":
		return wire.BundleRef{}, cloud.Errorf(cloud.Conflict,
			"project %s has no control scripts yet; add some with 'atoll bundle create', or name a folder that has them on the runners with 'atoll project update %s --folder PATH'", p.Name, p.Name)
	}
	b, err := tx.Bundle(p.BundleID)
	if err != nil {
		return wire.BundleRef{}, err
	}
	return wire.BundleRef{Kind: b.Kind, ID: b.ID, SHA256: b.SHA256, Size: b.Size, Signature: b.Signature}, nil
}
