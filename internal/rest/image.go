package rest

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"atoll/api"
	"atoll/internal/cloud"
	"atoll/internal/control"
)

func imageView(i *cloud.Image) api.Image {
	return api.Image{
		ID: string(i.ID), AccountID: string(i.AccountID), Name: i.Name, Description: i.Description, State: string(i.State), Reason: i.Reason,
		Format: i.Format, SHA256: i.SHA256, Size: i.Size, VirtualMiB: i.VirtualMiB, SourceURL: i.SourceURL, User: i.User,
		OperationID: string(i.OperationID), Meta: metaView(i.Meta),
	}
}

// ImageIn names an image in the path.
type ImageIn struct {
	Image   string `path:"image" doc:"Id, or name in the account or among the installation's."`
	Account string `query:"account" doc:"Id or name; to find its image by name."`
}

func (s *Server) registerImages() {
	const tag, all, one = "Images", "/images", "/images/{image}"
	add(s, get(all, "list-images", tag, "List images"), s.imageList)
	addStart(s, start(http.MethodPost, all, "create-image", tag, "Create an image from a URL"), s.imageCreate)
	upload := post("/images:upload", "upload-image", tag, "Create an image from the file in the request's body")
	upload.Description = "For example: curl -H \"Authorization: Bearer $ATOLL_TOKEN\" -T debian.qcow2 -X POST \"$ATOLL_URL/api/v1/images:upload?name=debian-12\""
	upload.RequestBody = &huma.RequestBody{
		Required: true, Description: "The file: qcow2 or raw.",
		Content: map[string]*huma.MediaType{"application/octet-stream": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}},
	}
	add(s, upload, s.imageUpload)
	add(s, get(one, "get-image", tag, "Show an image"), s.imageGet)
	add(s, patch(one, "update-image", tag, "Describe, enable or disable an image"), s.imageUpdate)
	add(s, remove(one, "delete-image", tag, "Delete an image that no disk needs"), s.imageDelete)
}

func (s *Server) imageList(ctx context.Context, r *control.Request, in *Listing) (*page[api.Image], error) {
	list, next, err := s.control.Images(ctx, r, in.query())
	if err != nil {
		return nil, err
	}
	return pageOf(list, next, imageView), nil
}

type imageCreate struct {
	Creating
	Waiting
	Body api.ImageCreate
}

func (s *Server) imageCreate(ctx context.Context, r *control.Request, in *imageCreate) (*cloud.Operation, error) {
	b := in.Body
	account, err := s.accountID(ctx, r, b.Account)
	if err != nil {
		return nil, err
	}
	_, o, err := s.control.CreateImageFromURL(ctx, r, control.NewImage{
		Account: account, Name: b.Name, Description: b.Description, User: b.User, SHA256: b.SHA256, URL: b.URL,
	})
	return o, err
}

// imageUpload takes the file as a stream: it is not read into memory.
type imageUpload struct {
	Change
	Name        string `query:"name" required:"true" example:"debian-12"`
	Account     string `query:"account" doc:"Id or name; left out for an image of the installation, which only operators make."`
	Description string `query:"description" maxLength:"1000"`
	User        string `query:"user" maxLength:"64" doc:"Login name of the image."`
	SHA256      string `query:"sha256" doc:"Checksum that the file must have." pattern:"^[0-9a-f]{64}$"`
	file        io.Reader
}

// Resolve takes the body, which may come as slowly as it likes.
func (in *imageUpload) Resolve(ctx huma.Context) []error {
	in.file = ctx.BodyReader()
	callOf(ctx.Context()).leave()        // it may take hours
	_ = ctx.SetReadDeadline(time.Time{}) // a test's recorder has none
	return nil
}

func (s *Server) imageUpload(ctx context.Context, r *control.Request, in *imageUpload) (*created[api.Image], error) {
	account, err := s.accountID(ctx, r, in.Account)
	if err != nil {
		return nil, err
	}
	i, err := s.control.CreateImageFromUpload(ctx, r, control.NewImage{
		Account: account, Name: in.Name, Description: in.Description, User: in.User, SHA256: in.SHA256,
	}, in.file)
	if err != nil {
		return nil, err
	}
	return newObject("/images", i.ID, i.Meta, imageView(i)), nil
}

func (s *Server) imageGet(ctx context.Context, r *control.Request, in *ImageIn) (*body[api.Image], error) {
	account, err := s.accountID(ctx, r, in.Account)
	if err != nil {
		return nil, err
	}
	i, err := s.control.Image(ctx, r, account, in.Image)
	if err != nil {
		return nil, err
	}
	return object(i.Meta, imageView(i)), nil
}

type imageUpdate struct {
	ImageIn
	Versioned
	Body api.ImageUpdate
}

func (s *Server) imageUpdate(ctx context.Context, r *control.Request, in *imageUpdate) (*body[api.Image], error) {
	account, err := s.accountID(ctx, r, in.Account)
	if err != nil {
		return nil, err
	}
	i, err := s.control.UpdateImage(ctx, r, account, in.Image, control.ImageUpdate(in.Body))
	if err != nil {
		return nil, err
	}
	return object(i.Meta, imageView(i)), nil
}

type imageDelete struct {
	ImageIn
	Versioned
}

func (s *Server) imageDelete(ctx context.Context, r *control.Request, in *imageDelete) (*none, error) {
	account, err := s.accountID(ctx, r, in.Account)
	if err != nil {
		return nil, err
	}
	return &none{}, s.control.DeleteImage(ctx, r, account, in.Image)
}
