package control

import (
	"context"
	"encoding/json"
	"net/url"

	"atoll/internal/cloud"
	"atoll/internal/op"
)

// opImageCreate is the operation that fetches an image.
const opImageCreate = "image.create"

// imageInput is the operation's input.
type imageInput struct {
	Image cloud.ImageID `json:"image"`
	URL   string        `json:"url"`
}

// CreateImageFromURL makes an image whose file an operation fetches. The
// checksum is required; the operation fails if the file has another one.
func (c *Control) CreateImageFromURL(ctx context.Context, r *Request, in NewImage) (*cloud.Image, *cloud.Operation, error) {
	u, err := parseSource(in.URL)
	if err != nil {
		return nil, nil, err
	}
	if err := cloud.ValidateSHA256("sha256", in.SHA256); err != nil {
		return nil, nil, err
	}
	i := &cloud.Image{
		ID: cloud.NewID[cloud.ImageID](), AccountID: in.Account, Name: in.Name, Description: in.Description,
		User: in.User, SHA256: in.SHA256, SourceURL: publicURL(u), State: cloud.ImageCreating,
	}
	input, err := json.Marshal(imageInput{Image: i.ID, URL: u.String()})
	if err != nil {
		return nil, nil, err
	}
	var o *cloud.Operation
	err = c.changeImages(ctx, r, "image.create", func(ch *change) error {
		if err := ch.checkNewImage(i); err != nil {
			return err
		}
		i.OperationID = cloud.NewID[cloud.OperationID]()
		if o, err = ch.start(&cloud.Operation{
			ID: i.OperationID, Kind: opImageCreate, AccountID: i.AccountID, Input: input,
			SubjectKind: cloud.KindImage, SubjectID: string(i.ID), SubjectName: i.Name,
		}); err != nil {
			return err
		}
		if err := ch.CreateImage(i); err != nil {
			return err
		}
		return ch.event("image.create", imageSubject(i), nil, i)
	})
	return i, shown(o), err
}

// publicImageInput is the input without what of the address may be secret.
func publicImageInput(text json.RawMessage) json.RawMessage {
	var in imageInput
	if json.Unmarshal(text, &in) != nil {
		return nil
	}
	u, err := url.Parse(in.URL)
	if err != nil {
		return nil
	}
	in.URL = publicURL(u)
	public, err := json.Marshal(in)
	if err != nil {
		return nil
	}
	return public
}

// parseSource checks the form of an address to fetch from.
func parseSource(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, cloud.FieldErrorf("url", "must be an address that begins with https:// or http://")
	case u.User != nil:
		return nil, cloud.FieldErrorf("url", "must hold no user name and password: they would be stored; use a link that holds what is needed")
	case len(text) > 4096:
		return nil, cloud.FieldErrorf("url", "has %d bytes; at most 4096 are allowed", len(text))
	}
	u.Fragment = ""
	return u, nil
}

// defineImages tells the engine the operations on images.
func (c *Control) defineImages() {
	c.ops.Define(op.Definition{
		Kind: opImageCreate, Limit: fetchLimit,
		Steps: []op.Step{{
			Name: "fetch",
			Do:   c.fetchStep,
			Undo: func(s *op.Scope) error {
				s.Tx.OnCommit(func() { c.images.fetches.forget(s.Op.ID) })
				return nil
			},
		}},
		Settled: c.imageSettled,
		Retry: func(s *op.Scope) error {
			i, err := s.Tx.Image(cloud.ImageID(s.Op.SubjectID))
			if err != nil {
				return err
			}
			if err := cloud.ImageTransitions.Check(cloud.KindImage, i.Name, i.State, cloud.ImageCreating); err != nil {
				return err
			}
			i.State, i.Reason, i.OperationID = cloud.ImageCreating, "", s.Op.ID
			return s.Tx.UpdateImage(i)
		},
	})
}

// fetchStep asks for the download and waits for it.
func (c *Control) fetchStep(s *op.Scope) error {
	var done cloud.Image
	if err := s.Data(&done); err != nil {
		return err
	}
	if done.Format != "" {
		return nil
	}
	f, phase, err := c.images.fetches.get(s.Op.ID)
	switch {
	case f == nil:
		return c.askFetch(s)
	case phase != fetchEnded:
		f.report(s, phase)
		return lookSoon(s)
	case err != nil:
		s.Tx.OnCommit(func() { c.images.fetches.forget(s.Op.ID) })
		return err
	}
	return s.Keep(&f.image)
}

// report writes how far the download is.
func (f *fetch) report(s *op.Scope, phase fetchPhase) {
	got, total := f.got.Load()>>20, f.total.Load()>>20
	switch {
	case phase == fetchWaits:
		s.Progress(0, "waits for a place to fetch")
	case total == 0:
		s.Progress(0, "fetched %d MiB", got)
	default:
		s.Progress(min(99, 100*got/total), "fetched %d of %d MiB", got, total)
	}
}

func (c *Control) askFetch(s *op.Scope) error {
	var in imageInput
	if err := s.Input(&in); err != nil {
		return err
	}
	i, err := s.Tx.Image(in.Image)
	if err != nil {
		return err
	}
	id := s.Op.ID
	s.Tx.OnCommit(func() { c.images.fetches.add(id, &fetch{image: *i, url: in.URL}) })
	s.Progress(0, "waits for a place to fetch")
	return lookSoon(s)
}

// lookSoon waits, and has the step called again to write progress.
func lookSoon(s *op.Scope) error {
	now, err := s.Tx.Now()
	if err != nil {
		return err
	}
	s.Op.WakeAt = now.Add(fetchLook)
	return op.ErrWait
}

// imageSettled makes the image ready, or failed with the reason.
func (c *Control) imageSettled(s *op.Scope, cause *cloud.Error) error {
	id := s.Op.ID
	i, err := s.Tx.Image(cloud.ImageID(s.Op.SubjectID))
	if err != nil {
		return err
	}
	to := cloud.ImageReady
	if cause != nil {
		to, i.Reason = cloud.ImageFailed, cause.Message
	}
	if err := cloud.ImageTransitions.Check(cloud.KindImage, i.Name, i.State, to); err != nil {
		return err
	}
	var done cloud.Image
	if err := s.Data(&done); err != nil {
		return err
	}
	if cause == nil {
		i.Format, i.Size, i.VirtualMiB = done.Format, done.Size, done.VirtualMiB
	}
	i.State, i.OperationID = to, ""
	if err := s.Tx.UpdateImage(i); err != nil {
		return err
	}
	s.Tx.OnCommit(func() {
		c.images.fetches.forget(id)
		if cause != nil {
			c.images.fetches.dropLater(i.SHA256)
		}
	})
	return nil
}
