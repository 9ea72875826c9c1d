package rest

import (
	"context"
	"io"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"atoll/api"
	"atoll/internal/cloud"
	"atoll/internal/control"
)

func bundleView(b *cloud.Bundle) api.Bundle {
	return api.Bundle{
		ID: string(b.ID), AccountID: string(b.AccountID), ProjectID: string(b.ProjectID), Revision: b.Revision, Kind: string(b.Kind),
		Source: b.Source, Digest: b.Digest, SHA256: b.SHA256, Size: b.Size, Scripts: texts[string](b.Scripts), CreatedBy: string(b.CreatedBy),
		Meta: metaView(b.Meta),
	}
}

// BundleIn names a version in the path.
type BundleIn struct {
	Bundle string `path:"bundle" doc:"Id."`
}

func (s *Server) registerBundles() {
	const tag, all, one = "Bundles", "/bundles", "/bundles/{bundle}"
	add(s, get(all, "list-bundles", tag, "List the versions of projects' control scripts"), s.bundleList)
	create := post(all, "create-bundle", tag, "Add control scripts of an image, or those that the agent has")
	add(s, create, s.bundleCreate)
	upload := post("/bundles:upload", "upload-bundle", tag, "Add control scripts, or programs, from the archive in the request's body")
	upload.Description = "For example: tar -czf - -C utils . | curl -H \"Authorization: Bearer $ATOLL_TOKEN\" -T - -X POST \"$ATOLL_URL/api/v1/bundles:upload?account=acme&project=web&use=true\""
	upload.RequestBody = &huma.RequestBody{
		Required: true, Description: "The archive: .tar.gz.",
		Content: map[string]*huma.MediaType{"application/octet-stream": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}},
	}
	add(s, upload, s.bundleUpload)
	add(s, get(one, "get-bundle", tag, "Show a version of control scripts"), s.bundleGet)
	add(s, post(one+"/use", "use-bundle", tag, "Have the project use this version of its control scripts; If-Match is the version of the project"), s.bundleUse)
}

func (s *Server) bundleList(ctx context.Context, r *control.Request, in *Listing) (*page[api.Bundle], error) {
	list, next, err := s.control.Bundles(ctx, r, in.query())
	if err != nil {
		return nil, err
	}
	return pageOf(list, next, bundleView), nil
}

type bundleCreate struct {
	Creating
	Body api.BundleCreate
}

func (s *Server) bundleCreate(ctx context.Context, r *control.Request, in *bundleCreate) (*created[api.Bundle], error) {
	b, err := s.control.CreateBundle(ctx, r, control.NewBundle{
		Project: control.ProjectRef{Account: in.Body.Account, Project: in.Body.Project},
		Kind:    cloud.BundleKind(in.Body.Kind), Source: in.Body.Source, Use: in.Body.Use,
	}, nil)
	if err != nil {
		return nil, err
	}
	return newObject("/bundles", b.ID, b.Meta, bundleView(b)), nil
}

// bundleUpload takes the archive as a stream.
type bundleUpload struct {
	Change
	Account string `query:"account" doc:"Id or name; to find the project by its name."`
	Project string `query:"project" required:"true" doc:"Id, or name in the account."`
	Kind    string `query:"kind" enum:"archive,files" default:"archive" doc:"archive: control scripts; files: programs for deployments that are processes."`
	Source  string `query:"source" maxLength:"500" doc:"Name of the file, for people."`
	Use     bool   `query:"use" doc:"The project uses it from now on."`
	file    io.Reader
}

// Resolve takes the body, which may come as slowly as it likes.
func (in *bundleUpload) Resolve(ctx huma.Context) []error {
	in.file = ctx.BodyReader()
	callOf(ctx.Context()).leave()
	_ = ctx.SetReadDeadline(time.Time{}) // a test's recorder has none
	return nil
}

func (s *Server) bundleUpload(ctx context.Context, r *control.Request, in *bundleUpload) (*created[api.Bundle], error) {
	b, err := s.control.CreateBundle(ctx, r, control.NewBundle{
		Project: control.ProjectRef{Account: in.Account, Project: in.Project}, Kind: cloud.BundleKind(in.Kind), Source: in.Source, Use: in.Use,
	}, in.file)
	if err != nil {
		return nil, err
	}
	return newObject("/bundles", b.ID, b.Meta, bundleView(b)), nil
}

func (s *Server) bundleGet(ctx context.Context, r *control.Request, in *BundleIn) (*body[api.Bundle], error) {
	b, err := s.control.Bundle(ctx, r, cloud.BundleID(in.Bundle))
	if err != nil {
		return nil, err
	}
	return object(b.Meta, bundleView(b)), nil
}

// bundleUse changes the project: If-Match is about its version.
type bundleUse struct {
	BundleIn
	Versioned
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"200" doc:"Fresh for each wish: sent again with the same key, the request is not done again but answered as the first time."`
}

func (s *Server) bundleUse(ctx context.Context, r *control.Request, in *bundleUse) (*body[api.Bundle], error) {
	b, err := s.control.UseBundle(ctx, r, cloud.BundleID(in.Bundle))
	if err != nil {
		return nil, err
	}
	return object(b.Meta, bundleView(b)), nil
}
