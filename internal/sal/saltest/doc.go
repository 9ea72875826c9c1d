// Package saltest is the conformance suite of package sal: what every driver of
// an interface must do, as tests that take the driver. The real drivers and the
// simulated node both run it, so that what the server tests learn from simulated
// nodes holds on real ones.
//
// It must never import a driver, and never test what only one driver does: that
// belongs to the driver's own tests.
package saltest
