package octopod

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Client calls the API that the original calls power API. It works with Atoll and
// with the original.
type Client struct {
	base          string
	authorization string
	agent         string
	http          *http.Client
}

// callTime is the longest that a call may take: the script config_check may run in it.
const callTime = 2 * time.Minute

// maxAnswer is the largest answer that is read: the output of a script may be long.
const maxAnswer = 256 << 20

// NewClient returns a client of the API at the URL, of which the scheme may be left
// out. The authorization is sent as it is.
func NewClient(base, authorization, agent string) (*Client, error) {
	if !strings.Contains(base, "://") {
		base = "http://" + base
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("could not parse OCTOPOD_URL")
	}
	return &Client{strings.TrimRight(u.String(), "/"), authorization, agent, &http.Client{Timeout: callTime}}, nil
}

// Error is an answer of the API other than success.
type Error struct {
	Code    int    // HTTP status
	Message string // what the API says; may be ""
}

// Error is the code with its reason, and the message below.
func (e *Error) Error() string {
	return strings.TrimRight(strconv.Itoa(e.Code)+" "+http.StatusText(e.Code)+"\n"+e.Message, "\n")
}

// List returns all deployments, the last changed first.
func (c *Client) List(ctx context.Context) ([]FullInfo, error) {
	var out []FullInfo
	_, err := c.call(ctx, http.MethodGet, "/deployments", "", nil, &out)
	return out, err
}

// Create makes a deployment.
func (c *Client) Create(ctx context.Context, d Deployment) error {
	return c.command(ctx, http.MethodPost, "/deployments", "", d)
}

// FullInfo returns the deployment, and its version if the API knows versions.
func (c *Client) FullInfo(ctx context.Context, name string) (*FullInfo, string, error) {
	out := new(FullInfo)
	h, err := c.call(ctx, http.MethodGet, of(name, "/full_info"), "", nil, out)
	return out, h.Get("ETag"), err
}

// Update replaces the overrides of a deployment that has the version, "" for any.
// An API without versions does not look at it.
func (c *Client) Update(ctx context.Context, name, version string, u Update) error {
	return c.command(ctx, http.MethodPut, of(name, ""), version, u)
}

// Info returns the deployment with its log, in a list of one.
func (c *Client) Info(ctx context.Context, name string) ([]Info, error) {
	var out []Info
	_, err := c.call(ctx, http.MethodGet, of(name, "/info"), "", nil, &out)
	return out, err
}

// Archive archives the deployment.
func (c *Client) Archive(ctx context.Context, name string) error {
	return c.command(ctx, http.MethodDelete, of(name, ""), "", nil)
}

// Restore brings an archived deployment back.
func (c *Client) Restore(ctx context.Context, name string) error {
	return c.command(ctx, http.MethodPatch, of(name, "/restore"), "", nil)
}

// Cleanup frees what the deployment has, and removes it.
func (c *Client) Cleanup(ctx context.Context, name string) error {
	return c.command(ctx, http.MethodDelete, of(name, "/cleanup"), "", nil)
}

// Delete removes the deployment without any cleanup.
func (c *Client) Delete(ctx context.Context, name string) error {
	return c.command(ctx, http.MethodDelete, of(name, "/delete"), "", nil)
}

// ActionInfo returns the output of an action.
func (c *Client) ActionInfo(ctx context.Context, action int64) (*ActionInfo, error) {
	out := new(ActionInfo)
	_, err := c.call(ctx, http.MethodGet, "/log/"+strconv.FormatInt(action, 10), "", nil, out)
	return out, err
}

func of(name, path string) string { return "/deployments/" + url.PathEscape(name) + path }

// command sends a command; an answer other than Success is an error, whatever its status.
func (c *Client) command(ctx context.Context, method, path, version string, in any) error {
	var out CommandResponse
	_, err := c.call(ctx, method, path, version, in, &out)
	if err == nil && out.Tag != Success {
		err = &Error{http.StatusOK, out.message()}
	}
	return err
}

func (c *Client) call(ctx context.Context, method, path, version string, in, out any) (http.Header, error) {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.base+"/api/v1"+path, body)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", c.authorization)
	r.Header.Set("Accept", "application/json;charset=utf-8,application/json")
	r.Header.Set("User-Agent", c.agent)
	if in != nil {
		r.Header.Set("Content-Type", "application/json;charset=utf-8")
	}
	if version != "" {
		r.Header.Set("If-Match", version)
	}
	res, err := c.http.Do(r)
	if err != nil {
		return nil, unreachable(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, unreachable(err)
	case len(text) > maxAnswer:
		return nil, fmt.Errorf("the answer has more than %d MiB", maxAnswer>>20)
	case res.StatusCode < 200 || res.StatusCode > 299:
		return nil, &Error{res.StatusCode, messageOf(text)}
	}
	if err := json.Unmarshal(text, out); err != nil {
		return nil, &Error{res.StatusCode, "The response body could not be decoded: " + err.Error()}
	}
	return res.Header, nil
}

// messageOf is what the body of an error says: a CommandResponse, or plain text.
func messageOf(body []byte) string {
	var c CommandResponse
	if json.Unmarshal(body, &c) == nil {
		return c.message()
	}
	return string(body)
}

func (c *CommandResponse) message() string {
	if c.Tag == ValidationError {
		return strings.Join(c.NameField, "\n")
	}
	return c.ErrorMessage
}

func unreachable(err error) error {
	//lint:ignore ST1005 the original's words
	return fmt.Errorf("Connection error\n%w", err)
}
