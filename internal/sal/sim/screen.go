package sim

import (
	"bytes"
	"encoding/binary"
)

// The size of the picture on every screen.
const (
	screenWidth  = 320
	screenHeight = 200
)

// rfb is the server's side of RFB 3.8 (RFC 6143) without a password. It shows
// one still picture, so only requests for the whole of an area are answered.
type rfb struct {
	s      *stream
	name   string
	in     []byte
	step   func(*rfb) int // takes the next message: bytes used, 0 for more needed, -1 to hang up
	pixels pixelFormat
}

// pixelFormat is RFC 6143, 7.4.
type pixelFormat struct {
	Bits, Depth, BigEndian, TrueColour uint8
	RedMax, GreenMax, BlueMax          uint16
	RedShift, GreenShift, BlueShift    uint8
	_                                  [3]uint8
}

// screen opens the screen.
func (d *display) screen() *stream {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := &rfb{name: "Atoll simulated machine " + d.name, step: (*rfb).version, pixels: pixelFormat{
		Bits: 32, Depth: 24, TrueColour: 1, RedMax: 255, GreenMax: 255, BlueMax: 255, RedShift: 16, GreenShift: 8,
	}}
	r.s = d.open(r.received)
	r.s.holds = true
	r.s.send([]byte("RFB 003.008\n"))
	d.screens = append(d.screens, r.s)
	return r.s
}

func (r *rfb) received(p []byte) {
	r.in = append(r.in, p...)
	for len(r.in) > 0 {
		used := r.step(r)
		if used < 0 {
			r.in = nil
			r.s.end()
			return
		}
		if used == 0 {
			return
		}
		r.in = r.in[used:]
	}
	r.in = nil
}

func (r *rfb) version() int {
	if len(r.in) < 12 {
		return 0
	}
	if string(r.in[:12]) != "RFB 003.008\n" {
		// RFC 6143, 7.1.2: no security types, and why.
		reason := "only RFB 3.8 is spoken here"
		r.s.send(append([]byte{0, 0, 0, 0, byte(len(reason))}, reason...))
		return -1
	}
	r.s.send([]byte{1, 1}) // one security type: none
	r.step = (*rfb).security
	return 12
}

func (r *rfb) security() int {
	if r.in[0] != 1 {
		return -1
	}
	r.s.send([]byte{0, 0, 0, 0}) // accepted
	r.step = (*rfb).start
	return 1
}

// start answers ClientInit, whose flag for sharing says nothing here.
func (r *rfb) start() int {
	var b bytes.Buffer
	writeBig(&b, [2]uint16{screenWidth, screenHeight}, r.pixels, uint32(len(r.name)))
	b.WriteString(r.name)
	r.s.send(b.Bytes())
	r.step = (*rfb).message
	return 1
}

// message takes the messages of a client (RFC 6143, 7.5).
func (r *rfb) message() int {
	fixed := map[byte]int{0: 20, 2: 4, 3: 10, 4: 8, 5: 6, 6: 8}[r.in[0]]
	if fixed == 0 {
		return -1
	}
	if len(r.in) < fixed {
		return 0
	}
	length := fixed
	switch r.in[0] {
	case 2: // SetEncodings: raw is always allowed
		length += 4 * int(binary.BigEndian.Uint16(r.in[2:]))
	case 6: // ClientCutText
		cut := binary.BigEndian.Uint32(r.in[4:])
		if cut > maxBuffer {
			return -1
		}
		length += int(cut)
	}
	if len(r.in) < length {
		return 0
	}
	switch r.in[0] {
	case 0: // SetPixelFormat
		if _, err := binary.Decode(r.in[4:20], binary.BigEndian, &r.pixels); err != nil || !r.pixels.valid() {
			return -1
		}
	case 3: // FramebufferUpdateRequest
		if incremental := r.in[1] != 0; !incremental {
			var area [4]uint16
			binary.Decode(r.in[2:10], binary.BigEndian, &area) //nolint:errcheck // ten bytes are there
			r.update(int(area[0]), int(area[1]), int(area[2]), int(area[3]))
		}
	}
	return length
}

func (f *pixelFormat) valid() bool {
	return f.TrueColour != 0 && (f.Bits == 8 || f.Bits == 16 || f.Bits == 32) &&
		f.RedShift < f.Bits && f.GreenShift < f.Bits && f.BlueShift < f.Bits
}

// update sends the picture within the area as one raw rectangle.
func (r *rfb) update(x, y, w, h int) {
	w, h = min(w, screenWidth-x), min(h, screenHeight-y)
	if w <= 0 || h <= 0 {
		r.s.send([]byte{0, 0, 0, 0}) // an update of no rectangles
		return
	}
	var b bytes.Buffer
	writeBig(&b, uint16(0), uint16(1), [4]uint16{uint16(x), uint16(y), uint16(w), uint16(h)}, int32(0))
	p := b.Bytes()
	for row := y; row < y+h; row++ {
		for col := x; col < x+w; col++ {
			p = r.pixels.append(p, col, row)
		}
	}
	r.s.send(p)
}

// append appends one pixel of the picture.
func (f *pixelFormat) append(p []byte, x, y int) []byte {
	red, green, blue := picture(x, y)
	v := red*uint32(f.RedMax)/255<<f.RedShift | green*uint32(f.GreenMax)/255<<f.GreenShift | blue*uint32(f.BlueMax)/255<<f.BlueShift
	var b [4]byte
	if f.BigEndian != 0 {
		binary.BigEndian.PutUint32(b[:], v)
		return append(p, b[4-f.Bits/8:]...)
	}
	binary.LittleEndian.PutUint32(b[:], v)
	return append(p, b[:f.Bits/8]...)
}

// picture is eight colour bars above a grey ramp.
func picture(x, y int) (red, green, blue uint32) {
	if y >= screenHeight*3/4 {
		grey := uint32(x * 255 / (screenWidth - 1))
		return grey, grey, grey
	}
	bar := 7 - x*8/screenWidth
	return uint32(bar>>1&1) * 191, uint32(bar>>2&1) * 191, uint32(bar&1) * 191
}

func writeBig(b *bytes.Buffer, values ...any) {
	for _, v := range values {
		binary.Write(b, binary.BigEndian, v) //nolint:errcheck // a buffer takes every write, and the values have fixed sizes
	}
}
