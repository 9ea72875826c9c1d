package cli

import (
	"context"
	"errors"
	"io"
	"net"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"atoll/client"
)

// detachKey leaves a console: Ctrl-].
const detachKey = 0x1d

func (a *app) consoleCommand() *cobra.Command {
	cmd := a.command("console NAME", "Open the serial console; Ctrl-] detaches", cobra.ExactArgs(1), func(ctx context.Context, c *client.Client, args []string) error {
		in, err := a.in(ctx, c, machines.level, args[0])
		if err != nil {
			return err
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		conn, err := c.Machines().Console(ctx, args[0], in)
		if err != nil {
			return err
		}
		defer conn.Close()
		if f, ok := a.Stdin.(*os.File); ok && terminal(f) {
			a.note("console of %s; Ctrl-] detaches", args[0])
			old, err := term.MakeRaw(int(f.Fd()))
			if err != nil {
				return err
			}
			defer func() {
				term.Restore(int(f.Fd()), old)
				a.note("\ndetached")
			}()
		}
		return a.join(conn)
	})
	return completing(a, machines, cmd)
}

// join copies both ways until the console ends or the detach key is read. The end
// of a piped input ends nothing: the output is still wanted.
func (a *app) join(conn io.ReadWriter) error {
	ended := make(chan error, 2)
	go func() { // ends with conn, which the caller closes
		_, err := io.Copy(a.Stdout, conn)
		ended <- err
	}()
	go func() { // stays in its last read of a terminal until the process ends
		if left, err := typed(conn, a.Stdin); left || err != nil {
			ended <- err
		}
	}()
	err := <-ended
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// typed copies what is typed; left says that the detach key was.
func typed(w io.Writer, r io.Reader) (left bool, err error) {
	buf := make([]byte, 1024)
	for {
		n, err := r.Read(buf)
		keys := buf[:n]
		for i, k := range keys {
			if k == detachKey {
				keys, left = keys[:i], true
				break
			}
		}
		if len(keys) > 0 {
			if _, werr := w.Write(keys); werr != nil {
				return left, werr
			}
		}
		switch {
		case left:
			return true, nil
		case errors.Is(err, io.EOF):
			return false, nil
		case err != nil:
			return false, err
		}
	}
}
