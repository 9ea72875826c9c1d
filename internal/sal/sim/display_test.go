package sim

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"

	"atoll/internal/cloud"
	"atoll/internal/wire"
)

func running(t *testing.T) (*Node, wire.MachineSpec) {
	n := newNode(t, Config{})
	spec := machine1(t, n)
	must(t, n.SAL().Machines.Start(t.Context(), spec))
	return n, spec
}

func console(t *testing.T, n *Node, id cloud.MachineID) io.ReadWriteCloser {
	t.Helper()
	c, err := n.SAL().Machines.Console(t.Context(), id)
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// until reads up to and with the text.
func until(t *testing.T, r io.Reader, text string) string {
	t.Helper()
	var got []byte
	for b := make([]byte, 1); !strings.HasSuffix(string(got), text); {
		if _, err := r.Read(b); err != nil {
			t.Fatalf("read %q, then %v, want %q", got, err, text)
		}
		got = append(got, b...)
	}
	return string(got)
}

func TestConsole(t *testing.T) {
	n, spec := running(t)
	a, b := console(t, n, spec.ID), console(t, n, spec.ID)
	const prompt = "web-1:~# "
	for _, c := range []io.Reader{a, b} {
		if got := until(t, c, prompt); !strings.Contains(got, "Atoll simulated machine web-1") {
			t.Errorf("banner = %q", got)
		}
	}
	for _, tt := range []struct{ typed, want string }{
		{"uname -n\r", "uname -n\r\nweb-1\r\n" + prompt},
		{"unamx\x7fe\r\n", "unamx\b \be\r\nLinux\r\n" + prompt},
		{"ls\n", "ls\r\nls: not found (simulated machine; it knows uname and exit)\r\n" + prompt},
		{"\r", "\r\n" + prompt},
		{"nothing\x03", "nothing^C\r\n" + prompt},
		{"\x04", "\r\nlogout\r\n\r\nAtoll simulated machine web-1\r\n" + prompt},
		{"exit\r", "exit\r\nlogout\r\n\r\nAtoll simulated machine web-1\r\n" + prompt},
	} {
		if _, err := io.WriteString(a, tt.typed); err != nil {
			t.Fatal(err)
		}
		for _, c := range []io.Reader{a, b} { // both see the same
			if got := until(t, c, prompt); got != tt.want {
				t.Errorf("%q gives %q, want %q", tt.typed, got, tt.want)
			}
		}
	}
	must(t, n.SAL().Machines.Reboot(t.Context(), spec.MachineRef))
	if got := until(t, a, prompt); !strings.Contains(got, "Restarting system") {
		t.Errorf("after the reboot: %q", got)
	}
	must(t, a.Close())
	if _, err := a.Read(make([]byte, 1)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("read of a closed console: %v", err)
	}
	until(t, b, prompt)
	must(t, n.GuestOff(spec.ID))
	if _, err := b.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the console of a machine that is off: %v, want EOF", err)
	}
	if _, err := b.Write([]byte("x")); err == nil {
		t.Error("a machine that is off takes input")
	}
	_, err := n.SAL().Machines.Console(t.Context(), spec.ID)
	wantKind(t, err, cloud.Conflict)
	_, err = n.SAL().Machines.Console(t.Context(), "unknown")
	wantKind(t, err, cloud.NotFound)
}

