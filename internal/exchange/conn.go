package exchange

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"atoll/internal/cloud"
	"atoll/internal/pki"
	"atoll/internal/wire"
)

// agentConn is a connection that an agent's exchanges come on. It was taken over
// from net/http with the first of them, so that a held exchange is only parked.
type agentConn struct {
	s      *Server
	conn   net.Conn
	node   cloud.NodeID
	serial string
	zstd   bool // the agent reads it
}

const (
	// readTimeout is how long an agent may stay silent on a connection after an
	// answer before the connection is closed.
	readTimeout  = 5 * time.Minute
	bodyTimeout  = time.Minute
	writeTimeout = 30 * time.Second
	compressAt   = 1 << 10
)

// exchange takes the first exchange of a connection and the connection with it.
func (s *Server) exchange(w http.ResponseWriter, r *http.Request, id cloud.NodeID) {
	if err := limitBody(w); err != nil {
		problem(w, err)
		return
	}
	x, err := readExchange(r)
	if err != nil {
		problem(w, err)
		return
	}
	_, serial, err := pki.PeerNode(*r.TLS)
	if err != nil {
		problem(w, err)
		return
	}
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		problem(w, err)
		return
	}
	a := &agentConn{s: s, conn: conn, node: id, serial: serial, zstd: acceptsZstd(r)}
	if rw.Reader.Buffered() > 0 {
		conn.Close() // agents do not send ahead
		return
	}
	s.mu.Lock()
	s.conns[a] = true
	s.mu.Unlock()
	a.take(x)
}

func acceptsZstd(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept-Encoding"), "zstd")
}

// take passes one exchange on. Its answer may come now or later, from another
// goroutine, which then waits for the next request.
func (a *agentConn) take(x *wire.Exchange) {
	if a.s.isDraining() {
		a.refuse(cloud.Errorf(cloud.Unavailable, "the controller stops"))
		return
	}
	peer, err := a.s.c.Agent(a.s.ctx, a.node, x)
	if err == nil {
		err = a.s.c.Queue().Exchange(a.s.ctx, peer, x, a)
	}
	if err != nil {
		a.refuse(err)
	}
}

// Answer sends the answer and waits for the next exchange.
func (a *agentConn) Answer(n *wire.Answer) {
	body := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(body)
	body.Reset()
	enc := json.NewEncoder(body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(n); err != nil {
		a.s.log.Error("encode answer", "node", a.node, "err", err)
		a.close()
		return
	}
	a.respond(http.StatusOK, body.Bytes())
}

// Drop ends the exchange without an answer; the agent has a newer one under way.
func (a *agentConn) Drop() { a.respond(http.StatusNoContent, nil) }

func (a *agentConn) refuse(err error) {
	if cloud.KindOf(err) == cloud.Internal {
		a.s.log.Error("exchange", "node", a.node, "err", err)
	}
	b, jsonErr := json.Marshal(problemBody(err))
	if jsonErr != nil {
		a.close()
		return
	}
	a.respond(statusOf(err), b)
}

func (a *agentConn) respond(status int, body []byte) {
	out := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(out)
	out.Reset()
	fmt.Fprintf(out, "HTTP/1.1 %d %s\r\n", status, http.StatusText(status))
	if status != http.StatusNoContent {
		out.WriteString("Content-Type: application/json\r\n")
		if a.zstd && len(body) >= compressAt {
			z := encoders.Get().(*zstd.Encoder)
			body = z.EncodeAll(body, nil)
			encoders.Put(z)
			out.WriteString("Content-Encoding: zstd\r\n")
		}
		fmt.Fprintf(out, "Content-Length: %d\r\n", len(body))
	}
	last := a.s.isDraining()
	if last {
		out.WriteString("Connection: close\r\n")
	}
	out.WriteString("\r\n")
	out.Write(body)
	err := a.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err == nil {
		_, err = a.conn.Write(out.Bytes())
	}
	if err != nil || last {
		a.close() // what the answer carried, if it was lost, is sent again with the agent's next exchange
		return
	}
	go a.next() // ends with the exchange it reads, or with the connection, which Serve closes
}

// next reads the next exchange of the connection and passes it on.
func (a *agentConn) next() {
	x, err := a.read()
	if err != nil {
		if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
			a.s.log.Debug("read exchange", "node", a.node, "err", err)
		}
		if k := cloud.KindOf(err); k == cloud.Invalid || k == cloud.TooLarge {
			a.refuse(err)
			return
		}
		a.close()
		return
	}
	a.take(x)
}

