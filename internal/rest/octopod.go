package rest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"

	"atoll/internal/cloud"
	"atoll/internal/control"
	"atoll/internal/octopod"
)

// octopodPath is where each project has Octopod's API: OCTOPOD_URL is this path and
// the project's name or id. It has its own words for everything, and is not part of
// openapi.json; docs/octopod.md describes it.
const octopodPath = "/octopod/"

// octopodCall is one call of that API.
type octopodCall struct {
	*Server
	w       http.ResponseWriter
	r       *http.Request
	ctx     context.Context
	request *control.Request
	project *cloud.Project
	name    string // of the deployment, "" if the call is about none
}

// octopodRoutes are the calls of the original's web and power API. All need a
// credential, and what they do is what the caller may do by our own API.
func octopodRoutes() map[string]func(*octopodCall) error {
	return map[string]func(*octopodCall) error{
		"GET deployments":                   (*octopodCall).list,
		"POST deployments":                  (*octopodCall).create,
		"DELETE deployments/{name}":         (*octopodCall).archive,
		"PUT deployments/{name}":            (*octopodCall).update,
		"GET deployments/{name}/info":       (*octopodCall).info,
		"GET deployments/{name}/full_info":  (*octopodCall).fullInfo,
		"GET deployments/{name}/status":     (*octopodCall).status,
		"PATCH deployments/{name}/restore":  (*octopodCall).restore,
		"DELETE deployments/{name}/cleanup": (*octopodCall).cleanup,
		"DELETE deployments/{name}/delete":  (*octopodCall).remove,
		"GET log/{action}":                  (*octopodCall).log,
		"GET deployment_override_keys":      (*octopodCall).deploymentKeys,
		"GET deployment_overrides":          (*octopodCall).deploymentDefaults,
		"POST application_override_keys":    (*octopodCall).applicationKeys,
		"POST application_overrides":        (*octopodCall).applicationDefaults,
		"GET ping":                          (*octopodCall).ping,
		"GET project_name":                  (*octopodCall).projectName,
	}
}

// octopodHandler serves Octopod's API.
func (s *Server) octopodHandler() http.Handler {
	mux := http.NewServeMux()
	for route, do := range octopodRoutes() {
		method, path, _ := strings.Cut(route, " ")
		mux.HandleFunc(method+" "+octopodPath+"{project}/api/v1/"+path, func(w http.ResponseWriter, r *http.Request) { s.octopodServe(w, r, do) })
	}
	mux.HandleFunc("GET "+octopodPath+"{project}/event", func(w http.ResponseWriter, r *http.Request) {
		s.octopodServe(w, r, (*octopodCall).events)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.refuse(w, r, cloud.Errorf(cloud.NotFound, "there is no %s %s in Octopod's API", r.Method, r.URL.Path))
	})
	inner := s.counted(s.admit(s.bounded(mux)))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		callOf(r.Context()).plain = true
		if h := r.Header.Get("Authorization"); h != "" && !strings.Contains(h, " ") {
			r.Header.Set("Authorization", "Bearer "+h) // the variable of octo holds the token alone
		}
		inner.ServeHTTP(w, r)
	})
}

func (s *Server) octopodServe(w http.ResponseWriter, r *http.Request, do func(*octopodCall) error) {
	known := callOf(r.Context())
	known.route = r.Pattern
	c := &octopodCall{Server: s, w: w, r: r, ctx: r.Context(), request: known.request, name: r.PathValue("name")}
	if cloud.IsID(c.name) { // an id would find another project's
		s.refuse(w, r, cloud.Errorf(cloud.NotFound, "Deployment not found."))
		return
	}
	p, err := c.findProject(r.PathValue("project"))
	if err == nil {
		c.project = p
		err = do(c)
	}
	if err != nil {
		c.fail(err)
	}
}

// findProject returns the project with the id or name among those that the caller sees.
func (c *octopodCall) findProject(ref string) (*cloud.Project, error) {
	if cloud.IsID(ref) {
		return c.control.Project(c.ctx, c.request, control.ProjectRef{Project: ref})
	}
	list, _, err := c.control.Projects(c.ctx, c.request, control.Query{Limit: 2, Filter: []string{"name=" + ref}})
	switch {
	case err != nil:
		return nil, err
	case len(list) == 0:
		return nil, cloud.Errorf(cloud.NotFound, "Project not found.")
	case len(list) > 1:
		return nil, cloud.Errorf(cloud.Conflict, "You may see several projects with the name %s: put the id of one in the place of the name.", ref)
	}
	return &list[0], nil
}

func (c *octopodCall) ref() control.DeploymentRef {
	return control.DeploymentRef{Project: string(c.project.ID), Deployment: c.name}
}

// octopodError is an answer in the original's words.
type octopodError struct {
	status int
	body   any // a string is plain text
}

func (e *octopodError) Error() string { return http.StatusText(e.status) }

