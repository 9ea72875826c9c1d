package api

// Page is one page of a list.
type Page[T any] struct {
	Items []T    `json:"items" nullable:"false" doc:"The page's objects, in the asked order."`
	Next  string `json:"next" doc:"Cursor of the next page; empty at the end."`
}

// Meta is what every stored object has.
type Meta struct {
	CreatedAt Time  `json:"created_at,omitzero" doc:"When it was created."`
	UpdatedAt Time  `json:"updated_at,omitzero" doc:"When it was last changed."`
	Version   int64 `json:"version" doc:"Grows by one with each change. It is the object's ETag: send it as If-Match to change only what you have read." example:"3"`
}
