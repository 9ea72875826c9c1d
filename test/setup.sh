#!/usr/bin/env bash
# Installs what `make test`, `make demo` or `make bench` needs and this machine lacks:
# test/setup.sh [test|demo|bench].
# Does nothing, quickly, if nothing is missing. Installs from Debian's (or Ubuntu's) packages only.
set -euo pipefail

# Machines, disks, networks, and the image `mini`.
demo=(qemu-system-x86 qemu-utils dnsmasq-base nftables iproute2 mmdebstrap extlinux syslinux-common
	mtools dosfstools xorriso genisoimage busybox-static dropbear-bin cpio zstd openssh-client
	e2fsprogs curl ca-certificates)
# What the tests need beyond it: a C compiler for the race detector, a database, for charts from git
# and the node that runs containers, git and what runc is linked with, and a browser for the portal.
test=(gcc libc6-dev postgresql git libseccomp-dev chromium fonts-dejavu-core)
# The databases that are measured, and the servers of the job systems beside which Atoll is.
bench=(postgresql redis-server nats-server)

# One program for each of the packages above that brings one, for systems without dpkg.
programs() {
	echo qemu-system-x86_64 qemu-img dnsmasq nft ip mmdebstrap extlinux mtools mkfs.vfat xorriso \
		genisoimage busybox dropbear cpio zstd ssh mkfs.ext4 curl
	[[ $mode != test ]] || echo gcc git chromium
	[[ $mode != bench ]] || echo redis-server nats-server
}

die() {
	printf 'setup: %s\n' "$@" >&2
	exit 1
}

mode=${1:-test}
case $mode in
test) packages=("${demo[@]}" "${test[@]}") ;;
demo) packages=("${demo[@]}") ;;
bench) packages=("${demo[@]}" "${bench[@]}") ;;
*) die "usage: test/setup.sh [test|demo|bench]" ;;
esac
PATH=$PATH:/usr/sbin:/sbin

[[ $(uname -s) == Linux && $(uname -m) == x86_64 ]] ||
	die "Atoll's nodes are Linux on x86-64; this is $(uname -s) on $(uname -m)." \
		"Go on in a virtual machine with Debian 12 or newer."
command -v go >/dev/null ||
	die "Go is missing: install the version that go.mod names, from https://go.dev/dl, and put it in PATH."

for p in node npm; do
	command -v $p >/dev/null ||
		die "$p is missing: install Node.js 20 or newer with npm, which build the portal (Debian: apt install nodejs npm)."
done

as_root=()
if ((EUID != 0)); then
	command -v sudo >/dev/null ||
		die "You are not root and there is no sudo, but machines and networks need root." \
			"Go on as root: su -c 'make $mode', or install sudo."
	as_root=(sudo)
fi

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
	missing=()
	for p in $(programs); do command -v "$p" >/dev/null || missing+=("$p"); done
	[[ $mode == demo ]] || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null ||
		missing+=("PostgreSQL in /usr/lib/postgresql/VERSION/bin")
	((${#missing[@]})) || exit 0
	die "This is not Debian, and I can install with apt only. These programs are missing:" \
		"${missing[*]}" "Install them by your system's means and run this again; on Debian they are" \
		"the packages: ${packages[*]}"
fi

missing=()
status=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "${packages[@]}" 2>/dev/null || true)
for p in "${packages[@]}"; do
	grep -qxF "$p installed" <<<"$status" || missing+=("$p")
done
((${#missing[@]})) || exit 0

apt() {
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@" </dev/null
}
install() {
	apt install -y --no-install-recommends "$@"
}

# No package starts a server for the whole machine: tests and benchmarks start their own
# (invoke-rc.d asks this program). The machine's own policy, if it has one, is left alone.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
	trap '"${as_root[@]}" rm -f "$policy"' EXIT
	"${as_root[@]}" sh -c 'printf "#!/bin/sh\nexit 101\n" >"$0" && chmod 0755 "$0"' "$policy"
fi

echo "setup: installing ${missing[*]}"
compgen -G '/var/lib/apt/lists/*Packages*' >/dev/null || apt update
# The tests start their own PostgreSQL. Debian's package would create and start one for the
# whole machine: say no before its first installation.
if [[ " ${missing[*]} " == *" postgresql "* ]] && ! compgen -G '/etc/postgresql/*/main' >/dev/null; then
	install postgresql-common || { apt update && install postgresql-common; }
	"${as_root[@]}" sed -i -E 's/^#?\s*create_main_cluster\s*=.*/create_main_cluster = false/' \
		/etc/postgresql-common/createcluster.conf
fi
install "${missing[@]}" || { apt update && install "${missing[@]}"; } ||
	die "apt-get could not install: ${missing[*]}" \
		"See its message above: is a mirror reachable, and is 'main' in the sources list?" \
		"When they are installed by other means, run this again."
