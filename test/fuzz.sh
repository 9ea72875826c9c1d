#!/usr/bin/env bash
# Runs each fuzz test of the module for so many seconds, or all of them together for about so
# many: test/fuzz.sh 60 | test/fuzz.sh --together 40. What it finds is a file below the
# test's testdata/fuzz, which go test runs from then on: commit it with the repair.
set -euo pipefail
cd "$(dirname "$0")/.."

tests=$(grep -rEo '^func Fuzz[A-Za-z0-9_]+' --include='*_test.go' . | sed 's|^\./||; s|/[^/]*:func | |' | sort -u)
if [[ ${1:-} == --together ]]; then
	n=$(wc -l <<<"$tests")
	each=$((($2 + n - 1) / n))
else
	each=${1:-60}
fi
while read -r package name; do
	echo "== $package $name, $each s"
	if ! out=$(go test "./$package" -run '^$' -fuzz "^$name\$" -fuzztime "${each}s" 2>&1); then
		echo "$out"
		exit 1
	fi
	tail -n 1 <<<"$out"
done <<<"$tests"
