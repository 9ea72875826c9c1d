package saltest

import (
	"bytes"
	"io"
	"testing"
	"time"
)

// WaitText reads until what was read contains the text.
func WaitText(t *testing.T, r io.ReadCloser, want string) {
	t.Helper()
	stop := time.AfterFunc(waitLimit, func() { r.Close() }) // ends a Read that waits
	defer stop.Stop()
	var got []byte
	buf := make([]byte, 1) // what follows the text is for the next reader
	for !bytes.Contains(got, []byte(want)) {
		n, err := r.Read(buf)
		got = append(got, buf[:n]...)
		if err != nil {
			t.Fatalf("read %q (then %v), want %q in it", got, err, want)
		}
	}
}