// fail answers with the error. Only what is nobody's fault, or has no words in the
// original, is in our own.
func (c *octopodCall) fail(err error) {
	var known *octopodError
	if !errors.As(err, &known) {
		c.refuse(c.w, c.r, err)
		return
	}
	if text, ok := known.body.(string); ok {
		c.text(known.status, text)
		return
	}
	c.write(known.status, known.body)
}

// deploymentError puts the error of a call about one deployment into the original's
// words. to is the status that the call wanted.
func (c *octopodCall) deploymentError(err error, to octopod.Recorded) error {
	switch {
	case cloud.Is(err, cloud.NotFound):
		return &octopodError{http.StatusNotFound, "Deployment not found."}
	case cloud.Is(err, cloud.Invalid):
		return &octopodError{http.StatusBadRequest, cloud.UserMessage(err)}
	case !cloud.Is(err, cloud.Conflict):
		return err
	}
	d, seen := c.control.Deployment(c.ctx, c.request, c.ref())
	switch {
	case seen != nil:
		return err
	case c.request.IfMatch != 0 && d.Version != c.request.IfMatch:
		return &octopodError{http.StatusPreconditionFailed, cloud.UserMessage(err)}
	case d.State.Transitional():
		return &octopodError{http.StatusConflict, "The deployment is currently being processed."}
	case to != "":
		return &octopodError{http.StatusConflict, "Unable to transition deployment " + d.Name + " from " + octopodStatus(d).Recorded.String() + " to " + to.String() + "."}
	}
	return err
}

func (c *octopodCall) write(status int, v any) error {
	c.w.Header().Set("Content-Type", "application/json;charset=utf-8")
	c.w.WriteHeader(status)
	if err := json.NewEncoder(c.w).Encode(v); err != nil {
		c.Log.Debug("write an answer", "err", err) // the caller is gone
	}
	return nil
}

func (c *octopodCall) text(status int, text string) {
	c.w.Header().Set("Content-Type", "text/plain;charset=utf-8")
	c.w.WriteHeader(status)
	io.WriteString(c.w, text) // the caller may be gone
}

// done answers a command.
func (c *octopodCall) done(err error, to octopod.Recorded) error {
	if err != nil {
		return c.deploymentError(err, to)
	}
	return c.write(http.StatusOK, octopod.CommandResponse{Tag: octopod.Success})
}

// read decodes the body.
func (c *octopodCall) read(v any) error {
	known := callOf(c.ctx)
	_ = known.conn.SetReadDeadline(time.Now().Add(c.BodyTime)) // a test's recorder has none
	text, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxBody))
	known.bodyRead()
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &long):
		return cloud.Errorf(cloud.TooLarge, "the body has more than %d bytes", maxBody)
	case err != nil:
		return &octopodError{http.StatusBadRequest, "the body could not be read"}
	}
	if err := json.Unmarshal(text, v); err != nil {
		return &octopodError{http.StatusBadRequest, "Error in $: " + err.Error()}
	}
	return nil
}

// events sends a message whenever something in the project may have changed.
func (c *octopodCall) events() error {
	if err := checkUpgrade(c.r.Header.Get("Upgrade")); err != nil {
		return &octopodError{http.StatusBadRequest, cloud.UserMessage(err)}
	}
	return c.follow(control.EventFilter{Accounts: []cloud.AccountID{c.project.AccountID}}, func(ctx context.Context, ws *websocket.Conn, list []cloud.Event) error {
		for i := range list {
			if list[i].ProjectID == c.project.ID {
				ctx, cancel := context.WithTimeout(ctx, c.ReaderTime)
				defer cancel()
				return ws.Write(ctx, websocket.MessageText, []byte("[]")) // one for all
			}
		}
		return nil
	})
}

// follow is a WebSocket that sends what comes, until the reader or his credential ends.
func (c *octopodCall) follow(f control.EventFilter, send func(context.Context, *websocket.Conn, []cloud.Event) error) error {
	_, end, err := c.stream(c.ctx)
	if err != nil {
		return err
	}
	defer end()
	ws, err := websocket.Accept(c.w, c.r, &websocket.AcceptOptions{OriginPatterns: c.hosts})
	if err != nil {
		return nil // Accept has answered
	}
	defer ws.CloseNow()
	c.metrics.readers.Inc()
	defer c.metrics.readers.Dec()
	ctx, cancel := context.WithCancel(ws.CloseRead(c.ctx))
	defer cancel()
	defer context.AfterFunc(c.draining, cancel)()
	pinged := make(chan struct{})
	go func() {
		defer close(pinged)
		defer cancel()
		c.Server.ping(ctx, ws)
	}()
	err = c.control.FollowEvents(ctx, c.request, control.Following{
		After: -1, Filter: f,
		Send:    func(list []cloud.Event, _ []control.Notice) error { return send(ctx, ws, list) },
		Recheck: func(ctx context.Context) (*control.Request, error) { return c.recheck(ctx, c.r) },
	})
	if err != nil && ctx.Err() == nil {
		ws.Close(websocket.StatusPolicyViolation, "the credential holds no longer, or you read too slowly") // the reader may be gone
	}
	cancel()
	<-pinged
	return nil
}
