# Shared by the build scripts of all images; sourced, never run.
#
# Nothing here mounts a file system or needs a loop device: file trees become file systems with
# `mke2fs -d` and mtools, so the scripts also work in a container.

set -euo pipefail
umask 022
images=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# The release that all images are made from.
suite=bookworm

say() { echo "image: $*" >&2; }
die() { say "$*"; exit 1; }

# need PACKAGE... installs what is missing of the given Debian packages on this machine.
need() {
	local pkg missing=()
	command -v apt-get >/dev/null || die "needs Debian's apt-get; build on a Debian machine and copy the image"
	for pkg; do
		dpkg-query -W -f '${db:Status-Abbrev}' "$pkg" 2>/dev/null | grep -q '^ii' || missing+=("$pkg")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	say "installing ${missing[*]}"
	local install=(apt-get install -qq -y --no-install-recommends -o DPkg::Lock::Timeout=300 "${missing[@]}")
	export DEBIAN_FRONTEND=noninteractive
	"${install[@]}" >&2 </dev/null || { apt-get update -qq >&2 || true; "${install[@]}" >&2 </dev/null; } ||
		die "cannot install ${missing[*]}; install them by hand and try again"
}

# sources prints the apt sources of the suite, on the mirrors that this machine's apt uses.
sources() {
	local targets main security
	targets=$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages')
	if ! grep -q '^Debian ' <<<"$targets"; then
		apt-get update -qq >&2
		targets=$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages')
	fi
	main=$(awk '$1 == "Debian" { print $2; exit }' <<<"$targets")
	security=$(awk '$1 == "Debian-Security" { print $2; exit }' <<<"$targets")
	[ -n "$main" ] || die "this machine's apt has no Debian source; add one to /etc/apt/sources.list.d"
	echo "deb $main $suite main"
	echo "deb $main $suite-updates main"
	[ -z "$security" ] || echo "deb $security $suite-security main"
}

# bootstrap DIR VARIANT PACKAGE,... [MMDEBSTRAP OPTION...] fills DIR with Debian packages. It
# uses the machine's own way to the mirror (proxy, timeouts), and leaves no trace of it in DIR.
bootstrap() {
	local dir=$1 variant=$2 packages=$3
	shift 3
	apt-config dump --format '%F "%v";%n' Acquire::http Acquire::https Acquire::Retries >"$work/apt.conf"
	sources >"$work/sources.list"
	say "fetching Debian packages"
	mmdebstrap --quiet --mode=root --variant="$variant" --include="$packages" --aptopt="$work/apt.conf" \
		--keyring=/usr/share/keyrings/debian-archive-keyring.gpg "$@" "$suite" "$dir" "$work/sources.list" >&2
	rm -f "$dir/etc/apt/apt.conf.d/99mmdebstrap"
}

# disk OUT BOOT BOOT_MIB ROOT ROOT_MIB LABEL writes a qcow2 disk that a BIOS boots: partition 1 is
# FAT, labelled BOOT, with SYSLINUX and the files of directory BOOT (which must have a
# syslinux.cfg); partition 2 is ext4, labelled LABEL, with the tree ROOT. It is last so that it
# can grow with the disk.
disk() {
	local out=$1 boot=$2 boot_mib=$3 root=$4 root_mib=$5 label=$6 raw="$work/disk.raw" part="$work/part"
	truncate -s "$((1 + boot_mib + root_mib + 1))M" "$raw"
	sfdisk --quiet --label dos "$raw" <<-PARTITIONS
		start=1MiB, size=${boot_mib}MiB, type=c, bootable
		start=$((1 + boot_mib))MiB, size=${root_mib}MiB, type=83
	PARTITIONS
	dd if=/usr/lib/syslinux/mbr/mbr.bin of="$raw" bs=440 count=1 conv=notrunc status=none

	truncate -s "${boot_mib}M" "$part"
	mkfs.vfat -n BOOT -h 2048 "$part" >/dev/null
	MTOOLS_SKIP_CHECK=1 mcopy -s -i "$part" "$boot"/* ::
	syslinux --install "$part"
	dd if="$part" of="$raw" bs=1M seek=1 conv=notrunc,sparse status=none
	rm "$part"

	truncate -s "${root_mib}M" "$part"
	mke2fs -q -t ext4 -m 1 -L "$label" -d "$root" "$part"
	dd if="$part" of="$raw" bs=1M seek=$((1 + boot_mib)) conv=notrunc,sparse status=none
	rm "$part"

	qemu-img convert -f raw -O qcow2 -c -o compression_type=zstd "$raw" "$out"
	rm "$raw"
}

# key NAME prints a hash over everything in the project that the image depends on.
key() {
	(cd "$images" && find lib.sh "$1" -type f | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -c1-12)
}

# image NAME OUTPUT [CACHE_DIR] is the body of each build script: it builds the image with the
# script's function `build FILE` unless the cache has it, puts it at OUTPUT ("-": leaves it in the
# cache) and prints where it is. Scripts that run at the same time wait for each other.
image() {
	local name=$1 out=${2-} cache=${3:-${XDG_CACHE_HOME:-$HOME/.cache}/atoll/images} cached
	[ -n "$out" ] || die "usage: $name/build.sh OUTPUT.qcow2|- [CACHE_DIR]"
	mkdir -p "$cache"
	cache=$(cd "$cache" && pwd)
	cached=$cache/$name-$(key "$name").qcow2

	if [ ! -e "$cached" ]; then
		if [ "$(id -u)" != 0 ]; then
			command -v sudo >/dev/null || die "building $name needs root, and there is no sudo; run it as root"
			sudo -- bash "$images/$name/build.sh" - "$cache" >/dev/null
		else
			exec 9>"$cache/$name.lock"
			flock 9
			[ -e "$cached" ] || (cache_build "$cached")
			exec 9>&-
		fi
	fi
	[ "$out" != - ] || out=$cached
	[ "$out" -ef "$cached" ] || { cp --reflink=auto "$cached" "$out.tmp" && mv "$out.tmp" "$out"; }
	echo "$out"
}

# cache_build FILE runs build in a work directory that is removed at the end, however it ends.
cache_build() {
	result=$1
	say "building $result"
	work=$(mktemp -d "${TMPDIR:-/var/tmp}/atoll-image.XXXXXX")
	trap 'rm -rf --one-file-system "$work" "$result.tmp"' EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	need util-linux fdisk dosfstools mtools syslinux syslinux-common e2fsprogs qemu-utils \
		mmdebstrap debian-archive-keyring cpio zstd
	build "$result.tmp"
	chmod 644 "$result.tmp"
	mv "$result.tmp" "$result"
}
