package main

import (
	"context"
	"path/filepath"

	"atoll/internal/cli/octo"
)

// octoArgs returns the arguments for Octopod's command line, and whether the program
// was called as that: by the name octo, or as `atoll octo`.
func octoArgs(argv []string) ([]string, bool) {
	switch {
	case len(argv) > 0 && filepath.Base(argv[0]) == "octo":
		return argv[1:], true
	case len(argv) > 1 && argv[1] == "octo":
		return argv[2:], true
	}
	return nil, false
}

// runOcto runs it. Its errors and exit codes are Octopod's.
func runOcto(ctx context.Context, args []string) int {
	root := octo.New(octo.EnvOfProcess(version))
	root.SetArgs(args)
	return octo.Execute(ctx, root)
}
