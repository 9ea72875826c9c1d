// Command portal writes what the portal is measured with into the database of a
// stopped controller: many machines, deployments and events, as rows only, which
// no node has. web/bench calls it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"atoll/bench/product"
	"atoll/internal/cloud"
	"atoll/internal/store"
)

func main() {
	database := flag.String("database", "", "URL of the database, such as sqlite:/data/atoll.db")
	n := flag.Int("n", 10000, "number of machines, and of events")
	deployments := flag.Int("deployments", 1000, "number of deployments")
	flag.Parse()
	err := product.Fill(context.Background(), *database, func(tx *store.Tx) error {
		locations, _, err := tx.Locations(store.Query{})
		if err != nil {
			return err
		}
		if len(locations) == 0 {
			return errors.New("the database has no location; start the controller once")
		}
		first, err := product.Machines(tx, locations[0].ID, *n)
		if err != nil {
			return err
		}
		return errors.Join(fillDeployments(tx, first.AccountID, *deployments), fillEvents(tx, first, *n))
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "portal:", err)
		os.Exit(1)
	}
}

// fillDeployments makes deployments of one project, most of them running, each with
// an address and a few values of its own.
func fillDeployments(tx *store.Tx, account cloud.AccountID, n int) error {
	p := &cloud.Project{
		ID: cloud.NewID[cloud.ProjectID](), AccountID: account, Name: "shop", BaseDomain: "example.test", Namespace: "shop", Role: cloud.RoleRunner,
		ScriptTimeout: cloud.DefaultScriptTimeout, CheckTimeout: cloud.DefaultCheckTimeout,
		StatusInterval: cloud.DefaultStatusInterval, StatusTimeout: cloud.DefaultStatusTimeout, UserID: cloud.FirstProjectUser + 10000, // not that of the next project
	}
	if err := tx.CreateProject(p); err != nil {
		return err
	}
	now, err := tx.Now()
	if err != nil {
		return err
	}
	for i := range n {
		d := &cloud.Deployment{
			ID: cloud.NewID[cloud.DeploymentID](), AccountID: account, ProjectID: p.ID, Name: fmt.Sprintf("feature-%04d", i*7919%10000),
			State: cloud.DeploymentRunning, OwnerName: []string{"ada", "grace", "alan"}[i%3], Comment: "for the review",
			Application: cloud.Overrides{{Key: "image.tag", Value: fmt.Sprintf("pr-%d", i)}, {Key: "replicas", Value: "2"}, {Key: "debug", Value: "true"}},
			Links:       []cloud.Link{{Name: "shop", URL: fmt.Sprintf("https://feature-%04d.example.test", i)}, {Name: "admin", URL: "https://admin.example.test"}},
			Labels:      map[string]string{"team": "payments"}, StatusAt: now, DeployedAt: now,
			CheckAt: now.Add(24 * time.Hour), // there is nothing to check
		}
		if i%10 == 9 {
			d.State, d.Reason, d.Message = cloud.DeploymentFailure, cloud.ReasonPartial, "1 of 2 pods is ready"
		}
		if err := tx.CreateDeployment(d); err != nil {
			return err
		}
	}
	return nil
}

// fillEvents writes what a day of work leaves in the audit log; the controller
// numbers it when it starts.
func fillEvents(tx *store.Tx, m *cloud.Machine, n int) error {
	for i := range n {
		e := &cloud.Event{
			Class: cloud.ClassAPI, Actor: "user", ActorName: []string{"ada", "grace", "alan"}[i%3], Address: "192.0.2.7", AccountID: m.AccountID,
			SubjectKind: cloud.KindMachine, SubjectID: string(m.ID), SubjectName: m.Name,
			Action: []string{"machine.start", "machine.stop", "machine.update"}[i%3], Outcome: cloud.OutcomeOK,
		}
		if i%20 == 19 {
			e.Outcome, e.Message = cloud.OutcomeRefused, "the machine is not stopped"
		}
		if err := tx.AddEvent(e); err != nil {
			return err
		}
	}
	return nil
}
