// Command machine measures what Atoll adds to the start of a machine: the time
// from the request until the machine's QEMU process runs, on a real node that has
// the image already. How long the guest then boots is the guest's affair.
//
// It needs root, as agents that run machines do, and leaves nothing behind.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"atoll/api"
	"atoll/bench/product"
	"atoll/bench/report"
	"atoll/client"
	"atoll/images"
)

type figures struct {
	Overhead float64 `json:"create_overhead_ms_p50"`
	n        int
	max      float64
}

// String tells the figures.
func (f *figures) String() string {
	return fmt.Sprintf("from the request to the QEMU process: p50 %.0f ms, at most %.0f ms (%d machines)", f.Overhead, f.max, f.n)
}

const account, space, image, size = "bench", "bench", "mini", "tiny"

func main() {
	n := flag.Int("n", 5, "number of machines")
	report.Main(func(ctx context.Context) (*figures, error) { return measure(ctx, *n) })
}

func measure(ctx context.Context, n int) (f *figures, err error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("only root can run machines")
	}
	disk, err := images.Build(ctx, images.Mini)
	if err != nil {
		return nil, err
	}
	p, err := product.Start(ctx, product.SQLite)
	if err != nil {
		return nil, err
	}
	defer p.Stop()
	if _, err := p.AddAgent(ctx, "bench-1"); err != nil {
		return nil, err
	}
	err = report.Until(ctx, "the node can run machines", time.Minute, func() error {
		n, err := p.Client.Nodes().Get(ctx, "bench-1")
		if err == nil && n.Facts.Accelerator == "" {
			err = errors.New("it has no accelerator")
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := prepare(ctx, p.Client, disk); err != nil {
		return nil, err
	}
	if _, err := create(ctx, p.Client, "warm"); err != nil { // brings the image and the network
		return nil, err
	}
	took := make([]time.Duration, n)
	for i := range took {
		if took[i], err = create(ctx, p.Client, fmt.Sprintf("bench-%d", i)); err != nil {
			return nil, err
		}
	}
	return &figures{Overhead: report.Percentile(took, 0.5), n: n, max: report.MS(slices.Max(took))}, nil
}

func prepare(ctx context.Context, c *client.Client, disk string) error {
	file, err := os.Open(disk)
	if err != nil {
		return err
	}
	defer file.Close()
	r, err := c.Images().Upload(ctx, client.Upload{Name: image}, file)
	if err != nil {
		return err
	}
	if r.Operation != nil {
		if _, err := c.Operations().Wait(ctx, r.Operation.ID, nil); err != nil {
			return err
		}
	}
	if _, err := c.Accounts().Create(ctx, api.AccountCreate{Name: account}); err != nil {
		return err
	}
	_, err = c.Cloudspaces().Create(ctx, api.CloudspaceCreate{Account: account, Name: space})
	return err
}

// create makes a machine, measures, and deletes it, also if it failed or the
// measurement was ended.
func create(ctx context.Context, c *client.Client, name string) (took time.Duration, err error) {
	start := time.Now()
	r, err := c.Machines().Create(ctx, api.MachineCreate{Account: account, Cloudspace: space, Name: name, Image: image, Size: size})
	if err != nil {
		return 0, err
	}
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		err = errors.Join(err, remove(end, c, r.Operation.SubjectID))
	}()
	err = report.Until(ctx, "the machine's process runs", time.Minute, func() error {
		runs, err := qemuRuns(r.Operation.SubjectID)
		took = time.Since(start)
		if err == nil && !runs {
			err = errors.New("there is none")
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	_, err = c.Operations().Wait(ctx, r.Operation.ID, nil)
	return took, err
}

func remove(ctx context.Context, c *client.Client, id string) error {
	r, err := c.Machines().Delete(ctx, id, client.Force())
	if err != nil {
		return err
	}
	_, err = c.Operations().Wait(ctx, r.Operation.ID, nil)
	return err
}

// qemuRuns reports whether a QEMU process has the id in its arguments.
func qemuRuns(id string) (bool, error) {
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return false, err
	}
	for _, file := range files {
		args, err := os.ReadFile(file) // the others may have ended meanwhile
		if err == nil && bytes.HasPrefix(args, []byte("qemu-system")) && bytes.Contains(args, []byte(id)) {
			return true, nil
		}
	}
	return false, nil
}
