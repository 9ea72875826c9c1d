package control

import "atoll/internal/store"

// Query is a list's page, order and conditions; Visible is set by the methods
// that take one.
type Query = store.Query