func (a *agentConn) read() (*wire.Exchange, error) {
	if err := a.conn.SetReadDeadline(time.Now().Add(readTimeout)); err != nil {
		return nil, err
	}
	// Wait with one byte: buffers are taken when there is something to read.
	var first [1]byte
	if _, err := io.ReadFull(a.conn, first[:]); err != nil {
		return nil, err
	}
	if err := a.conn.SetReadDeadline(time.Now().Add(bodyTimeout)); err != nil {
		return nil, err
	}
	br := readers.Get().(*bufio.Reader)
	defer readers.Put(br)
	br.Reset(io.MultiReader(bytes.NewReader(first[:]), a.conn))
	defer br.Reset(nil)
	r, err := http.ReadRequest(br)
	if err != nil {
		return nil, err
	}
	if r.Method != http.MethodPost || r.URL.Path != wire.PathExchange || a.s.isRevoked(a.serial) {
		return nil, net.ErrClosed // other calls come on connections of their own
	}
	x, err := readExchange(r)
	if err == nil && br.Buffered() > 0 {
		return nil, net.ErrClosed // agents do not send ahead
	}
	return x, err
}

func (a *agentConn) close() {
	a.conn.Close()
	a.s.mu.Lock()
	delete(a.s.conns, a)
	a.s.mu.Unlock()
}

// readExchange reads a whole body, of at most wire.MaxExchangeBody before and
// after it is unpacked.
func readExchange(r *http.Request) (*wire.Exchange, error) {
	body := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(body)
	body.Reset()
	if _, err := io.Copy(body, io.LimitReader(r.Body, wire.MaxExchangeBody+1)); err != nil {
		return nil, err
	}
	data := body.Bytes()
	if len(data) <= wire.MaxExchangeBody && r.Header.Get("Content-Encoding") == "zstd" {
		z := decoders.Get().(*zstd.Decoder)
		plain, err := z.DecodeAll(data, nil)
		decoders.Put(z)
		if err != nil {
			return nil, cloud.Wrap(cloud.Invalid, err, "the body of the exchange is no zstd, or too long")
		}
		data = plain
	}
	if len(data) > wire.MaxExchangeBody {
		return nil, cloud.Errorf(cloud.TooLarge, "the exchange is longer than %d MiB", wire.MaxExchangeBody>>20)
	}
	if n := commas(data); n > maxValues {
		return nil, cloud.Errorf(cloud.TooLarge, "the exchange has %d values; at most %d are allowed", n, maxValues)
	}
	x := &wire.Exchange{}
	if err := json.Unmarshal(data, x); err != nil {
		return nil, cloud.Wrap(cloud.Invalid, err, "the body is no exchange")
	}
	if x.Session == "" {
		return nil, cloud.FieldErrorf("session", "is required")
	}
	return x, nil
}

// maxValues bounds what an exchange becomes in memory: an empty object of two
// bytes is a result of hundreds. It is five times what agents send at most.
const maxValues = 500_000

// commas counts the commas outside of strings.
func commas(data []byte) int {
	n, quoted := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case !quoted && c == ',':
			n++
		}
	}
	return n
}

// All connections share the coders and buffers.
var (
	buffers  = sync.Pool{New: func() any { return &bytes.Buffer{} }}
	readers  = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4<<10) }}
	encoders = sync.Pool{New: func() any {
		z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
		if err != nil {
			panic(err) // the options are constant
		}
		return z
	}}
	decoders = sync.Pool{New: func() any {
		z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(wire.MaxExchangeBody+1))
		if err != nil {
			panic(err) // the options are constant
		}
		return z
	}}
)
