package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"atoll/api"
	"atoll/bench/report"
	"atoll/client"
)

// pause is between two requests whose config_check is waited for.
const pause = 200 * time.Millisecond

// ask has config_check refuse a configuration with the answer to a question: that of
// the deployment's update, or of a new one.
func (w *world) ask(ctx context.Context, question, deployment string) (string, error) {
	overrides := []api.Override{{Key: probe, Value: question}}
	var err error
	if deployment != "" {
		_, err = w.c.Deployments().Update(ctx, deployment, api.DeploymentUpdate{Application: &api.ConfigUpdate{Set: overrides}}, client.InProject(account, project))
	} else {
		_, err = w.c.Deployments().Create(ctx, api.DeploymentCreate{Account: account, Project: project, Name: "probe", Application: overrides})
	}
	var e *client.Error
	if errors.As(err, &e) && e.Code == client.Invalid {
		return strings.TrimSpace(e.Message), nil
	}
	if err == nil {
		err = errors.New("config_check did not refuse")
	}
	return "", err
}

// requests asks until ctx ends, updates and creates by turns, and returns how long
// it took from each request to the start of its config_check: to what the clock says
// in that script.
func (w *world) requests(ctx context.Context) (waits []time.Duration, err error) {
	for i := 0; ; i++ {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return waits, nil
		}
		deployment := ""
		if i%2 == 0 {
			deployment = name(i * 7919 % w.n)
		}
		began := time.Now()
		text, err := w.ask(context.WithoutCancel(ctx), "started", deployment)
		if err != nil {
			return nil, err
		}
		at, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, err
		}
		waits = append(waits, time.Unix(0, at).Sub(began))
	}
}

// rounds is how often each list is read.
const rounds = 60

// search reads the first page of searches, by turns.
func (w *world) search(ctx context.Context, f *figures) error {
	var took []time.Duration
	words := []string{"feature", "feature-0042", "42", "orange-button", "team=payments", "shop-7919", "admin", "replicas", "nothing"}
	for range rounds {
		for _, word := range words {
			o := searching(word)
			o.Limit = 100
			began := time.Now()
			if _, err := w.c.Deployments().List(ctx, o); err != nil {
				return err
			}
			took = append(took, time.Since(began))
		}
	}
	f.ListP50, f.ListP99 = report.Percentile(took, 0.5), report.Percentile(took, 0.99)
	return nil
}

// searching is the list of the deployments in which the word is found, the
// best first.
func searching(word string) client.ListOptions {
	return client.ListOptions{In: map[string]string{"search": word}}
}

// apps is how many deployments are made that are processes.
const apps = 9

// reach makes deployments of the example application, one after the other, and
// waits until each answers at its URL. They would outlive the agent: they are removed
// at the end, also after an error or Ctrl-C.
func (w *world) reach(ctx context.Context, f *figures) (err error) {
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		err = errors.Join(err, w.removeApps(end))
	}()
	hello, err := os.ReadFile("examples/hello/1/hello")
	if err != nil {
		return err
	}
	b, err := w.upload(ctx, client.BundleUpload{Account: account, Project: processes, Source: "hello.tar.gz", Files: true}, map[string]string{"hello": string(hello)})
	if err != nil {
		return err
	}
	var took []time.Duration
	for i := range apps {
		began := time.Now()
		_, err := w.c.Deployments().Create(ctx, api.DeploymentCreate{
			Account: account, Project: processes, Name: fmt.Sprintf("hello-%d", i),
			Deployment: []api.Override{{Key: "archive", Value: "atoll:" + b.SHA256}, {Key: "command", Value: "./hello"}, {Key: "health", Value: "/health"}},
		})
		if err != nil {
			return err
		}
		if err := report.Until(ctx, "the application answers", time.Minute, func() error { return w.visit(ctx, fmt.Sprintf("hello-%d.%s", i, domain)) }); err != nil {
			return err
		}
		took = append(took, time.Since(began))
	}
	f.ReachableP50, f.ReachableMax = report.Round(report.Percentile(took, 0.5)/1000, 2), report.Round(report.Percentile(took, 1)/1000, 2)
	return nil
}

// removeApps deletes the deployments that are processes.
func (w *world) removeApps(ctx context.Context) error {
	for d, err := range w.c.Deployments().All(ctx, client.ListOptions{Filter: []string{"name~hello-"}}) {
		if err != nil {
			return err
		}
		r, err := w.c.Deployments().Delete(ctx, d.ID)
		if err != nil {
			return err
		}
		if _, err := w.c.Operations().Wait(ctx, r.Operation.ID, nil); err != nil {
			return err
		}
	}
	return nil
}

// visit asks for the first page of a deployment, as a browser does.
func (w *world) visit(ctx context.Context, host string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.apps+"/", nil)
	if err != nil {
		return err
	}
	req.Host = host
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}
