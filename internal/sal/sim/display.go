package sim

import (
	"io"
	"strings"
	"sync"
)

// display is the serial console and the screen of one running machine. Nothing
// runs in it: what is written is answered at once into the streams' buffers.
type display struct {
	name string

	mu       sync.Mutex
	line     []byte // what was typed at the console since the prompt
	last     byte   // what was typed last
	consoles []*stream
	screens  []*stream
}

// maxBuffer bounds what waits for a slow reader: a console drops its oldest
// output, a screen holds its writer back.
const maxBuffer = 1 << 20

// stream is one connection to a display.
type stream struct {
	d      *display
	ready  sync.Cond // out grew or shrank, or the stream ended
	out    []byte
	ended  bool         // the machine is off: EOF when out is empty
	closed bool         // by its user
	feed   func([]byte) // takes what is written; the display is locked
	holds  bool         // whether a writer waits while out is too long
}

func (d *display) open(feed func([]byte)) *stream {
	s := &stream{d: d, feed: feed}
	s.ready.L = &d.mu
	return s
}

// Read implements io.Reader.
func (s *stream) Read(p []byte) (int, error) {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	for len(s.out) == 0 && !s.ended && !s.closed && len(p) > 0 {
		s.ready.Wait()
	}
	switch {
	case s.closed:
		return 0, io.ErrClosedPipe
	case len(s.out) == 0 && s.ended:
		return 0, io.EOF
	}
	k := copy(p, s.out)
	s.out = s.out[k:]
	if len(s.out) == 0 {
		s.out = nil
	}
	s.ready.Broadcast()
	return k, nil
}

// Write implements io.Writer.
func (s *stream) Write(p []byte) (int, error) {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	for done := 0; ; {
		for s.holds && len(s.out) > maxBuffer && !s.ended && !s.closed {
			s.ready.Wait()
		}
		if s.ended || s.closed {
			return done, io.ErrClosedPipe
		}
		if done == len(p) {
			return done, nil
		}
		// In small pieces: ten bytes can ask for a whole picture.
		k := min(len(p)-done, 10)
		s.feed(p[done : done+k])
		done += k
	}
}

// Close implements io.Closer.
func (s *stream) Close() error {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	s.closed, s.out = true, nil
	s.ready.Broadcast()
	s.d.consoles = without(s.d.consoles, s)
	s.d.screens = without(s.d.screens, s)
	return nil
}

// end lets the stream's reader see EOF; the display is locked.
func (s *stream) end() {
	s.ended = true
	s.ready.Broadcast()
}

// send is called with the display locked.
func (s *stream) send(p []byte) {
	s.out = append(s.out, p...)
	if !s.holds && len(s.out) > maxBuffer {
		s.out = s.out[len(s.out)-maxBuffer:] // append drops what is before when it grows
	}
	s.ready.Broadcast()
}

// end ends all streams: the machine went off.
func (d *display) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range append(d.consoles, d.screens...) {
		s.end()
	}
	d.consoles, d.screens = nil, nil
}

// console opens the serial console. All its readers see the same.
func (d *display) console() *stream {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.open(d.typed)
	s.send([]byte(d.banner() + string(d.line)))
	d.consoles = append(d.consoles, s)
	return s
}

func (d *display) banner() string {
	return "\r\nAtoll simulated machine " + d.name + "\r\n" + d.prompt()
}

func (d *display) prompt() string { return d.name + ":~# " }

// reboot shows the banner again.
func (d *display) reboot() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.line = nil
	d.print("\r\nreboot: Restarting system\r\n" + d.banner())
}

func (d *display) print(text string) {
	for _, s := range d.consoles {
		s.send([]byte(text))
	}
}

const maxLine = 4 << 10 // as the line discipline of Linux has it

// typed takes what is typed at the console.
func (d *display) typed(p []byte) {
	for _, b := range p {
		switch {
		case b == '\n' && d.last == '\r': // one end of line
		case b == '\r' || b == '\n':
			line := string(d.line)
			d.line = nil
			d.print("\r\n" + d.answer(strings.Fields(line)))
		case b == 3: // Ctrl-C
			d.line = nil
			d.print("^C\r\n" + d.prompt())
		case b == 4 && len(d.line) == 0: // Ctrl-D
			d.print("\r\n" + d.answer([]string{"exit"}))
		case b == 8 || b == 127: // backspace
			if len(d.line) > 0 {
				d.line = d.line[:len(d.line)-1]
				d.print("\b \b")
			}
		case b >= ' ' && len(d.line) < maxLine:
			d.line = append(d.line, b)
			d.print(string([]byte{b}))
		}
		d.last = b
	}
}

// answer returns what the machine prints for a command.
func (d *display) answer(argv []string) string {
	if len(argv) == 0 {
		return d.prompt()
	}
	switch argv[0] {
	case "uname":
		text, _ := uname(d.name, argv[1:])
		return strings.ReplaceAll(text, "\n", "\r\n") + d.prompt()
	case "exit":
		return "logout\r\n" + d.banner()
	}
	return argv[0] + ": not found (simulated machine; it knows uname and exit)\r\n" + d.prompt()
}

func without(list []*stream, s *stream) []*stream {
	var rest []*stream
	for _, o := range list {
		if o != s {
			rest = append(rest, o)
		}
	}
	return rest
}
