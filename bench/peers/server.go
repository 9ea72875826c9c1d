package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"atoll/bench/report"
)

// server is a server of a Debian package with a folder that goes with it.
type server struct {
	dir     string
	address string
	cmd     *exec.Cmd
}

// startServer starts the program, whose arguments args makes from the folder and
// the port on 127.0.0.1, and waits until it takes connections.
func startServer(ctx context.Context, program string, args func(dir, port string) []string) (*server, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/" + program)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: run test/setup.sh bench, or apt-get install %s", err, program)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &server{address: ln.Addr().String()}
	_, port, err := net.SplitHostPort(s.address)
	if err = errors.Join(err, ln.Close()); err != nil {
		return nil, err
	}
	if s.dir, err = os.MkdirTemp("", "atoll-peer-"); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	defer log.Close()
	s.cmd = exec.Command(path, args(s.dir, port)...)
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = s.dir, log, log
	// It ends with this program, but not with Ctrl-C in the terminal.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	err = report.Until(ctx, program+" takes connections", 30*time.Second, func() error {
		c, err := net.Dial("tcp", s.address)
		if err != nil {
			return err
		}
		return c.Close()
	})
	if err != nil {
		text, _ := os.ReadFile(log.Name()) // what there is helps
		s.stop()
		return nil, fmt.Errorf("%w\n%s", err, text)
	}
	return s, nil
}

func (s *server) stop() {
	s.cmd.Process.Kill() //nolint:errcheck // it may have ended
	s.cmd.Wait()         //nolint:errcheck // it was killed
	if err := os.RemoveAll(s.dir); err != nil {
		fmt.Fprintln(os.Stderr, "clean up:", err)
	}
}
