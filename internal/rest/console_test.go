package rest

import (
	"testing"

	"github.com/coder/websocket"
)

// TestRelay copies a console's bytes both ways and ends with either side.
func TestRelay(t *testing.T) {
	w := newWorld(t)
	api := w.server.Config.Handler.(*Server)
	ws, done, machine := w.console(api)
	defer ws.CloseNow()
	w.ok(ws.Write(t.Context(), websocket.MessageBinary, []byte("uname\n")))
	b := make([]byte, 6)
	if _, err := machine.Read(b); err != nil || string(b) != "uname\n" {
		t.Fatalf("the machine reads %q, %v", b, err)
	}
	go machine.Write([]byte("Linux\n"))
	if _, got, err := ws.Read(t.Context()); err != nil || string(got) != "Linux\n" {
		t.Fatalf("the user reads %q, %v", got, err)
	}
	machine.Close()
	if _, _, err := ws.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		t.Errorf("the console ends with %v", err)
	}
	<-done
}

func TestConsoleRefused(t *testing.T) {
	w := newWorld(t)
	ids := fixture(w)
	at := "/api/v1/machines/" + ids["machine"] + "/console"
	w.get(w.admin, at).problem(422, "invalid", "Upgrade")
	w.get(w.admin, at+"?kind=telnet").problem(422, "invalid", "kind")
	if p := w.get(w.admin, at, "Upgrade", "websocket", "Connection", "Upgrade").problem(409, "conflict", ""); p.State != "creating" {
		t.Errorf("the state is %q", p.State)
	}
}
