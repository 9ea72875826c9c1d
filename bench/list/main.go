// Command list measures how long a page of 100 machines takes, through REST, when
// the installation has many: with a filter and a sort, on the first page and in
// the middle, for an operator who sees all of them and for a tenant who does not.
//
// The machines are rows only, written into the database of a stopped controller
// by the product's own store: no node has them.
package main

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"time"

	"atoll/api"
	"atoll/bench/product"
	"atoll/bench/report"
	"atoll/client"
	"atoll/internal/cloud"
	"atoll/internal/store"
)

// figures are the result; Slowest is the list with the longest p99.
type figures struct {
	P50        float64 `json:"page_p50_ms"`
	P99        float64 `json:"page_p99_ms"`
	Slowest    string  `json:"slowest"`
	SlowestP99 float64 `json:"slowest_p99_ms"`
}

// String tells the figures.
func (f *figures) String() string {
	return fmt.Sprintf("a page of 100 machines: p50 %.2f ms, p99 %.2f ms; the slowest list, %s, p99 %.2f ms", f.P50, f.P99, f.Slowest, f.SlowestP99)
}

const (
	page   = 100
	rounds = 40 // how often each page is read
	tenant = "tenant"
)

func main() {
	n := flag.Int("machines", 20000, "number of machines")
	database := flag.String("store", product.SQLite, "sqlite, postgres (a private server), or a postgres:// URL")
	report.Main(func(ctx context.Context) (*figures, error) { return measure(ctx, *n, *database) })
}

func measure(ctx context.Context, n int, database string) (*figures, error) {
	p, err := product.Start(ctx, database)
	if err != nil {
		return nil, err
	}
	defer p.Stop()
	locations, err := p.Client.Locations().List(ctx, client.ListOptions{})
	if err != nil {
		return nil, err
	}
	p.Controller.Stop()
	w := &world{}
	err = product.Fill(ctx, p.Database(), func(tx *store.Tx) (err error) {
		w.first, err = product.Machines(tx, cloud.LocationID(locations.Items[0].ID), n)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := p.StartController(ctx); err != nil {
		return nil, err
	}
	reader, err := w.tenant(ctx, p)
	if err != nil {
		return nil, err
	}
	return w.read(ctx, map[string]*client.Client{"operator": p.Client, tenant: reader})
}

// world is what was made: the first machine, and others that have the same.
type world struct{ first *cloud.Machine }

// tenant makes a reader of one account.
func (w *world) tenant(ctx context.Context, p *product.Product) (*client.Client, error) {
	account := string(w.first.AccountID)
	s, err := p.Client.ServiceAccounts().Create(ctx, api.ServiceAccountCreate{Account: account, Name: tenant})
	if err != nil {
		return nil, err
	}
	id := s.Object.ID
	if _, err := p.Client.Memberships().Create(ctx, api.MembershipCreate{ServiceAccount: id, Role: "reader", Account: account}); err != nil {
		return nil, err
	}
	t, err := p.Client.Tokens().Create(ctx, api.TokenCreate{Name: tenant, User: id})
	if err != nil {
		return nil, err
	}
	return p.As(t.Object.Secret)
}

// read reads each list of each reader, by turns.
func (w *world) read(ctx context.Context, readers map[string]*client.Client) (*figures, error) {
	type list struct {
		name string
		c    *client.Client
		o    client.ListOptions
		took []time.Duration
	}
	var lists []*list
	for who, c := range readers {
		for _, filter := range []string{
			"state=running", "state=failed", "state!=running", "account=" + string(w.first.AccountID), "cloudspace=" + string(w.first.CloudspaceID),
			"node=" + string(w.first.NodeID), "image=" + string(w.first.ImageID), "name~web", "name~-0001", "name~nothing",
		} {
			for _, sort := range []string{"name", "-name", "state", "-created_at", "created_at"} {
				o := client.ListOptions{Limit: page, Filter: []string{filter}, Sort: sort}
				name := fmt.Sprintf("%s %s %s", who, strings.Split(filter, string(w.first.AccountID))[0], sort)
				lists = append(lists, &list{name: name, c: c, o: o})
				next, err := middle(ctx, c, o)
				if err != nil {
					return nil, err
				}
				if next != "" {
					o.Cursor = next
					lists = append(lists, &list{name: name + " middle", c: c, o: o})
				}
			}
		}
	}
	for range rounds {
		for _, l := range lists {
			start := time.Now()
			if _, err := l.c.Machines().List(ctx, l.o); err != nil {
				return nil, err
			}
			l.took = append(l.took, time.Since(start))
		}
	}
	var all []time.Duration
	f := &figures{}
	for _, l := range lists {
		all = append(all, l.took...)
		if p99 := report.Percentile(l.took, 0.99); p99 > f.SlowestP99 {
			f.Slowest, f.SlowestP99 = l.name, p99
		}
	}
	f.P50, f.P99 = report.Percentile(all, 0.5), report.Percentile(all, 0.99)
	return f, nil
}

// middle returns the cursor in the middle of the list, "" for a list of one page.
func middle(ctx context.Context, c *client.Client, o client.ListOptions) (string, error) {
	var cursors []string
	o.Limit = 1000
	for {
		p, err := c.Machines().List(ctx, o)
		if err != nil {
			return "", err
		}
		if o.Cursor = p.Next; p.Next == "" {
			break
		}
		cursors = append(cursors, p.Next)
	}
	if len(cursors) == 0 {
		return "", nil
	}
	return cursors[len(cursors)/2], nil
}
