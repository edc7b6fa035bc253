#!/bin/bash
# customize.sh ROOT INPUTS: turns a minimal Debian at ROOT into the EL7-shaped guest.
#
# INPUTS holds files/ (laid over ROOT), seed/*.rpm (what the rpm database shall know), ca.crt,
# login.pub, and for the initrd a static busybox and initrd-init. Root only; /proc and /dev are mounted in ROOT by the caller.
set -euo pipefail
root=$1
inputs=$2
inside() { chroot "$root" "$@"; }

# -- the user that Vagrant logs in as -------------------------------------------------------------
inside groupadd -g 1000 vagrant
inside useradd -m -u 1000 -g 1000 -s /bin/bash vagrant
inside groupadd -r wheel
inside usermod -aG wheel vagrant
printf 'vagrant:vagrant\nroot:vagrant\n' | inside chpasswd

# -- identity, network scripts, yum's settings: plain files ------------------------------------------
rm -f "$root"/etc/{os-release,debian_version,motd,resolv.conf} "$root/usr/lib/os-release"
rm -rf "$root/etc/update-motd.d" "$root"/{root,home/vagrant}/.profile
cp -r --preserve=mode "$inputs/files/." "$root/"
ln -s ../usr/lib/os-release "$root/etc/os-release"
touch "$root"/etc/{motd,resolv.conf}
echo localhost.localdomain >"$root/etc/hostname"
cat "$inputs/login.pub" >>"$root/home/vagrant/.ssh/authorized_keys"
chmod 700 "$root/home/vagrant/.ssh"
chmod 600 "$root/home/vagrant/.ssh/authorized_keys"
inside chown -R vagrant:vagrant /home/vagrant
chmod 440 "$root/etc/sudoers.d/vagrant"
# EL7's path for sudo lacks /usr/local/bin: `sudo docker-compose` finds nothing there.
sed -i 's|^Defaults[[:space:]]*secure_path=.*|Defaults    secure_path = /sbin:/bin:/usr/sbin:/usr/bin|' \
  "$root/etc/sudoers"
chmod u+s "$root/usr/bin/ping"
ln -sf bash "$root/usr/bin/sh"
mkdir -p "$root/etc/pki/ca-trust/source/anchors" "$root/etc/pki/rpm-gpg" "$root/etc/yum.repos.d"
cp "$inputs/ca.crt" "$root/etc/pki/ca-trust/source/anchors/testbed-ca.pem"
inside update-ca-trust

# -- Python for dnf alone, where EL8 keeps its own: EL7 has no python3 on PATH ------------------------
mkdir -p "$root/usr/libexec"
mv "$root/usr/bin/python3.11" "$root/usr/libexec/platform-python"
rm -f "$root"/usr/bin/{python3,py3*,pdb3*,pydoc3*,pygettext3*}
for script in "$root"/usr/bin/{dnf-3,dnf4,dnf,dnf-automatic*} "$root/usr/libexec/dnf-utils-3"; do
  if [ -f "$script" ] && [ ! -L "$script" ]; then
    sed -i '1s|.*|#!/usr/libexec/platform-python -s|' "$script"
  fi
done

