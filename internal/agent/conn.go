package agent

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"atoll/internal/cloud"
	"atoll/internal/wire"
)

// conn is one connection to a controller for exchanges. It is HTTP/1.1 without
// the client of net/http, which would take two more goroutines and their buffers
// for each connection: most agents do nothing but wait for an answer.
type conn struct {
	net.Conn
	host   string // for the Host header
	reused bool   // it has carried an exchange before
	idleAt time.Time
}

const (
	dialTimeout = 10 * time.Second
	// answerTimeout is how long an answer may take beyond the time that the
	// controller holds it.
	answerTimeout = wire.HoldSeconds*time.Second + 15*time.Second
	writeTimeout  = 30 * time.Second
	// compressAt is the size of a body from which compressing it pays.
	compressAt = 1 << 10
)

// dial connects to the controller at the URL.
func (a *Agent) dial(ctx context.Context, server *url.URL, config *tls.Config) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	raw, err := a.cfg.Dial(ctx, "tcp", hostPort(server))
	if err != nil {
		return nil, err
	}
	// The handshake takes a deep stack, and this goroutine is going to wait for hours.
	c, done := tls.Client(raw, config), make(chan error, 1)
	go func() { done <- c.HandshakeContext(ctx) }()
	if err := <-done; err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	return &conn{Conn: c, host: server.Host}, nil
}

func hostPort(u *url.URL) string {
	if u.Port() != "" {
		return u.Host
	}
	return net.JoinHostPort(u.Hostname(), "443")
}

// statusError is an answer of the controller that is no success.
type statusError struct {
	Code    int
	Message string
}

func (e *statusError) Error() string {
	if e.Message == "" {
		return fmt.Sprintf("the controller answered %d %s", e.Code, http.StatusText(e.Code))
	}
	return fmt.Sprintf("the controller answered %d: %s", e.Code, e.Message)
}

// exchange sends x and waits for the answer; nil means that the controller has
// taken x and has no answer. Written is called when x is on its way, with the
// size of its JSON.
func (c *conn) exchange(x *wire.Exchange, written func(bytes int)) (*wire.Answer, error) {
	n, err := c.send(x)
	if err != nil {
		return nil, err
	}
	written(n)
	if err := c.SetReadDeadline(time.Now().Add(answerTimeout)); err != nil {
		return nil, err
	}
	// Wait with one byte: buffers are taken when there is something to read.
	first := make([]byte, 1)
	if _, err := io.ReadFull(c.Conn, first); err != nil {
		return nil, err
	}
	br := readers.Get().(*bufio.Reader)
	defer readers.Put(br)
	br.Reset(io.MultiReader(bytes.NewReader(first), c.Conn))
	defer br.Reset(nil)
	resp, err := http.ReadResponse(br, nil)
	if err != nil {
		return nil, err
	}
	c.reused = true
	a, err := readAnswer(resp)
	if resp.Close {
		err = errors.Join(err, c.Close())
		c.host = ""
	}
	return a, err
}

// usable reports whether the connection can carry another exchange.
func (c *conn) usable() bool { return c != nil && c.host != "" }

func (c *conn) send(x *wire.Exchange) (int, error) {
	body := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(body)
	body.Reset()
	enc := json.NewEncoder(body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(x); err != nil {
		return 0, err
	}
	whole := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(whole)
	whole.Reset()
	fmt.Fprintf(whole, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nAccept-Encoding: zstd\r\n", wire.PathExchange, c.host)
	if body.Len() >= compressAt {
		z := encoders.Get().(*zstd.Encoder)
		packed := z.EncodeAll(body.Bytes(), nil)
		encoders.Put(z)
		fmt.Fprintf(whole, "Content-Encoding: zstd\r\nContent-Length: %d\r\n\r\n", len(packed))
		whole.Write(packed)
	} else {
		fmt.Fprintf(whole, "Content-Length: %d\r\n\r\n", body.Len())
		whole.Write(body.Bytes())
	}
	if err := c.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	_, err := c.Write(whole.Bytes())
	return body.Len(), err
}

func readAnswer(resp *http.Response) (*wire.Answer, error) {
	body, err := readBody(resp)
	if err != nil {
		return nil, err
	}
	switch resp.StatusCode {
	case http.StatusNoContent:
		return nil, nil
	case http.StatusOK:
	default:
		return nil, &statusError{resp.StatusCode, problemOf(body)}
	}
	if len(body) == 0 {
		return nil, nil
	}
	a := &wire.Answer{}
	if err := json.Unmarshal(body, a); err != nil {
		return nil, fmt.Errorf("answer of the controller: %w", err)
	}
	return a, nil
}

// readBody reads a whole body of at most wire.MaxExchangeBody, which is also the
// limit of what it expands to.
func readBody(resp *http.Response) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, wire.MaxExchangeBody+1))
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return nil, err
	}
	if len(body) <= wire.MaxExchangeBody && resp.Header.Get("Content-Encoding") == "zstd" {
		z := decoders.Get().(*zstd.Decoder)
		defer decoders.Put(z)
		if body, err = z.DecodeAll(body, nil); err != nil {
			return nil, fmt.Errorf("answer of the controller: %w", err)
		}
	}
	if len(body) > wire.MaxExchangeBody {
		return nil, cloud.Errorf(cloud.TooLarge, "the answer of the controller is longer than %d MiB", wire.MaxExchangeBody>>20)
	}
	return body, nil
}

// problemOf returns the message of a refusal: RFC 9457 or plain text.
func problemOf(body []byte) string {
	var p struct{ Detail, Title string }
	if json.Unmarshal(body, &p) == nil {
		if p.Detail != "" {
			return p.Detail
		}
		return p.Title
	}
	return string(bytes.TrimSpace(body[:min(len(body), 300)]))
}

// All agents of the process share the coders and buffers.
var (
	readers  = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4<<10) }}
	buffers  = sync.Pool{New: func() any { return &bytes.Buffer{} }}
	encoders = sync.Pool{New: func() any {
		// Only invalid options make NewWriter and NewReader fail.
		z, _ := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(256<<10))
		return z
	}}
	decoders = sync.Pool{New: func() any {
		z, _ := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(wire.MaxExchangeBody), zstd.WithDecoderMaxWindow(8<<20))
		return z
	}}
)
