#!/bin/bash
# Builds an image unless the cache has it, and prints its path: build.sh mini|debian-12 [CACHE_DIR]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ -n "${1-}" ] && [ -f "$here/$1/build.sh" ] || {
	echo "usage: build.sh mini|debian-12 [CACHE_DIR]" >&2
	exit 2
}
exec bash "$here/$1/build.sh" - "${2-}"
