// Package api is the types of Atoll's REST API: what each kind looks like in an
// answer, and what a caller may send to create or change one. The server, the
// Go client and openapi.json are made from them.
//
// Names in JSON are snake_case, ids are strings, times RFC 3339 in UTC,
// durations Go's text form such as 90s or 1h30m. A field that takes a reference
// takes an id or a name; a field ending in _id gives an id.
//
// It must never import anything of ours or decide anything: rules belong to
// control.
package api
