// Command bench runs every benchmark, one after the other, and prints one table:
// what was measured, Atoll's figure, the peer's or limit's figure of the same run,
// and whether the aim is met. docs/performance.md keeps it, and says what each
// figure means.
//
// A benchmark that fails has no figures in the table, and the command fails at its end.
//
// It must never measure by itself: each benchmark is a program of its own.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// benchmark is one program with its arguments.
type benchmark struct {
	name string // of its figures
	dir  string // of its program, in bench
	root bool
	args []string
}

var benchmarks = []benchmark{
	{name: "jobs", dir: "jobs", args: []string{"-n", "40000"}},
	{name: "jobs-postgres", dir: "jobs", args: []string{"-n", "40000", "-store", "postgres"}},
	{name: "peers", dir: "peers", args: []string{"-n", "40000"}},
	{name: "jobs-history", dir: "jobs", args: []string{"-n", "40000", "-history", "2000000"}},
	{name: "exec", dir: "exec", root: true, args: []string{"-n", "4000"}},
	{name: "list", dir: "list", args: []string{"-machines", "20000"}},
	{name: "list-postgres", dir: "list", args: []string{"-machines", "20000", "-store", "postgres"}},
	{name: "fanout", dir: "fanout", args: []string{"-nodes", "10000"}},
	{name: "deployments", dir: "deployments", root: true, args: []string{"-n", "1000"}},
	{name: "machine", dir: "machine", root: true, args: []string{"-n", "5"}},
	{name: "footprint", dir: "footprint"},
}

func main() {
	only := flag.String("only", "", "run only these, by commas")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *only)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, only string) error {
	dir, err := os.MkdirTemp("", "atoll-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	figures := results{}
	var failed error
	for _, b := range benchmarks {
		if only != "" && !strings.Contains(","+only+",", ","+b.name+",") {
			continue
		}
		start := time.Now()
		fmt.Fprintf(os.Stderr, "bench %s … ", b.name)
		result := ""
		if figures[b.name], err = b.run(ctx, dir); err != nil {
			failed, result = errors.Join(failed, fmt.Errorf("%s: %w", b.name, err)), ", failed"
		}
		fmt.Fprintf(os.Stderr, "%.0f s%s\n", time.Since(start).Seconds(), result)
		if ctx.Err() != nil {
			return failed
		}
	}
	if len(figures) == 0 {
		return fmt.Errorf("there is no benchmark %s", only)
	}
	fmt.Print(figures.table())
	return failed
}

// run builds the program into the folder and runs it.
func (b *benchmark) run(ctx context.Context, dir string) (figures any, err error) {
	bin := filepath.Join(dir, b.dir)
	build := exec.CommandContext(ctx, "go", "build", "-C", filepath.Join("bench", b.dir), "-o", bin, ".")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build: %w\n%s", err, out)
	}
	args := append([]string{bin, "-json"}, b.args...)
	if b.root && os.Geteuid() != 0 {
		args = append([]string{"sudo", "-E", "env", "PATH=" + os.Getenv("PATH") + ":/usr/sbin:/sbin", "HOME=" + os.Getenv("HOME")}, args...)
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // it cleans up
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, &stderr)
	}
	return figures, json.Unmarshal(stdout.Bytes(), &figures)
}
