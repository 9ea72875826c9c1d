// Package rest is the REST API: it turns HTTP requests into calls of control and
// their results into the types of package api. It knows who asks (tokens and
// sessions), counts and limits requests, and renders every error in one place.
//
// It must never decide what is allowed or valid, nor see the store or an agent:
// rules belong to control.
package rest

//go:generate go test -count=1 -run ^TestOpenAPI$ . -update
