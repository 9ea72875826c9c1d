package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"

	"atoll/api"
)

// Images are the calls about images.
type Images struct {
	Kind[api.Image, api.ImageCreate, api.ImageUpdate]
}

// Images returns the calls about images. Create lets the server fetch one.
func (c *Client) Images() Images {
	return Images{kindOf[api.Image, api.ImageCreate, api.ImageUpdate](c, "images")}
}

// Upload says what an uploaded file is.
type Upload struct {
	Account     string // id or name; "" for an image of the installation
	Name        string
	Description string
	User        string // login name of the image
	SHA256      string // checksum that the file must have; "" for what it has
	// Progress, if not nil, is called while the file is sent.
	Progress func(sent, size int64)
}

// Upload makes an image from a file. The file is read twice: once for the
// checksum that the server verifies, and once to send it.
func (i Images) Upload(ctx context.Context, in Upload, file io.ReadSeeker, opts ...Option) (*Result[api.Image], error) {
	h := sha256.New()
	size, err := io.Copy(h, file)
	if err != nil {
		return nil, err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	sum := hex.EncodeToString(h.Sum(nil))
	if in.SHA256 != "" && in.SHA256 != sum {
		return nil, &Error{Code: Invalid, Field: "sha256", Message: "the file has the checksum " + sum + ", not " + in.SHA256}
	}
	cl := newCall(http.MethodPost, i.Reader.path+":upload", opts)
	cl.header.Del("Idempotency-Key") // an upload takes none: the name is unique
	cl.set("account", in.Account)
	cl.set("name", in.Name)
	cl.set("description", in.Description)
	cl.set("user", in.User)
	cl.set("sha256", sum)
	cl.header.Set("Content-Type", "application/octet-stream")
	cl.body, cl.length = io.NopCloser(&meter{r: file, size: size, tell: in.Progress}), size
	if cl.dryRun {
		cl.body, cl.length = http.NoBody, 0
	}
	return send[api.Image](ctx, i.Reader.c, cl)
}

// meter tells how much was read.
type meter struct {
	r          io.Reader
	sent, size int64
	tell       func(sent, size int64)
}

// Read reads and tells.
func (m *meter) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.sent += int64(n)
	if m.tell != nil {
		m.tell(m.sent, m.size)
	}
	return n, err
}
