package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"time"

	"github.com/coder/websocket"

	"atoll/api"
)

// Events are the calls about events.
type Events struct{ Reader[api.Event] }

// Events returns the calls about events. Its lists are of what is stored.
func (c *Client) Events() Events { return Events{Reader[api.Event]{c, "events"}} }

// Verify reads the whole audit log on the server and checks its chain of hashes.
func (e Events) Verify(ctx context.Context) (*api.EventVerification, error) {
	return get[api.EventVerification](ctx, e.c, e.path+":verify", nil)
}

// Feed says which events to follow.
type Feed struct {
	After   int64  // the number of the last event that was seen; 0 begins with what comes next
	All     bool   // begin with the first event of all that are kept
	Kind    string // only events about this kind
	Account string // only events of this account

	notices bool // also notices
}

// Waits between two tries to open the feed again.
const (
	minReopen = 250 * time.Millisecond
	maxReopen = 15 * time.Second
)

// Follow goes over events as they happen, until ctx ends. After a broken
// connection it goes on after the last event that it gave, so that none after
// that is missing or comes twice. It ends after an error.
func (e Events) Follow(ctx context.Context, f Feed) iter.Seq2[api.Event, error] {
	return func(yield func(api.Event, error) bool) {
		for m, err := range e.messages(ctx, f) {
			switch {
			case err != nil:
				yield(api.Event{}, err)
				return
			case !yield(*m.Event, nil):
				return
			}
		}
	}
}

// Watch is Follow that also gives notices: changes of operations and jobs that are
// no events. Each message has an event or a notice. Notices are not stored: with
// each connection, the first and each later one, come notices that many objects
// changed, after which everything that is shown is to be read anew.
func (e Events) Watch(ctx context.Context, f Feed) iter.Seq2[api.FeedMessage, error] {
	f.notices = true
	return e.messages(ctx, f)
}

func (e Events) messages(ctx context.Context, f Feed) iter.Seq2[api.FeedMessage, error] {
	return func(yield func(api.FeedMessage, error) bool) {
		wait := minReopen
		for {
			opened, err := e.follow(ctx, &f, yield)
			var end *Error
			switch {
			case errors.Is(err, errLeft):
				return
			case ctx.Err() != nil:
				yield(api.FeedMessage{}, context.Cause(ctx))
				return
			case !opened && !again(err), opened && errors.As(err, &end):
				yield(api.FeedMessage{}, err)
				return
			}
			if wait = min(2*wait, maxReopen); opened {
				wait = minReopen
			}
			if !sleep(ctx, wait) {
				yield(api.FeedMessage{}, context.Cause(ctx))
				return
			}
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// errLeft says that the caller left the loop.
var errLeft = errors.New("left")

// again says whether a feed that could not be opened is worth another try.
func again(err error) bool {
	var e *Error
	return !errors.As(err, &e) || e.Code == Unavailable || e.Code == RateLimited
}

// follow reads one connection; opened says whether there was one.
func (e Events) follow(ctx context.Context, f *Feed, yield func(api.FeedMessage, error) bool) (opened bool, err error) {
	cl := newCall(http.MethodGet, e.path, nil)
	if f.After > 0 || f.All {
		cl.set("after", strconv.FormatInt(f.After, 10))
	}
	cl.set("kind", f.Kind)
	cl.set("account", f.Account)
	if f.notices {
		cl.set("notices", "true")
	}
	conn, err := e.c.dial(ctx, cl)
	if err != nil {
		return false, err
	}
	defer conn.CloseNow()
	for {
		_, text, err := conn.Read(ctx)
		if err != nil {
			return true, err
		}
		var m api.FeedMessage
		if err := json.Unmarshal(text, &m); err != nil {
			return true, fmt.Errorf("event feed: %w", err)
		}
		switch {
		case m.Type == api.FeedEnd:
			return true, endOf(m.Problem)
		case m.Event != nil && m.Event.Seq > f.After:
			f.After = m.Event.Seq
			if !yield(m, nil) {
				return true, errLeft
			}
		case m.Notice != nil && f.notices:
			if !yield(m, nil) {
				return true, errLeft
			}
		}
	}
}

func endOf(p *api.Problem) error {
	if p == nil || p.Code == Unavailable {
		return io.EOF // the server goes away; another may be there
	}
	return &Error{Status: p.Status, Code: p.Code, Message: p.Detail, RequestID: p.RequestID}
}

// maxMessage bounds one message of a WebSocket.
const maxMessage = 4 << 20

// dial opens a WebSocket. A refusal is an *Error as with other calls.
func (c *Client) dial(ctx context.Context, cl *call) (*websocket.Conn, error) {
	h := cl.header.Clone()
	c.credentials(h)
	conn, res, err := websocket.Dial(ctx, c.address(cl.path, cl.query), &websocket.DialOptions{HTTPClient: c.http, HTTPHeader: h})
	if err != nil {
		if res != nil && res.StatusCode >= 300 {
			return nil, errorOf(res)
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fmt.Errorf("%s: %w", c.base, err)
	}
	conn.SetReadLimit(maxMessage)
	return conn, nil
}

// stream opens a WebSocket as a stream of bytes. It ends with ctx.
func (c *Client) stream(ctx context.Context, path string, opts []Option) (io.ReadWriteCloser, error) {
	conn, err := c.dial(ctx, newCall(http.MethodGet, path, opts))
	if err != nil {
		return nil, err
	}
	return websocket.NetConn(ctx, conn, websocket.MessageBinary), nil
}

// Export returns the events that the query parameters find, oldest first, as csv or
// jsonl. Close it; it ends early with an error if it is not whole.
func (e Events) Export(ctx context.Context, format string, query map[string]string) (io.ReadCloser, error) {
	cl := newCall(http.MethodGet, e.path+":export", nil)
	for name, value := range query {
		cl.set(name, value)
	}
	cl.set("format", format)
	res, err := e.c.send(ctx, cl)
	if err != nil {
		return nil, err
	}
	return res.Body, nil
}
