#!/usr/bin/env bash
# Runs each fuzz test of the module for a time or a number of inputs: test/fuzz.sh 60s | 10000x.
# What it finds is a file below the test's testdata/fuzz, which go test runs from then on: commit
# it with the repair.
#
# A run that has to pass every time (make test) counts inputs: one that ends by time now and then
# fails with "context deadline exceeded", without a finding (golang/go#75804).
set -euo pipefail
cd "$(dirname "$0")/.."

grep -rEo '^func Fuzz[A-Za-z0-9_]+' --include='*_test.go' --exclude-dir=node_modules . | sed 's|^\./||; s|/[^/]*:func | |' | sort -u |
	while read -r package name; do
		echo "== $package $name, $1"
		if ! out=$(go test "./$package" -run '^$' -fuzz "^$name\$" -fuzztime "$1" -fuzzminimizetime 1s 2>&1 </dev/null); then
			echo "$out"
			exit 1
		fi
		tail -n 1 <<<"$out"
	done
