package store

import (
	"atoll/internal/cloud"
)

var sizes = table[cloud.Size]{
	kind: cloud.KindSize, name: "sizes",
	cols: append([]string{"id", "name", "vcpus", "memory_mib", "disk_gib"}, metaCols...),
	ptrs: func(v *cloud.Size) []any {
		return append([]any{
			&v.ID, &v.Name, &v.VCPUs, &v.MemoryMiB, &v.DiskGiB,
		}, metaPtrs(&v.Meta)...)
	},
	meta:    func(v *cloud.Size) *cloud.Meta { return &v.Meta },
	sorts:   map[string]string{"name": "name"},
	filters: map[string]string{"name": "name"},
}

// CreateSize writes a new size.
func (tx *Tx) CreateSize(v *cloud.Size) error { return sizes.insert(tx, v) }

// Size returns the size unless it is deleted.
func (tx *Tx) Size(id cloud.SizeID) (*cloud.Size, error) { return sizes.live(tx, id) }

// UpdateSize writes the size back; Conflict if it was changed since it was read.
func (tx *Tx) UpdateSize(v *cloud.Size) error { return sizes.update(tx, v) }

// Sizes returns a page of sizes and the cursor of the next one.
func (tx *Tx) Sizes(q Query) ([]cloud.Size, string, error) { return sizes.list(tx, q) }

// SizeNamed returns the size by its name.
func (tx *Tx) SizeNamed(name string) (*cloud.Size, error) {
	return sizes.get(tx, name, "name = ? AND deleted_at = 0", name)
}
