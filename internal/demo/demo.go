// Package demo fills a new installation with believable data, for a look around and
// for screenshots: by the public API alone, on simulated nodes.
//
// It must never be reached by a controller that serves people in earnest: only
// `atoll up --demo-data` calls it.
package demo

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"

	"atoll/api"
	"atoll/client"
	"atoll/examples/pages"
)

// Filler fills one installation as its admin. What is there already stays as it is,
// so that it may be run again.
type Filler struct {
	Client *client.Client
	Log    *slog.Logger
	Force  bool // also where there are other accounts
	fresh  bool
	ops    []string // operations that are under way
}

// Fill makes the data and returns when all operations have ended.
func (f *Filler) Fill(ctx context.Context) error {
	if err := f.check(ctx); err != nil {
		return err
	}
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"nodes", f.nodes},
		{"accounts", f.accounts},
		{"people", f.people},
		{"images", f.images},
		{"machines", f.machines},
		{"port forwards", f.forwards},
		{"deployments", f.deployments},
		{"machines that are stopped", f.stopped},
		{"scripts and runs", f.scripts},
		{"pages", f.pages},
	} {
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("demo data, %s: %w", step.what, err)
		}
		if err := f.wait(ctx); err != nil {
			return fmt.Errorf("demo data, %s: %w", step.what, err)
		}
		f.Log.Info("demo data", "made", step.what)
	}
	return nil
}

// check refuses an installation that is in use.
func (f *Filler) check(ctx context.Context) error {
	f.fresh = true
	for a, err := range f.Client.Accounts().All(ctx, client.ListOptions{}) {
		switch {
		case err != nil:
			return err
		case strings.HasPrefix(a.Description, mark):
			f.fresh = false
		case a.Name != "default" && !f.Force:
			return &client.Error{Code: client.Conflict, Message: "this installation is in use: it has the account " + a.Name + "; demo data goes into a new one, or with --demo-data-anyway"}
		}
	}
	list, err := f.Client.Machines().List(ctx, client.ListOptions{Limit: 1})
	if err == nil && f.fresh && len(list.Items) > 0 && !f.Force {
		err = &client.Error{Code: client.Conflict, Message: "this installation is in use: it has machines; demo data goes into a new one, or with --demo-data-anyway"}
	}
	return err
}

// made notes what goes on, and takes what is there already for made.
func made[T any](f *Filler, r *client.Result[T], err error) error {
	if client.CodeOf(err) == client.Conflict {
		return nil
	}
	if err == nil && r.Operation != nil {
		f.ops = append(f.ops, r.Operation.ID)
	}
	return err
}

// wait returns when all operations have ended. That some fail is part of the data.
func (f *Filler) wait(ctx context.Context) error {
	for _, id := range f.ops {
		if _, err := f.Client.Operations().Wait(ctx, id, nil); err != nil && client.CodeOf(err) == "" {
			return err
		}
	}
	f.ops = nil
	return nil
}

func (f *Filler) nodes(ctx context.Context) error {
	i := 0
	for n, err := range f.Client.Nodes().All(ctx, client.ListOptions{}) {
		if err != nil {
			return err
		}
		if !n.Simulated || n.Labels["demo"] != "" {
			continue
		}
		i++
		labels := map[string]string{"demo": "true", "rack": fmt.Sprintf("r%d", 1+i/5)}
		if _, err := f.Client.Nodes().Update(ctx, n.ID, api.NodeUpdate{Labels: &labels}); err != nil {
			return err
		}
	}
	return nil
}

func (f *Filler) accounts(ctx context.Context) error {
	for _, a := range accounts {
		r, err := f.Client.Accounts().Create(ctx, api.AccountCreate{Name: a.name, Description: mark + a.about, Limits: a.limits})
		if err := made(f, r, err); err != nil {
			return err
		}
		for _, s := range a.spaces {
			r, err := f.Client.Cloudspaces().Create(ctx, api.CloudspaceCreate{Account: a.name, Name: s})
			if err := made(f, r, err); err != nil {
				return err
			}
		}
	}
	for _, k := range keys {
		r, err := f.Client.SSHKeys().Create(ctx, api.SSHKeyCreate{Account: k.account, Name: k.name, PublicKey: k.key})
		if err := made(f, r, err); err != nil {
			return err
		}
	}
	return nil
}

