package main

import "golang.org/x/crypto/acme/autocert"

// autocertDir keeps ACME's keys and certificates in a folder of the controller.
func autocertDir(dir string) autocert.Cache { return autocert.DirCache(dir) }
