#!/bin/bash
# Builds the image mini: build.sh OUTPUT.qcow2|- [CACHE_DIR]
. "$(dirname "$0")/../lib.sh"

# Modules that the guest may need; what they depend on is added.
modules="virtio_pci virtio_blk virtio_net virtio_rng virtio_scsi virtio_console virtio_balloon
	ata_piix sd_mod sr_mod isofs vfat nls_cp437 nls_ascii nls_iso8859-1 nls_utf8 button evdev"

# add FILE... copies files of the packages into the guest's tree, with the libraries they load.
add() {
	local file lib
	for file; do
		install -D "$work/debian/$file" "$work/root/$file"
		# A static program has none, which is an error here and no line.
		{ chroot "$work/debian" /lib64/ld-linux-x86-64.so.2 --list "/$file" 2>/dev/null || true; } |
			sed -n 's/.*[ \t]\(\/[^ ]*\).*/\1/p' | while read -r lib; do
			[ -e "$work/root/$lib" ] || install -D "$work/debian/$lib" "$work/root/$lib"
		done
	done
}

add_modules() {
	local kernel=$1 module path dir=$work/debian/lib/modules/$1
	mkdir -p "$work/root/lib/modules/$kernel"
	for module in $modules; do
		grep -q "/${module//[-_]/[-_]}\.ko$" "$dir/modules.builtin" && continue
		modprobe --set-version "$kernel" --dirname "$work/debian" --show-depends "$module"
	done | awk '$1 == "insmod" { print $2 }' | sort -u | while read -r path; do
		install -D -m 644 "$path" "$work/root/${path#"$work/debian/"}"
	done
	cp "$dir"/modules.{order,builtin,builtin.modinfo} "$work/root/lib/modules/$kernel/"
	depmod --basedir "$work/root" "$kernel"
}

build() {
	local kernel
	need kmod
	bootstrap "$work/debian" extract linux-image-cloud-amd64,busybox-static,dropbear-bin,openssh-sftp-server
	kernel=$(cd "$work/debian/lib/modules" && echo *)
	depmod --basedir "$work/debian" "$kernel"

	mkdir -p "$work"/root/{bin,sbin,dev,proc,sys,run,tmp,data,root,var/log,usr/bin,usr/sbin,etc}
	cp -r --no-preserve=mode,ownership "$images/mini/root/." "$work/root/"
	(cd "$work/root" && chmod 755 init etc/rc etc/rc.shutdown etc/acpi/PWRF/00000080 \
		usr/lib/mini/user-data usr/lib/mini/power-button usr/share/udhcpc/default.script)
	chmod 600 "$work/root/etc/shadow"
	chmod 700 "$work/root/root"
	add bin/busybox usr/sbin/dropbear usr/bin/dropbearkey usr/lib/openssh/sftp-server
	ln -s openssh/sftp-server "$work/root/usr/lib/sftp-server"
	chroot "$work/root" /bin/busybox --install -s
	add_modules "$kernel"

	mkdir "$work/boot" "$work/data"
	(cd "$work/root" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0) | zstd -q -12 >"$work/boot/initrd"
	cp "$work/debian/boot/vmlinuz-$kernel" "$work/boot/linux"
	cp "$images/mini/syslinux.cfg" "$work/boot/"
	disk "$1" "$work/boot" 40 "$work/data" 32 mini-data
}

image mini "$@"
