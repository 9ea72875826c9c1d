package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"atoll/api"
	"atoll/bench/product"
	"atoll/bench/report"
	"atoll/client"
)

const (
	account   = "bench"
	project   = "shop"
	processes = "apps" // the project whose deployments are processes
	domain    = "localhost"
	senders   = 16 // who create deployments at the same time
)

// probe is the key of the application's configuration by which config_check is
// asked something: it refuses the configuration, and its text is the answer.
const probe = "probe"

// scripts are the project's control scripts. What they are called with is in
// docs/control-scripts.md: $8 is the deployment's name. A check notes when it begins
// and ends, without a process for that.
var scripts = map[string]string{
	"check": `echo "$8 +" >>"$HOME/checks"
sleep 0.02
echo "$8 -" >>"$HOME/checks"
`,
	"config_check": `case " $* " in
*" probe=started "*) date +%s%N ;;
*" probe=checks "*) awk '$2 == "+" { n++; overlaps += on[$1]; on[$1] = 1 } $2 == "-" { on[$1] = 0 } END { print n+0, overlaps+0 }' "$HOME/checks" ;;
*) exit 0 ;;
esac
exit 1
`,
	"info":                 `echo "app,https://$8.$4"` + "\n",
	"app_overrides":        "echo image.tag,latest\necho replicas,1\n",
	"deployment_overrides": "", "create": "", "update": "", "archive": "", "unarchive": "", "cleanup": "", "archive_check": "",
}

// world is a controller with a runner that has the projects.
type world struct {
	p     *product.Product
	c     *client.Client
	agent *product.Process
	apps  string // address at which deployments that are processes are reached
	n     int    // deployments of the first project
}

// start adds the runner and the projects.
func start(ctx context.Context, p *product.Product) (w *world, err error) {
	w = &world{p: p, c: p.Client}
	if w.apps, err = product.FreeAddress(); err != nil {
		return nil, err
	}
	if w.agent, err = p.AddAgent(ctx, "bench-1", "--no-machines", "--deployments-listen", w.apps); err != nil {
		return nil, err
	}
	if _, err := w.c.Accounts().Create(ctx, api.AccountCreate{Name: account}); err != nil {
		return nil, err
	}
	for _, name := range []string{project, processes} {
		in := api.ProjectCreate{Account: account, ProjectUpdate: api.ProjectUpdate{Name: &name, BaseDomain: ptr(domain)}}
		if _, err := w.c.Projects().Create(ctx, in); err != nil {
			return nil, err
		}
	}
	files := map[string]string{}
	for name, text := range scripts {
		files[name] = "#!/bin/sh\n" + text
	}
	if _, err := w.upload(ctx, client.BundleUpload{Account: account, Project: project, Source: "bench.tar.gz", Use: true}, files); err != nil {
		return nil, err
	}
	_, err = w.c.Bundles().Create(ctx, api.BundleCreate{Account: account, Project: processes, Kind: "builtin:process", Use: true})
	return w, err
}

// upload adds executable files as an archive.
func (w *world) upload(ctx context.Context, in client.BundleUpload, files map[string]string) (*api.Bundle, error) {
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	t := tar.NewWriter(zip)
	for name, text := range files {
		err := t.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(text))})
		if err == nil {
			_, err = t.Write([]byte(text))
		}
		if err != nil {
			return nil, err
		}
	}
	if err := errors.Join(t.Close(), zip.Close()); err != nil {
		return nil, err
	}
	r, err := w.c.Bundles().Upload(ctx, in, bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		return nil, err
	}
	return r.Object, nil
}

func name(i int) string { return fmt.Sprintf("feature-%04d", i) }

// teams and tags make deployments differ, for those who search.
var (
	teams = []string{"payments", "search", "mobile", "platform", "growth"}
	tags  = []string{"orange-button", "blue-header", "new-checkout", "old-login"}
)

// fill makes n deployments and waits until all of them run.
func (w *world) fill(ctx context.Context, f *figures, n int) error {
	w.n = n
	began := time.Now()
	next := make(chan int)
	var wg sync.WaitGroup
	errs := make([]error, senders)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for s := range senders {
		wg.Go(func() {
			for i := range next {
				_, err := w.c.Deployments().Create(ctx, api.DeploymentCreate{
					Account: account, Project: project, Name: name(i), Labels: map[string]string{"team": teams[i%len(teams)]},
					Comment:     fmt.Sprintf("ticket SHOP-%d", i*7919%10000),
					Application: []api.Override{{Key: "image.tag", Value: fmt.Sprintf("%s-%d", tags[i%len(tags)], i)}},
				})
				if err != nil {
					errs[s] = err
					cancel()
					return
				}
			}
		})
	}
	for i := 0; i < n && ctx.Err() == nil; i++ {
		select {
		case next <- i:
		case <-ctx.Done():
		}
	}
	close(next)
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	err := report.Until(ctx, "all deployments run", 2*time.Minute, func() error {
		time.Sleep(200 * time.Millisecond) // looking costs the controller, which is busy
		l, err := w.c.Deployments().List(ctx, client.ListOptions{Limit: 1, Filter: []string{"state!=Running"}})
		if err == nil && len(l.Items) > 0 {
			err = fmt.Errorf("%s is %s %s", l.Items[0].Name, l.Items[0].State, l.Items[0].Message)
		}
		return err
	})
	f.Created = report.Round(time.Since(began).Seconds(), 1)
	return err
}

func ptr[T any](v T) *T { return &v }
