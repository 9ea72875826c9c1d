package rest

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"atoll/api"
	"atoll/internal/cloud"
	"atoll/internal/control"
)

func scriptView(v *cloud.Script) api.Script {
	h := v.Header
	return api.Script{
		ID: string(v.ID), AccountID: string(v.AccountID), Name: v.Name, Revision: v.Revision, Current: v.Current, SHA256: v.SHA256, Size: v.Size,
		Header: api.ScriptHeader{
			Description: h.Description, Roles: texts[string](h.Roles), Every: h.Every, Cron: h.Cron, TimeZone: h.TimeZone,
			Timeout: h.Timeout, Queue: h.Queue, Kind: string(h.Kind), Parameters: h.Parameters,
		},
		Meta: metaView(v.Meta),
	}
}

// ScriptIn names a script in the path.
type ScriptIn struct {
	Script  string `path:"script" doc:"Name of the current revision, or id of any."`
	Account string `query:"account" doc:"Id or name; left out for the installation's scripts."`
}

// maxScript is the largest script in bytes; control has its own limit below.
const maxScript = 4 << 20

func (s *Server) registerScripts() {
	const tag, all, one = "Scripts", "/scripts", "/scripts/{script}"
	add(s, get(all, "list-scripts", tag, "List scripts: their current revisions"), s.scriptList)
	create := post(all, "create-script", tag, "Upload a script, or a new revision of it, as the request's body")
	create.Description = "For example: curl -H \"Authorization: Bearer $ATOLL_TOKEN\" --data-binary @disk-health \"$ATOLL_URL/api/v1/scripts?name=disk-health\""
	create.MaxBodyBytes = maxScript
	create.SkipValidateBody = true
	create.RequestBody = &huma.RequestBody{
		Required: true, Description: "The script's text, which begins with #!.",
		Content: map[string]*huma.MediaType{"application/octet-stream": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}},
	}
	add(s, create, s.scriptCreate)
	add(s, get(one, "get-script", tag, "Show a script"), s.scriptGet)
	source := get(one+"/source", "get-script-source", tag, "Download a script's text")
	source.Responses = map[string]*huma.Response{"200": {
		Description: "The text.",
		Content:     map[string]*huma.MediaType{"text/plain": {Schema: &huma.Schema{Type: huma.TypeString}}},
	}}
	add(s, source, s.scriptSource)
	add(s, get(one+"/revisions", "list-script-revisions", tag, "List all revisions of a script, the newest first"), s.scriptRevisions)
	add(s, remove(one, "delete-script", tag, "Delete a script with all its revisions"), s.scriptDelete)
}

func (s *Server) scriptList(ctx context.Context, r *control.Request, in *Listing) (*page[api.Script], error) {
	list, next, err := s.control.Scripts(ctx, r, in.query())
	if err != nil {
		return nil, err
	}
	return pageOf(list, next, scriptView), nil
}

type scriptCreate struct {
	Creating
	Name    string `query:"name" required:"true" example:"disk-health"`
	Account string `query:"account" doc:"Id or name; left out for a script of the installation."`
	RawBody []byte
}

func (s *Server) scriptCreate(ctx context.Context, r *control.Request, in *scriptCreate) (*created[api.Script], error) {
	account, err := s.accountID(ctx, r, in.Account)
	if err != nil {
		return nil, err
	}
	v, err := s.control.CreateScript(ctx, r, account, in.Name, in.RawBody)
	if err != nil {
		return nil, err
	}
	return newObject("/scripts", v.ID, v.Meta, scriptView(v)), nil
}

func (s *Server) scriptGet(ctx context.Context, r *control.Request, in *ScriptIn) (*body[api.Script], error) {
	account, err := s.accountID(ctx, r, in.Account)
	if err != nil {
		return nil, err
	}
	v, err := s.control.Script(ctx, r, account, in.Script)
	if err != nil {
		return nil, err
	}
	return object(v.Meta, scriptView(v)), nil
}

// text is an answer that is no JSON. It is offered as a file: a script must not
// become a page of ours.
type text struct {
	ContentType string `header:"Content-Type"`
	Disposition string `header:"Content-Disposition"`
	Body        []byte
}

func (s *Server) scriptSource(ctx context.Context, r *control.Request, in *ScriptIn) (*text, error) {
	account, err := s.accountID(ctx, r, in.Account)
	if err != nil {
		return nil, err
	}
	b, err := s.control.ScriptSource(ctx, r, account, in.Script)
	if err != nil {
		return nil, err
	}
	return &text{"text/plain; charset=utf-8", "attachment", b}, nil
}

func (s *Server) scriptRevisions(ctx context.Context, r *control.Request, in *ScriptIn) (*page[api.Script], error) {
	account, err := s.accountID(ctx, r, in.Account)
	if err != nil {
		return nil, err
	}
	list, err := s.control.ScriptRevisions(ctx, r, account, in.Script)
	if err != nil {
		return nil, err
	}
	return pageOf(list, "", scriptView), nil
}

type scriptDelete struct {
	ScriptIn
	Versioned
}

func (s *Server) scriptDelete(ctx context.Context, r *control.Request, in *scriptDelete) (*none, error) {
	account, err := s.accountID(ctx, r, in.Account)
	if err != nil {
		return nil, err
	}
	return &none{}, s.control.DeleteScript(ctx, r, account, in.Script)
}