# -- yum and rpm ---------------------------------------------------------------------------------------
ln -sf ../../bin/dnf-3 "$root/usr/libexec/testbed/yum"
ln -sf ../yum.conf "$root/etc/dnf/dnf.conf"
# The `local` plugin breaks dnf here; the others only cost it start-up time.
rm -f "$root/etc/dnf/plugins/local.conf"
rm -f "$root"/usr/lib/python3/dist-packages/dnf-plugins/{local,copr,debug*,reposync,changelog,builddep}.py
rm -f "$root"/usr/lib/python3/dist-packages/dnf-plugins/{show_leaves,modulesync,system_upgrade}.py
rm -f "$root"/usr/lib/python3/dist-packages/dnf-plugins/{groups_manager,repograph,repoclosure}.py
rm -f "$root"/usr/lib/python3/dist-packages/dnf-plugins/{repomanage,generate_completion_cache}.py
mkdir "$root/tmp/seed"
cp "$inputs"/seed/*.rpm "$root/tmp/seed/"
inside rpm --initdb
inside sh -c 'rpm -i --force-debian --nosignature /tmp/seed/*.rpm'
rm -rf "$root/tmp/seed"
mv "$root/usr/bin/rpm" "$root/usr/libexec/testbed/rpm"
mv "$root/usr/libexec/testbed/rpm-wrapper" "$root/usr/bin/rpm"
ln -sf ../libexec/testbed/rpm "$root/usr/bin/rpmquery"
ln -sf ../libexec/testbed/rpm "$root/usr/bin/rpmverify"

# -- services ------------------------------------------------------------------------------------------
units=$root/etc/systemd/system
mkdir -p "$units"/{multi-user,sysinit}.target.wants
for unit in network sshd-keygen; do
  ln -sf "/usr/lib/systemd/system/$unit.service" "$units/multi-user.target.wants/$unit.service"
done
ln -sf /usr/lib/systemd/system/testbed-container.service "$units/sysinit.target.wants/"
ln -sf /usr/lib/systemd/system/ssh.service "$units/sshd.service"
# Nothing of Debian's housekeeping; nothing that makes a boot wait, which an emulated one does long
# (no udev: the kernel makes the device files, and names the interfaces as EL7 does); and no sysctl
# or binfmt settings, which in a container would reach the kernel of the host.
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
  e2scrub_reap.service fstrim.timer man-db.timer dnf-makecache.timer systemd-pstore.service \
  systemd-timesyncd.service getty@tty1.service serial-getty@ttyS0.service console-getty.service \
  systemd-sysctl.service systemd-binfmt.service systemd-journal-flush.service \
  systemd-update-utmp.service systemd-update-utmp-runlevel.service systemd-logind.service \
  systemd-udevd.service systemd-udevd-control.socket systemd-udevd-kernel.socket \
  systemd-udev-trigger.service systemd-udev-settle.service modprobe@.service \
  kmod-static-nodes.service sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount \
  sys-fs-fuse-connections.mount dev-hugepages.mount dev-mqueue.mount systemd-random-seed.service \
  systemd-machine-id-commit.service proc-sys-fs-binfmt_misc.automount \
  systemd-journald-audit.socket systemd-sysusers.service systemd-modules-load.service \
  systemd-remount-fs.service systemd-tmpfiles-setup-dev.service; do
  ln -sf /dev/null "$units/$unit"
done
# The journal in memory, as EL7 has it.
rm -rf "$root/var/log/journal"
# The kernel mounts the root file system; a table would only have systemd wait for the device.
: >"$root/etc/fstab"
rm -f "$root"/etc/ssh/ssh_host_*
sed -i '/^#\?UseDNS/d; /^#\?PasswordAuthentication/d' "$root/etc/ssh/sshd_config"
printf 'UseDNS no\nPasswordAuthentication yes\n' >>"$root/etc/ssh/sshd_config"
: >"$root/etc/machine-id"

# -- kernel: an initrd of one program and a handful of modules --------------------------------------
# The distribution's has a shell library and udev in it, which an emulated machine works through for
# a quarter of its boot. Packed it would only have to be unpacked.
kernel=$(basename "$root"/usr/lib/modules/*)
initrd=$root/tmp/initrd
mkdir -p "$initrd"/{bin,dev,modules,root}
cp "$inputs/busybox" "$initrd/bin/"
cp "$inputs/initrd-init" "$initrd/init"
inside depmod -a "$kernel"
# Each module behind those that it needs; what the kernel has built in is no file.
inside modprobe --set-version "$kernel" --show-depends --all virtio_pci virtio_blk virtio_net ext4 |
  awk '$1 == "insmod" && !seen[$2]++ { print 10 + n++, $2 }' |
  while read -r number module; do
    cp "$root$module" "$initrd/modules/$number-$(basename "$module")"
  done
(cd "$initrd" && find . | "$inputs/busybox" cpio -o -H newc) >"$root/boot/initramfs.img" 2>/dev/null
rm -rf "$initrd"
mv "$root"/boot/vmlinuz-* "$root/boot/vmlinuz"
rm -f "$root"/boot/{config,System.map}-*

# -- what a CentOS machine must not show, and what only costs space ------------------------------------
rm -rf "$root"/usr/bin/{apt,apt-*,dpkg,dpkg-*,perl,perl5*,perlbug,perldoc*,cpan*,debconf*} \
  "$root"/usr/sbin/{update-initramfs,mkinitramfs,update-rc.d,invoke-rc.d,dpkg-*} \
  "$root"/usr/lib/{apt,dpkg} "$root"/etc/{apt,dpkg} "$root"/var/lib/{apt,dpkg} \
  "$root"/var/cache/{apt,debconf} "$root"/var/log/{apt,dpkg.log} \
  "$root"/usr/share/{doc,man,info,locale,perl,perl5,bug,lintian,doc-base,i18n,bash-completion} \
  "$root"/usr/lib/x86_64-linux-gnu/{perl,perl5,perl-base} \
  "$root"/usr/lib/x86_64-linux-gnu/libperl.so* \
  "$root"/usr/lib/python3.11/{lib2to3,test,idlelib,turtledemo} \
  "$root"/{usr/share,usr/lib,etc}/initramfs-tools \
  "$root"/usr/lib/udev/{hwdb.d,hwdb.bin} "$root/usr/lib/file" "$root/usr/bin/rpmbuild" \
  "$root"/usr/share/zoneinfo/{right,posix}
drivers=$(echo "$root"/usr/lib/modules/*/kernel/drivers)
filesystems=$(echo "$root"/usr/lib/modules/*/kernel/fs)
rm -rf "$drivers"/../sound \
  "${drivers:?}"/{gpu,infiniband,isdn,media,iio,hid,usb,bluetooth,nvdimm} \
  "$drivers"/scsi/{[a-r]*,[t-u]*} \
  "$filesystems"/{btrfs,ceph,cifs,gfs2,ocfs2,jfs,ntfs*,reiserfs,f2fs,smb,nfs*,afs,ubifs,udf,xfs}
inside depmod -a "$(basename "$root"/usr/lib/modules/*)"
# Compiled here, or the first yum on every node takes nine seconds to do it.
find "$root/usr" -name __pycache__ -prune -exec rm -rf {} +
inside /usr/libexec/platform-python -m compileall -q -j 2 /usr/lib/python3.11 /usr/lib/python3/dist-packages || true
