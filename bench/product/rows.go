package product

import (
	"context"
	"fmt"
	"log/slog"

	"atoll/internal/cloud"
	"atoll/internal/store"
)

// What machines are spread over.
const (
	accounts    = 20
	cloudspaces = 10 // of an account
	nodes       = 100
)

// Fill writes rows into the database of a stopped controller, by the product's own
// store.
func Fill(ctx context.Context, database string, rows func(*store.Tx) error) error {
	db, err := store.Open(ctx, database, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer db.Close()
	return db.Update(ctx, rows)
}

// Machines makes n machines in accounts and cloudspaces, over nodes: nine of ten
// run, and few have failed. They are rows only: no node has them. It returns the
// first one.
func Machines(tx *store.Tx, location cloud.LocationID, n int) (*cloud.Machine, error) {
	var spaces []*cloud.Cloudspace
	for a := range accounts {
		account := &cloud.Account{ID: cloud.NewID[cloud.AccountID](), Name: fmt.Sprintf("account-%d", a), State: cloud.AccountActive}
		if err := tx.CreateAccount(account); err != nil {
			return nil, err
		}
		for i := range cloudspaces {
			s := &cloud.Cloudspace{
				ID: cloud.NewID[cloud.CloudspaceID](), AccountID: account.ID, LocationID: location, Name: fmt.Sprintf("space-%d", i),
				State: cloud.CloudspaceActive, Network: "10.0.0.0/16", NetworkNum: int64(1 + a*cloudspaces + i),
			}
			if err := tx.CreateCloudspace(s); err != nil {
				return nil, err
			}
			spaces = append(spaces, s)
		}
	}
	var hosts []cloud.NodeID
	for range nodes {
		hosts = append(hosts, cloud.NewID[cloud.NodeID]())
	}
	image := cloud.NewID[cloud.ImageID]()
	var first *cloud.Machine
	for i := range n {
		m := machine(i, spaces[i%len(spaces)], hosts[i%len(hosts)], image)
		if err := tx.CreateMachine(m); err != nil {
			return nil, err
		}
		if first == nil {
			first = m
		}
	}
	return first, nil
}

func machine(i int, s *cloud.Cloudspace, node cloud.NodeID, image cloud.ImageID) *cloud.Machine {
	m := &cloud.Machine{
		ID: cloud.NewID[cloud.MachineID](), AccountID: s.AccountID, CloudspaceID: s.ID,
		// Names are not in the order of creation.
		Name:  fmt.Sprintf("%s-%05d", []string{"web", "db", "cache", "queue", "batch"}[i%5], i*7919%100000),
		State: cloud.MachineRunning, DesiredPower: cloud.PowerOn, ObservedPower: cloud.PowerOn,
		ImageID: image, SizeID: cloud.NewID[cloud.SizeID](), VCPUs: 2, MemoryMiB: 4096, DiskGiB: 20, NodeID: node, PlacementEpoch: 1,
		RunStrategy: cloud.RunManual, Address: fmt.Sprintf("10.0.%d.%d", i>>8&255, i&255), MAC: fmt.Sprintf("52:54:00:%02x:%02x:%02x", i>>16, i>>8&255, i&255),
	}
	switch {
	case i%50 == 49:
		m.State, m.DesiredPower, m.ObservedPower, m.Reason = cloud.MachineFailed, cloud.PowerOff, cloud.PowerOff, "no node has room for it"
	case i%13 == 12:
		m.State, m.DesiredPower, m.ObservedPower = cloud.MachineStopped, cloud.PowerOff, cloud.PowerOff
	}
	return m
}
