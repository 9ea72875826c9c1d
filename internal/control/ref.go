package control

import (
	"atoll/internal/authz"
	"atoll/internal/cloud"
	"atoll/internal/store"
)

// byRef finds an object by what a user wrote: its id or its name.
func byRef[ID ~string, T any](ref string, byID func(ID) (*T, error), byName func(string) (*T, error)) (*T, error) {
	if cloud.IsID(ref) {
		return byID(ID(ref))
	}
	return byName(ref)
}

// allOf reads a list to its end; q's limit and cursor are its own.
func allOf[T any](list func(store.Query) ([]T, string, error), q store.Query) ([]T, error) {
	var out []T
	q.Limit, q.Cursor = store.MaxLimit, ""
	for {
		page, next, err := list(q)
		if err != nil {
			return nil, err
		}
		out = append(out, page...)
		if next == "" {
			return out, nil
		}
		q.Cursor = next
	}
}

// set gives a field the new value, if there is one.
func set[T any](field, value *T) {
	if value != nil {
		*field = *value
	}
}

// mayList refuses lists of kinds that have no rows of tenants: who may not read
// the kind sees none of it.
func (r *Request) mayList(k cloud.Kind) error {
	if authz.Allowed(r.roles(target{kind: k}), authz.Read, k) {
		return nil
	}
	return cloud.Errorf(cloud.Denied, "you may not list objects of the kind %s; %s could", k, authz.WhoCould(authz.Read, k))
}
