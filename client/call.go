package client

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"syscall"
	"time"
)

// root is the path under which this version of the API is.
const root = "/api/v1/"

// Option changes one call.
type Option func(*call)

// In says where a name is to be found: in the account and cloudspace, ids or
// names; "" for none.
func In(account, cloudspace string) Option {
	return func(c *call) {
		c.set("account", account)
		c.set("cloudspace", cloudspace)
	}
}

// DryRun asks what the call would do: its Result has the Plan, and nothing is changed.
func DryRun() Option {
	return func(c *call) {
		c.dryRun = true
		c.set("dry_run", "true")
	}
}

// Force deletes or stops without the help of the node or guest.
func Force() Option { return Param("force", "true") }

// IfMatch makes the change only if the object still has the version; else the
// error is a Conflict.
func IfMatch(version int64) Option {
	return func(c *call) { c.header.Set("If-Match", `"`+strconv.FormatInt(version, 10)+`"`) }
}

// Hold lets the server hold its answer until the work is done, at most for d.
func Hold(d time.Duration) Option {
	return func(c *call) { c.header.Set("Prefer", "wait="+strconv.Itoa(int(d.Seconds()))) }
}

// IdempotencyKey replaces the key that each POST gets. A call with a key that
// the server has seen answers as the first one did.
func IdempotencyKey(key string) Option {
	return func(c *call) { c.header.Set("Idempotency-Key", key) }
}

// Param sets a query parameter.
func Param(name, value string) Option { return func(c *call) { c.set(name, value) } }

// call is one request on its way.
type call struct {
	method, path string
	query        url.Values
	header       http.Header
	json         any       // body as JSON, or
	raw          []byte    // body as it is, or
	body         io.Reader // a body that can be sent once only
	length       int64     // of body
	dryRun       bool
}

func newCall(method, path string, opts []Option) *call {
	c := &call{method: method, path: path, query: url.Values{}, header: http.Header{}}
	if method == http.MethodPost {
		c.header.Set("Idempotency-Key", rand.Text())
	}
	for _, o := range opts {
		o(c)
	}
	return c
}

func (c *call) set(name, value string) {
	if value != "" {
		c.query.Set(name, value)
	}
}

// joinPath makes a path of segments that may hold anything.
func joinPath(segments ...string) string {
	p := ""
	for i, s := range segments {
		if i > 0 {
			p += "/"
		}
		p += url.PathEscape(s)
	}
	return p
}

// Waits before the one retry: what the server asks for, within bounds.
const (
	defaultRetry = time.Second
	maxRetry     = 30 * time.Second
)

// send makes the call, and makes it once more if the server asked for that or
// the connection broke before an answer came. The caller closes the body of an
// answer without error.
func (c *Client) send(ctx context.Context, cl *call) (*http.Response, error) {
	if cl.json != nil {
		var err error
		if cl.raw, err = json.Marshal(cl.json); err != nil {
			return nil, err
		}
		cl.header.Set("Content-Type", "application/json")
	}
	for attempt := 0; ; attempt++ {
		res, err := c.once(ctx, cl)
		wait, again := retry(cl, err)
		if !again || attempt > 0 {
			return res, err
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil, err
		}
	}
}

func (c *Client) once(ctx context.Context, cl *call) (*http.Response, error) {
	res, err := c.request(ctx, cl)
	if err != nil {
		return nil, err
	}
	if res.StatusCode >= 300 {
		return nil, errorOf(res)
	}
	return res, nil
}

func (c *Client) request(ctx context.Context, cl *call) (*http.Response, error) {
	body := cl.body
	if cl.raw != nil {
		body = bytes.NewReader(cl.raw)
	}
	req, err := http.NewRequestWithContext(ctx, cl.method, c.address(cl.path, cl.query), body)
	if err != nil {
		return nil, err
	}
	if cl.body != nil {
		req.ContentLength = cl.length
	}
	req.Header = cl.header.Clone()
	c.credentials(req.Header)
	res, err := c.http.Do(req)
	var ue *url.Error
	if errors.As(err, &ue) { // its text has the whole query
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fmt.Errorf("%s: %w", c.base, ue.Err)
	}
	return res, err
}

func (c *Client) address(path string, query url.Values) string {
	u := c.base.String() + root + path
	if len(query) > 0 {
		u += "?" + query.Encode()
	}
	return u
}

func (c *Client) credentials(h http.Header) {
	h.Set("User-Agent", c.userAgent)
	switch {
	case c.session != nil:
		c.session.sign(h)
	case c.token != "":
		h.Set("Authorization", "Bearer "+c.token)
	}
}

// retry says whether and when a call that ended with err may be made again. A
// refusal with 429 or 503 changed nothing. After a broken connection a call may
// have been done: reads are safe, and a POST has its key.
func retry(cl *call, err error) (time.Duration, bool) {
	if err == nil || cl.body != nil {
		return 0, false
	}
	var e *Error
	if errors.As(err, &e) {
		again := e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable && e.Code != Capacity
		wait := cmp.Or(e.RetryAfter, defaultRetry)
		return wait, again && wait <= maxRetry
	}
	broken := errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	return defaultRetry / 4, broken && (cl.method == http.MethodGet || cl.method == http.MethodPost)
}

// get reads a JSON answer.
func get[T any](ctx context.Context, c *Client, path string, opts []Option) (*T, error) {
	return fetch[T](ctx, c, newCall(http.MethodGet, path, opts))
}

// post sends in (nil for nothing) and reads a JSON answer.
func post[T any](ctx context.Context, c *Client, path string, in any, opts []Option) (*T, error) {
	cl := newCall(http.MethodPost, path, opts)
	cl.json = in
	return fetch[T](ctx, c, cl)
}

func fetch[T any](ctx context.Context, c *Client, cl *call) (*T, error) {
	res, err := c.send(ctx, cl)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusNoContent {
		return new(T), nil
	}
	return decodeBody[T](cl, res)
}

func decodeBody[T any](cl *call, res *http.Response) (*T, error) {
	var out T
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		return nil, fmt.Errorf("%s %s: the answer is not what an Atoll server sends: %w", cl.method, res.Request.URL.Redacted(), err)
	}
	return &out, nil
}
