package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"

	"atoll/api"
)

// ListOptions say which objects a list has, and in which order.
type ListOptions struct {
	Limit  int      // of a page; 0 is the server's
	Cursor string   // from the page before
	Sort   string   // a field, with - before it for descending
	Filter []string // field=value, field!=value or field~part, all of which must hold
	// In narrows the list to an account, cloudspace, machine, …: query parameters.
	In map[string]string
}

func (o ListOptions) query() url.Values {
	q := url.Values{}
	for k, v := range o.In {
		if v != "" {
			q.Set(k, v)
		}
	}
	if o.Limit > 0 {
		q.Set("limit", strconv.Itoa(o.Limit))
	}
	if o.Cursor != "" {
		q.Set("cursor", o.Cursor)
	}
	if o.Sort != "" {
		q.Set("sort", o.Sort)
	}
	for _, f := range o.Filter {
		q.Add("filter", f)
	}
	return q
}

// Reader reads the objects of one kind.
type Reader[T any] struct {
	c    *Client
	path string // escaped where it must be
}

// List returns one page.
func (k Reader[T]) List(ctx context.Context, o ListOptions) (*api.Page[T], error) {
	cl := newCall(http.MethodGet, k.path, nil)
	cl.query = o.query()
	return fetch[api.Page[T]](ctx, k.c, cl)
}

// All goes over the objects of all pages. It ends after an error.
func (k Reader[T]) All(ctx context.Context, o ListOptions) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			p, err := k.List(ctx, o)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, x := range p.Items {
				if !yield(x, nil) {
					return
				}
			}
			if o.Cursor = p.Next; p.Next == "" {
				return
			}
		}
	}
}

// Get returns the object with the id or name; a name may need In.
func (k Reader[T]) Get(ctx context.Context, ref string, opts ...Option) (*T, error) {
	return get[T](ctx, k.c, k.path+"/"+joinPath(ref), opts)
}

// Deleter deletes objects of one kind.
type Deleter[T any] struct {
	c    *Client
	path string
}

// Delete deletes the object, or starts the operation that does.
func (k Deleter[T]) Delete(ctx context.Context, ref string, opts ...Option) (*Result[T], error) {
	return change[T](ctx, k.c, http.MethodDelete, joinPath(k.path, ref), nil, opts)
}

// Kind is the calls of a kind T that is made from a C and changed by a U.
type Kind[T, C, U any] struct {
	Reader[T]
	Deleter[T]
}

func kindOf[T, C, U any](c *Client, path string) Kind[T, C, U] {
	return Kind[T, C, U]{Reader[T]{c, path}, Deleter[T]{c, path}}
}

// Create creates an object, or starts the operation that does.
func (k Kind[T, C, U]) Create(ctx context.Context, in C, opts ...Option) (*Result[T], error) {
	return change[T](ctx, k.Reader.c, http.MethodPost, k.Reader.path, in, opts)
}

// Update changes what is set in in, and starts an operation where it needs one.
func (k Kind[T, C, U]) Update(ctx context.Context, ref string, in U, opts ...Option) (*Result[T], error) {
	return change[T](ctx, k.Reader.c, http.MethodPatch, joinPath(k.Reader.path, ref), in, opts)
}

// do calls one of the kind's verbs, such as machines/web-1/start.
func (k Deleter[T]) do(ctx context.Context, ref, verb string, in any, opts []Option) (*Result[T], error) {
	return change[T](ctx, k.c, http.MethodPost, joinPath(k.path, ref, verb), in, opts)
}

// Result is the answer to a call that changes something. Which fields are set
// depends on the call; with a dry run it is Plan alone.
type Result[T any] struct {
	Object    *T             // the object as it is now
	Operation *api.Operation // what goes on; nil if all is done
	Plan      *api.Plan
}

// change makes a call that changes something. Short work answers with the
// object or with nothing, long work with its operation.
func change[T any](ctx context.Context, c *Client, method, path string, in any, opts []Option) (*Result[T], error) {
	cl := newCall(method, path, opts)
	cl.json = in
	return send[T](ctx, c, cl)
}

func send[T any](ctx context.Context, c *Client, cl *call) (*Result[T], error) {
	raw, err := fetch[json.RawMessage](ctx, c, cl)
	if err != nil {
		return nil, err
	}
	return result[T](cl, *raw)
}

func result[T any](cl *call, raw json.RawMessage) (*Result[T], error) {
	out := &Result[T]{}
	var err error
	switch {
	case cl.dryRun:
		out.Plan, err = decode[api.Plan](raw)
	case len(raw) == 0:
	case isOperation(raw):
		out.Operation, err = decode[api.Operation](raw)
	default:
		out.Object, err = decode[T](raw)
	}
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", cl.method, cl.path, err)
	}
	return out, nil
}

func decode[T any](raw json.RawMessage) (*T, error) {
	var out T
	return &out, json.NewDecoder(bytes.NewReader(raw)).Decode(&out)
}

// isOperation tells an operation from other objects by the fields that only it has.
func isOperation(raw json.RawMessage) bool {
	var p struct {
		Steps       *int64  `json:"steps"`
		SubjectKind *string `json:"subject_kind"`
	}
	return json.Unmarshal(raw, &p) == nil && p.Steps != nil && p.SubjectKind != nil
}
