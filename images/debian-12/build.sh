#!/bin/bash
# Builds the image debian-12: build.sh OUTPUT.qcow2|- [CACHE_DIR]
. "$(dirname "$0")/../lib.sh"

packages=linux-image-cloud-amd64,initramfs-tools,zstd,systemd-sysv,systemd-resolved,systemd-timesyncd
packages+=,libpam-systemd,dbus,udev,kmod,cloud-init,cloud-guest-utils,fdisk,e2fsprogs,openssh-server,sudo
packages+=,iproute2,iputils-ping,netbase,ca-certificates,less,vim-tiny,qemu-guest-agent

# What a server that boots often under emulation can do without.
masked="apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service dpkg-db-backup.timer
	systemd-pstore.service cloud-init-hotplugd.socket"

build() {
	local root=$work/root unit
	bootstrap "$root" minbase "$packages" \
		--essential-hook="cp -r --no-preserve=mode,ownership '$images/debian-12/early/.' \"\$1/\" && chmod 755 \"\$1/etc/initramfs-tools/hooks/drivers\""
	cp -r --no-preserve=mode,ownership "$images/debian-12/root/." "$root/"
	chmod 755 "$root"/etc/kernel/postinst.d/zz-syslinux "$root"/etc/initramfs/post-update.d/zz-syslinux
	for unit in $masked; do
		ln -sf /dev/null "$root/etc/systemd/system/$unit"
	done
	chroot "$root" systemctl --quiet enable systemd-networkd systemd-resolved systemd-timesyncd
	ln -sf ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"
	chroot "$root" passwd --quiet --lock root
	rm -f "$root"/etc/ssh/ssh_host_* "$root"/var/lib/dbus/machine-id "$root"/etc/hostname
	: >"$root/etc/machine-id"

	mkdir "$work/boot"
	cp -L "$root/vmlinuz" "$work/boot/linux"
	cp -L "$root/initrd.img" "$work/boot/initrd"
	cp "$images/debian-12/syslinux.cfg" "$work/boot/"
	mkdir -p "$root/boot/syslinux"
	disk "$1" "$work/boot" 127 "$root" 1920 debian
}

image debian-12 "$@"
