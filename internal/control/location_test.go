package control

import (
	"testing"

	"atoll/internal/cloud"
	"atoll/internal/store"
)

func TestLocation(t *testing.T) {
	t.Parallel()
	eachCatalog(t, func(t *testing.T, c *Control) {
		ctx := t.Context()
		account, tenant := newTenant(t, c, "acme")
		l := newLocation(t, c, "home")
		for _, ref := range []string{string(l.ID), "home"} {
			got, err := c.Location(ctx, tenant, ref)
			if err != nil || got.ID != l.ID {
				t.Errorf("Location(%q) = %v, %v", ref, got, err)
			}
		}
		wantKind(t, "create with a taken name", c.CreateLocation(ctx, operator, &cloud.Location{Name: "home"}), cloud.Conflict)
		wantKind(t, "create by a tenant", c.CreateLocation(ctx, tenant, &cloud.Location{Name: "mine"}), cloud.Denied)
		wantKind(t, "create with a bad name", c.CreateLocation(ctx, operator, &cloud.Location{Name: "No"}), cloud.Invalid)

		name := "ghent"
		stale := *operator
		stale.IfMatch = 7
		_, err := c.UpdateLocation(ctx, &stale, "home", LocationUpdate{Name: &name})
		wantKind(t, "update of another version", err, cloud.Conflict)
		if _, err := c.UpdateLocation(ctx, operator, "home", LocationUpdate{Name: &name}); err != nil {
			t.Fatal(err)
		}

		n := newNode(t, c, "n1", l.ID, cloud.NodeOnline)
		wantKind(t, "delete with a node", c.DeleteLocation(ctx, operator, name), cloud.Conflict)
		space := &cloud.Cloudspace{ID: cloud.NewID[cloud.CloudspaceID](), AccountID: account, LocationID: l.ID, Name: "s", Network: cloud.DefaultNetwork}
		inTx(t, c, func(tx *store.Tx) error {
			n.DeletedAt = cloud.Now()
			if err := tx.UpdateNode(n); err != nil {
				return err
			}
			return tx.CreateCloudspace(space)
		})
		wantKind(t, "delete with a cloudspace", c.DeleteLocation(ctx, operator, name), cloud.Conflict)
		inTx(t, c, func(tx *store.Tx) error {
			space.DeletedAt = cloud.Now()
			return tx.UpdateCloudspace(space)
		})
		if err := c.DeleteLocation(ctx, operator, name); err != nil {
			t.Fatal(err)
		}
		list, _, err := c.Locations(ctx, tenant, store.Query{})
		if err != nil || len(list) != 0 {
			t.Errorf("Locations() after delete = %v, %v", list, err)
		}
		if got := actions(t, c); got["location.create"] != 2 || got["location.update"] != 1 || got["location.delete"] != 1 {
			t.Errorf("events = %v, want create twice (one refused), update, delete", got)
		}
	})
}

func TestLocationDryRun(t *testing.T) {
	t.Parallel()
	eachCatalog(t, func(t *testing.T, c *Control) {
		dry := *operator
		dry.DryRun = true
		err := c.CreateLocation(t.Context(), &dry, &cloud.Location{Name: "home"})
		if _, ok := err.(*Planned); !ok {
			t.Fatalf("dry run = %v, want a plan", err)
		}
		_, err = c.Location(t.Context(), operator, "home")
		wantKind(t, "after the dry run", err, cloud.NotFound)
	})
}
