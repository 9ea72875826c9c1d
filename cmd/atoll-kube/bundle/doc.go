// Package bundle is the control scripts of a project whose deployments are Helm releases. It speaks the contract of control scripts
// (arguments, exit codes, CSV) on one side and to Helm, the cluster and the registries on the other. The release in the cluster says what
// is deployed, the arguments say what should be; the package must never keep a state of its own beside them, print a secret, or write to
// stdout what is not the script's answer.
package bundle
