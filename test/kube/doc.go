// Package kube gives tests a real Kubernetes that needs no set-up: the control plane of the newest release that can be built from Go's
// module proxy, fake nodes for numbers and states, and one real node that runs containers. It listens on loopback and on links that it
// made itself, ends with the test process, and must never touch a cluster, a network or a folder that it did not create.
package kube
