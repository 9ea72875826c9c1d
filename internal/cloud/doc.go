// Package cloud holds Atoll's words: the kinds, their typed IDs, states with
// their transition tables, name rules, validation and the one error type.
// Every other package speaks in these words.
//
// It must never do input or output, know a database, HTTP or a node, or import
// anything but the standard library and google/uuid.
package cloud
