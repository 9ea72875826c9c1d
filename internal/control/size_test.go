package control

import (
	"testing"

	"atoll/internal/cloud"
	"atoll/internal/store"
)

func TestSize(t *testing.T) {
	t.Parallel()
	eachCatalog(t, func(t *testing.T, c *Control) {
		ctx := t.Context()
		_, tenant := newTenant(t, c, "acme")
		s := &cloud.Size{Name: "small", VCPUs: 1, MemoryMiB: 512, DiskGiB: 10}
		wantKind(t, "create by a tenant", c.CreateSize(ctx, tenant, s), cloud.Denied)
		if err := c.CreateSize(ctx, operator, s); err != nil {
			t.Fatal(err)
		}
		big := int64(1000)
		_, err := c.UpdateSize(ctx, operator, "small", SizeUpdate{VCPUs: &big})
		wantKind(t, "update to 1000 processors", err, cloud.Invalid)
		two := int64(2)
		if _, err := c.UpdateSize(ctx, operator, string(s.ID), SizeUpdate{VCPUs: &two}); err != nil {
			t.Fatal(err)
		}
		got, err := c.Size(ctx, tenant, "small")
		if err != nil || got.VCPUs != 2 || got.MemoryMiB != 512 {
			t.Errorf("Size() = %+v, %v", got, err)
		}
		list, _, err := c.Sizes(ctx, tenant, store.Query{})
		if err != nil || len(list) != 1 {
			t.Errorf("Sizes() = %v, %v", list, err)
		}
		if err := c.DeleteSize(ctx, operator, "small"); err != nil {
			t.Fatal(err)
		}
		_, err = c.Size(ctx, operator, "small")
		wantKind(t, "get after delete", err, cloud.NotFound)
	})
}
