// Command build builds what the tests of this module run, so that the tests need no compiler: Kubernetes, the container runtime, and our
// program for it. It must run as the user to whom the caches belong.
package main

import (
	"fmt"
	"os"

	"atoll/test/kube"
)

func main() {
	for _, build := range []func() (string, error){
		func() (string, error) { return kube.Components(os.Stderr) },
		func() (string, error) { return kube.Runtime(os.Stderr) },
	} {
		dir, err := build()
		if err != nil {
			fmt.Fprintln(os.Stderr, "kube:", err)
			os.Exit(1)
		}
		fmt.Println(dir)
	}
}
