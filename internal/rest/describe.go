package rest

import (
	"cmp"
	"embed"
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"path"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"atoll/api"
)

// about is the text at the top of the API's description.
const about = "Every call needs a token (Authorization: Bearer …) or a session (POST /api/v1/login). " +
	"Errors are application/problem+json with a stable code. Lists are {\"items\": […], \"next\": \"cursor\"}. " +
	"Calls that change something take ?dry_run=true and then answer 200 with a Plan. " +
	"Long work answers 202 with an Operation; Prefer: wait=SECONDS waits for its end."

func (s *Server) humaConfig() huma.Config {
	version := s.Version
	if version == "" {
		version = "v1"
	}
	c := huma.DefaultConfig("Atoll", version)
	c.Info.Description = about
	c.OpenAPIPath, c.DocsPath, c.SchemasPath, c.CreateHooks = "", "", "", nil // we serve our own
	c.RejectUnknownQueryParameters = true
	c.Transformers = []huma.Transformer{s.transform}
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"token":   {Type: "http", Scheme: "bearer"},
		"session": {Type: "apiKey", In: "cookie", Name: sessionCookie, Description: "Changes also need the header " + csrfHeader + "."},
	}
	return c
}

// describe returns openapi.json of what was registered.
func (s *Server) describe() ([]byte, error) {
	doc := s.api.OpenAPI()
	schemas := doc.Components.Schemas
	problem := schemas.Schema(reflect.TypeFor[api.Problem](), true, "")
	schemas.Schema(reflect.TypeFor[api.Plan](), true, "")
	schemas.Schema(reflect.TypeFor[api.FeedMessage](), true, "")
	delete(schemas.Map(), "ErrorModel")
	delete(schemas.Map(), "ErrorDetail")
	for _, item := range doc.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op != nil {
				if op.Responses["101"] != nil {
					delete(op.Responses, "200")
				}
				op.Responses["default"] = &huma.Response{
					Description: "Error", Content: map[string]*huma.MediaType{api.ProblemType: {Schema: problem}},
				}
			}
		}
	}
	return json.MarshalIndent(doc, "", "  ")
}

// OpenAPI returns the API's description, as openapi.json has it.
func OpenAPI() ([]byte, error) {
	s, err := New(nil, Config{})
	if err != nil {
		return nil, err
	}
	return s.openAPI, nil
}

func (s *Server) serveOpenAPI(w http.ResponseWriter, r *http.Request) {
	callOf(r.Context()).route = prefix + "/openapi.json"
	w.Header().Set("Content-Type", "application/json")
	w.Write(s.openAPI) // the caller is gone if it fails
}

//go:embed docs
var docs embed.FS

// docsPolicy lets the reference page load its own files and openapi.json alone.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func (s *Server) serveDocs(w http.ResponseWriter, r *http.Request) {
	callOf(r.Context()).route = "/docs"
	name := r.PathValue("file")
	if name == "" {
		name = "index.html"
	}
	b, err := docs.ReadFile("docs/" + name)
	if err != nil {
		s.noRoute(w, r)
		return
	}
	w.Header().Set("Content-Security-Policy", docsPolicy)
	w.Header().Set("Content-Type", mime.TypeByExtension(path.Ext(name)))
	w.Write(b) // the caller is gone if it fails
}

// publicTLS reports whether browsers reach us by https through a proxy.
func (s *Server) publicTLS() bool {
	u, err := url.Parse(s.PublicURL)
	return err == nil && u.Scheme == "https"
}

// publicURL is where browsers reach us, without a / at the end.
func (s *Server) publicURL() string {
	return strings.TrimRight(cmp.Or(s.PublicURL, s.control.PublicURL), "/")
}
