// Command atoll-kube is the control-script bundle `helm`: one program that is each script of the contract, by the name it is called by or
// by its first argument. It never runs as a service and keeps nothing but caches: what it knows about a deployment it reads from the cluster.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"atoll/cmd/atoll-kube/bundle"
)

const usage = `usage: atoll-kube install DIR [HELM.YAML]     make a control-script folder of this program in DIR
       atoll-kube rbac NAMESPACE              print the Role that it needs there, for kubectl apply
       atoll-kube SCRIPT [ARGUMENTS]          run a control script: create, update, check, ...`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args))
}

// run answers as the script that the program was called as.
func run(ctx context.Context, argv []string) int {
	name, args := filepath.Base(argv[0]), argv[1:]
	if !bundle.IsScript(name) {
		if len(args) == 0 {
			fmt.Fprintln(os.Stderr, usage)
			return 2
		}
		name, args = args[0], args[1:]
	}
	var err error
	switch {
	case bundle.IsScript(name):
		return bundle.Run(ctx, bundle.Call{Script: name, Args: args, Dir: dir(argv[0]), Stdout: os.Stdout, Stderr: os.Stderr})
	case name == "install" && (len(args) == 1 || len(args) == 2):
		err = bundle.Install(args)
	case name == "rbac" && len(args) == 1:
		err = bundle.WriteRBAC(os.Stdout, args[0])
	default:
		fmt.Fprintln(os.Stderr, usage)
		return 2
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "atoll-kube:", err)
		return 1
	}
	return 0
}

// dir returns the bundle's folder: where the name stands by which the program was called.
func dir(argv0 string) string {
	if filepath.Base(argv0) == argv0 { // found in PATH
		if exe, err := os.Executable(); err == nil {
			return filepath.Dir(exe)
		}
	}
	return filepath.Dir(argv0)
}
