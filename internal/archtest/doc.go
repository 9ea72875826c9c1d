// Package archtest holds the rules of this code base that a compiler does not check, as tests:
// who may import whom, package comments, the size of files and functions, banned constructs.
// It parses the files themselves, so that no cached answer of another tool can hide a breach.
// It must never be imported, and a rule is never switched off for one place: change the code,
// or change the rule for all.
package archtest
