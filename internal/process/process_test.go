package process

import (
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"atoll/internal/cloud"
	"atoll/internal/sal"
	"atoll/internal/wire"
)

// TestListener reads tables of a kernel in which others listen on the same port.
func TestListener(t *testing.T) {
	const header = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	row := func(address, state, user string) string {
		return "   0: " + address + ":5208 00000000:0000 " + state + " 00000000:00000000 00:00000000 00000000 " + user + "        0 1 1\n"
	}
	for _, test := range []struct {
		what, table string
		rank, user  int
	}{
		{"nobody", "", 4, 0},
		{"other addresses", row("0200007F", "0A", "7") + row("00000000000000000000000001000000", "0A", "7"), 4, 0},
		{"another one at another address", row("0200007F", "0A", "7") + row("0100007F", "0A", "1001") + row("0100000A", "0A", "7"), 0, 1001},
		{"the exact one wins", row("00000000", "0A", "7") + row("0100007F", "0A", "1001"), 0, 1001},
		{"every address", row("00000000000000000000000000000000", "0A", "1001"), 3, 1001},
		{"connections", row("0100007F", "01", "7"), 4, 0},
	} {
		if rank, user := listenerIn(strings.NewReader(header+test.table), 21000); rank != test.rank || user != test.user {
			t.Errorf("%s: %d %d, want %d %d", test.what, rank, user, test.rank, test.user)
		}
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if user, ok := listener(ln.Addr().(*net.TCPAddr).Port); !ok || user != os.Geteuid() {
		t.Errorf("we listen, and the user is %d %v", user, ok)
	}
}

// heldServices lists the services as they were while it is held.
type heldServices struct {
	sal.Services
	asked, goOn chan struct{} // of the first List

	mu    sync.Mutex
	first bool
	list  []sal.ServiceStatus
}

func (h *heldServices) List() []sal.ServiceStatus {
	h.mu.Lock()
	list, first := h.list, h.first
	h.first = false
	h.mu.Unlock()
	if first {
		close(h.asked)
		<-h.goOn
	}
	return list
}

// TestRoutesInOrder has one script tell the proxy of an old list while another one
// has a new deployment: the new one must be reached in the end.
func TestRoutesInOrder(t *testing.T) {
	h := &heldServices{asked: make(chan struct{}), goOn: make(chan struct{})}
	b := New(Config{Services: h, Listen: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler)})
	defer b.Close()
	h.first = true
	var wg sync.WaitGroup
	tell := func() {
		if err := b.route(); err != nil {
			t.Error(err)
		}
	}
	wg.Go(tell)
	<-h.asked
	note, err := json.Marshal(note{Host: "app.localhost", Port: 21000})
	if err != nil {
		t.Fatal(err)
	}
	h.mu.Lock()
	h.list = []sal.ServiceStatus{{ServiceSpec: sal.ServiceSpec{ID: "1.app", RunAs: "uid:1", Note: note}, Wanted: true}}
	h.mu.Unlock()
	newer := make(chan struct{})
	wg.Go(func() { close(newer); tell() })
	<-newer
	close(h.goOn)
	wg.Wait()
	if _, ok := b.proxy.routes["app.localhost"]; !ok {
		t.Error("the older list has replaced the newer one")
	}
	// A request is a use of the deployment, whatever becomes of it.
	run := &wire.ControlRun{Name: "App", BaseDomain: "localhost"}
	if at := b.Used(run); at != 0 {
		t.Errorf("before any request it was used at %v", at)
	}
	begin := cloud.Now()
	req := httptest.NewRequest(http.MethodGet, "http://app.localhost:8000/", nil)
	b.proxy.ServeHTTP(httptest.NewRecorder(), req)
	req.Host = "other.localhost"
	b.proxy.ServeHTTP(httptest.NewRecorder(), req)
	if at := b.Used(run); at < begin || len(b.proxy.used) != 1 {
		t.Errorf("it was used at %v, of %v", at, b.proxy.used)
	}
	h.mu.Lock()
	h.list = nil
	h.mu.Unlock()
	tell()
	if at := b.Used(run); at != 0 {
		t.Errorf("when it is gone it was used at %v", at)
	}
}

// logServices has a log.
type logServices struct {
	sal.Services
	text string
}

func (l *logServices) Log(_ string, bytes int64) (string, error) {
	return l.text[max(0, len(l.text)-int(bytes)):], nil
}

// TestLogEndsAtLines tells a log's end that would begin within a secret, where the
// redactor of the output does not know it.
func TestLogEndsAtLines(t *testing.T) {
	var out strings.Builder
	s := &script{
		Bundle: &Bundle{cfg: Config{Services: &logServices{text: "token=hush-hush-hush\nlast " + strings.Repeat("x", 2<<10-12) + "\n"}}},
		run:    &wire.ControlRun{Name: "app"}, runAs: "uid:1", stdout: io.Discard, stderr: &out,
	}
	s.tellLog()
	if strings.Contains(out.String(), "hush") || !strings.Contains(out.String(), "last x") {
		t.Errorf("the end of the log is %q", out.String())
	}
}
