package store

import (
	"atoll/internal/cloud"
)

var locations = table[cloud.Location]{
	kind: cloud.KindLocation, name: "locations",
	cols: append([]string{"id", "name", "description"}, metaCols...),
	ptrs: func(v *cloud.Location) []any {
		return append([]any{
			&v.ID, &v.Name, &v.Description,
		}, metaPtrs(&v.Meta)...)
	},
	meta:    func(v *cloud.Location) *cloud.Meta { return &v.Meta },
	filters: map[string]string{"name": "name"},
}

// CreateLocation writes a new location.
func (tx *Tx) CreateLocation(v *cloud.Location) error { return locations.insert(tx, v) }

// Location returns the location unless it is deleted.
func (tx *Tx) Location(id cloud.LocationID) (*cloud.Location, error) { return locations.live(tx, id) }

// UpdateLocation writes the location back; Conflict if it was changed since it was read.
func (tx *Tx) UpdateLocation(v *cloud.Location) error { return locations.update(tx, v) }

// Locations returns a page of locations and the cursor of the next one.
func (tx *Tx) Locations(q Query) ([]cloud.Location, string, error) { return locations.list(tx, q) }

// LocationNamed returns the location by its name.
func (tx *Tx) LocationNamed(name string) (*cloud.Location, error) {
	return locations.get(tx, name, "name = ? AND deleted_at = 0", name)
}
