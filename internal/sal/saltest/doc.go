// Package saltest is the conformance suite of the drivers below sal: a driver's
// own test is one screen that makes the driver and calls the suite.
//
// It must never know a certain driver; what only some can do is told by the
// environment that the driver's test hands in.
package saltest