// A reader that sleeps holds nobody back and loses the oldest output.
func TestConsoleOfSlowReader(t *testing.T) {
	n, spec := running(t)
	c := console(t, n, spec.ID)
	for range 3 * maxBuffer / 1024 {
		if _, err := c.Write([]byte(strings.Repeat("x", 1023) + "\r")); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(c.(*stream).out); got != maxBuffer {
		t.Errorf("%d bytes wait, want %d", got, maxBuffer)
	}
}

// read reads a big-endian value.
func read[T any](t *testing.T, r io.Reader) (v T) {
	t.Helper()
	must(t, binary.Read(r, binary.BigEndian, &v))
	return v
}

func screen(t *testing.T) (io.ReadWriteCloser, *Node, wire.MachineSpec) {
	n, spec := running(t)
	s, err := n.SAL().Machines.Screen(t.Context(), spec.ID)
	must(t, err)
	t.Cleanup(func() { s.Close() })
	if got := read[[12]byte](t, s); string(got[:]) != "RFB 003.008\n" {
		t.Fatalf("version = %q", got)
	}
	return s, n, spec
}

type serverInit struct {
	Width, Height uint16
	Pixels        pixelFormat
	NameLength    uint32
}

type update struct {
	Type, _             uint8
	Rectangles          uint16
	X, Y, Width, Height uint16
	Encoding            int32
}

func request(incremental byte, x, y, w, h uint16) []byte {
	b := []byte{3, incremental}
	for _, v := range []uint16{x, y, w, h} {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	return b
}

func TestScreen(t *testing.T) {
	s, n, spec := screen(t)
	s.Write([]byte("RFB 003.008\n"))
	if got := read[[2]byte](t, s); got != [2]byte{1, 1} {
		t.Fatalf("security types = %v", got)
	}
	s.Write([]byte{1, 1}) // no security, shared
	if got := read[uint32](t, s); got != 0 {
		t.Fatalf("security result = %d", got)
	}
	hello := read[serverInit](t, s)
	name := make([]byte, hello.NameLength)
	io.ReadFull(s, name)
	if hello.Width != 320 || hello.Height != 200 || hello.Pixels.Bits != 32 || string(name) != "Atoll simulated machine web-1" {
		t.Fatalf("server says %+v %q", hello, name)
	}
	s.Write([]byte{2, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 7})                      // encodings
	s.Write([]byte{4, 1, 0, 0, 0, 0, 0, 65, 5, 0, 0, 1, 0, 1})               // a key, the pointer
	s.Write([]byte{6, 0, 0, 0, 0, 0, 0, 2, 'h', 'i'})                        // clipboard
	s.Write(append(request(1, 0, 0, 320, 200), request(0, 0, 0, 999, 2)...)) // only the second is answered
	wantUpdate(t, s, update{Rectangles: 1, Width: 320, Height: 2}, 4, []byte{191, 191, 191, 0})
	s.Write([]byte{0, 0, 0, 0, 16, 16, 1, 1, 0, 31, 0, 63, 0, 31, 11, 5, 0, 0, 0, 0}) // 5-6-5, big-endian
	s.Write(request(0, 319, 199, 1, 1))
	wantUpdate(t, s, update{Rectangles: 1, X: 319, Y: 199, Width: 1, Height: 1}, 2, []byte{255, 255})
	s.Write(request(0, 400, 0, 1, 1))
	if got := read[uint32](t, s); got != 0 {
		t.Errorf("an area outside gives %x, want an update without rectangles", got)
	}
	must(t, n.SAL().Machines.Stop(t.Context(), wire.MachineStop{MachineRef: spec.MachineRef}))
	if _, err := s.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the screen of a machine that is off: %v, want EOF", err)
	}
}

func wantUpdate(t *testing.T, r io.Reader, want update, size int, first []byte) {
	t.Helper()
	got := read[update](t, r)
	if got != want {
		t.Fatalf("update = %+v, want %+v", got, want)
	}
	pixels := make([]byte, size*int(got.Width)*int(got.Height))
	if _, err := io.ReadFull(r, pixels); err != nil || !bytes.HasPrefix(pixels, first) {
		t.Errorf("pixels begin with %v, %v, want %v", pixels[:size], err, first)
	}
}

func TestScreenRefuses(t *testing.T) {
	for name, say := range map[string]string{
		"old version":      "RFB 003.003\n",
		"security":         "RFB 003.008\n\x02",
		"unknown message":  "RFB 003.008\n\x01\x01\xff",
		"colour map":       "RFB 003.008\n\x01\x01" + "\x00\x00\x00\x00\x08\x08\x00\x00" + strings.Repeat("\x00", 12),
		"endless cut text": "RFB 003.008\n\x01\x01" + "\x06\x00\x00\x00\xff\xff\xff\xff",
	} {
		t.Run(name, func(t *testing.T) {
			s, _, _ := screen(t)
			s.Write([]byte(say))
			if _, err := io.ReadAll(s); err != nil {
				t.Errorf("ReadAll() = %v, want the end of the stream", err)
			}
		})
	}
}

// A client that asks for pictures and reads none is held back.
func TestScreenHoldsBack(t *testing.T) {
	s, _, _ := screen(t)
	s.Write([]byte("RFB 003.008\n\x01\x01"))
	wrote := make(chan error)
	go func() {
		_, err := s.Write(bytes.Repeat(request(0, 0, 0, 320, 200), 100))
		wrote <- err
	}()
	io.CopyN(io.Discard, s, 80*320*200*4)
	select {
	case err := <-wrote:
		t.Fatalf("100 pictures were taken before they were read: %v", err)
	default:
	}
	if st := s.(*stream); len(st.buffered()) > 2*maxBuffer {
		t.Errorf("%d bytes wait", len(st.buffered()))
	}
	s.Close()
	if err := <-wrote; err == nil {
		t.Error("a write to a closed screen succeeded")
	}
}

func (s *stream) buffered() []byte {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	return s.out
}