// people get no password: nobody signs in with one that is written here.
func (f *Filler) people(ctx context.Context) error {
	for _, p := range people {
		r, err := f.Client.Users().Create(ctx, api.UserCreate{Name: p.name, FullName: p.full, Email: p.name + "@example.com", Role: p.role})
		if err := made(f, r, err); err != nil {
			return err
		}
		for a, role := range p.on {
			r, err := f.Client.Memberships().Create(ctx, api.MembershipCreate{User: p.name, Account: a, Role: role})
			if err := made(f, r, err); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *Filler) images(ctx context.Context) error {
	for i, img := range images {
		disk := make([]byte, 1<<20)
		disk[510], disk[511], disk[512] = 0x55, 0xaa, byte(i) // a boot sector makes it a disk
		r, err := f.Client.Images().Upload(ctx, client.Upload{Name: img.name, Description: img.about, User: img.user}, bytes.NewReader(disk))
		if err := made(f, r, err); err != nil {
			return err
		}
	}
	return nil
}

func (f *Filler) machines(ctx context.Context) error {
	for _, g := range machines {
		for i := range g.n {
			name := fmt.Sprintf("%s-%d", g.prefix, i+1)
			// Where there is no room for another one, that it is there already is not said.
			if _, err := f.Client.Machines().Get(ctx, name, client.In(g.account, g.space)); client.CodeOf(err) != client.NotFound {
				if err != nil {
					return err
				}
				continue
			}
			r, err := f.Client.Machines().Create(ctx, api.MachineCreate{Account: g.account, Cloudspace: g.space, Name: name, Image: g.image, Size: g.size})
			if err := made(f, r, err); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *Filler) stopped(ctx context.Context) error {
	if !f.fresh {
		return nil
	}
	for _, g := range machines {
		for i := g.n - g.stopped; i < g.n; i++ {
			r, err := f.Client.Machines().Stop(ctx, fmt.Sprintf("%s-%d", g.prefix, i+1), api.MachineStop{}, client.In(g.account, g.space))
			if err := made(f, r, err); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *Filler) forwards(ctx context.Context) error {
	for _, p := range forwards {
		r, err := f.Client.PortForwards().Create(ctx, api.PortForwardCreate{Account: p.account, Cloudspace: p.space, Machine: p.machine, PublicPort: p.public, Port: p.port})
		if err := made(f, r, err); err != nil {
			return err
		}
	}
	return nil
}

func (f *Filler) deployments(ctx context.Context) error {
	labels := map[string]string{"demo": "true"} // nodes that execute nothing
	in := api.ProjectCreate{Account: project.account}
	in.Name, in.Description, in.BaseDomain, in.Labels = &project.name, &project.about, &project.domain, &labels
	r, err := f.Client.Projects().Create(ctx, in)
	if client.CodeOf(err) == client.Conflict {
		return nil
	}
	if err != nil {
		return err
	}
	b, err := f.Client.Bundles().Create(ctx, api.BundleCreate{Project: r.Object.ID, Kind: "builtin:process", Use: true})
	if err := made(f, b, err); err != nil {
		return err
	}
	for _, d := range deployments {
		r, err := f.Client.Deployments().Create(ctx, api.DeploymentCreate{Project: r.Object.ID, Name: d.name, Comment: d.comment, Labels: d.labels, Deployment: d.config})
		if err := made(f, r, err); err != nil {
			return err
		}
	}
	if err := f.wait(ctx); err != nil {
		return err
	}
	for _, d := range deployments {
		if !d.archive {
			continue
		}
		r, err := f.Client.Deployments().Archive(ctx, d.name, client.InProject(project.account, project.name))
		if err := made(f, r, err); err != nil {
			return err
		}
	}
	return nil
}

func (f *Filler) scripts(ctx context.Context) error {
	for _, s := range scripts {
		if _, err := f.Client.Scripts().Create(ctx, s.name, []byte(s.text)); err != nil {
			return err
		}
	}
	for _, s := range schedules {
		r, err := f.Client.Schedules().Create(ctx, s)
		if err := made(f, r, err); err != nil {
			return err
		}
	}
	if !f.fresh {
		return nil
	}
	for _, in := range runs {
		r, err := f.Client.StartRun(ctx, in)
		if err := made(f, r, err); err != nil {
			return err
		}
	}
	return nil
}

func (f *Filler) pages(ctx context.Context) error {
	r, err := f.Client.WikiSpaces().Create(ctx, api.WikiSpaceCreate{Name: "runbooks", Title: "Runbooks", Description: mark + "example runbooks", Readers: "everyone"})
	if client.CodeOf(err) == client.Conflict {
		return nil
	}
	if err != nil {
		return err
	}
	return fs.WalkDir(pages.Files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(pages.Files, path)
		if err != nil {
			return err
		}
		head, body, _ := strings.Cut(strings.TrimPrefix(string(text), "---\n"), "\n---\n")
		_, err = f.Client.WikiPages().Create(ctx, api.WikiPageCreate{
			Space: r.Object.ID, Slug: strings.TrimSuffix(path, ".md"), Title: strings.TrimPrefix(head, "title: "), Body: body, Comment: "example",
		})
		return err
	})
}
