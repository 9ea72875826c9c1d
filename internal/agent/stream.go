package agent

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/coder/websocket"

	"atoll/internal/cloud"
	"atoll/internal/wire"
)

const (
	maxStreams   = 64
	streamDial   = 20 * time.Second
	maxCloseText = 120 // bytes of a reason in a close frame
)

// openStream opens a WebSocket to the controller and connects it to what was
// asked for. The caller holds mu.
func (a *Agent) openStream(open wire.StreamOpen) {
	if a.closed || a.work.Err() != nil {
		return
	}
	if a.streams >= maxStreams {
		a.log.Warn("too many streams; one was not opened", "kind", open.Kind, "limit", maxStreams)
		return
	}
	a.streams++
	a.wg.Go(func() {
		if err := a.stream(a.work, open); err != nil && a.work.Err() == nil {
			a.log.Warn("stream", "kind", open.Kind, "err", err)
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		a.streams--
	})
}

// stream serves one stream until one of its ends hangs up. When there is nothing
// to connect it to, the controller gets the reason.
func (a *Agent) stream(ctx context.Context, open wire.StreamOpen) error {
	id := a.id.Load()
	dialCtx, cancel := context.WithTimeout(ctx, streamDial)
	defer cancel()
	ws, _, err := websocket.Dial(dialCtx, a.servers[a.serverNow()].String()+wire.PathStream+open.ID,
		&websocket.DialOptions{HTTPClient: a.client(id.tls)})
	if err != nil {
		return err
	}
	local, err := a.openLocal(ctx, open)
	if err != nil {
		text := errorText(err)
		return errors.Join(err, ws.Close(websocket.StatusInternalError, text[:min(len(text), maxCloseText)]))
	}
	return join(ctx, ws, local)
}

func (a *Agent) openLocal(ctx context.Context, open wire.StreamOpen) (io.ReadWriteCloser, error) {
	var ref wire.MachineRef
	if err := json.Unmarshal(open.Args, &ref); err != nil || ref.ID == "" {
		return nil, cloud.FieldErrorf("args", "of the stream name no machine")
	}
	m, err := anyMachines(a)
	if err != nil {
		return nil, err
	}
	switch open.Kind {
	case "console":
		return m.Console(ctx, ref.ID)
	case "screen":
		return m.Screen(ctx, ref.ID)
	}
	return nil, cloud.FieldErrorf("kind", "this agent (version %s) does not know streams of kind %q; upgrade it", a.cfg.Version, open.Kind)
}

// join copies both ways, in binary messages, until one end hangs up.
func join(ctx context.Context, ws *websocket.Conn, local io.ReadWriteCloser) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	remote := websocket.NetConn(ctx, ws, websocket.MessageBinary)
	up := make(chan error, 1)
	go func() {
		_, err := io.Copy(remote, local)
		// The local end hung up: so does the remote one.
		up <- errors.Join(err, ws.Close(websocket.StatusNormalClosure, ""))
	}()
	_, err := io.Copy(local, remote)
	err = errors.Join(err, local.Close())
	cancel()
	<-up // how the other direction ended follows from this one
	return err
}
