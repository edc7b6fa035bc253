#!/bin/bash
# configure.sh ROOT: gives an unpacked Debian what its packages' own scripts would have made, as far
# as the guest needs it. They would take three times as long as unpacking, much of it for apt, dpkg
# and perl, which the guest does not keep.
set -euo pipefail
root=$1
etc=$root/etc
inside() { chroot "$root" "$@"; }

# -- folders and links of base-files -----------------------------------------------------------------
mkdir -p "$root"/{media,mnt,opt,srv,root,proc,sys,dev,run,tmp} "$root"/var/{mail,opt,tmp} \
  "$root"/usr/local/{bin,etc,include,lib,sbin,share,src}
chmod 700 "$root/root"
chmod 1777 "$root"/{tmp,var/tmp}
rm -rf "$root"/var/{run,lock}
ln -s /run "$root/var/run"
ln -s /run/lock "$root/var/lock"
ln -s ../mail "$root/var/spool/mail"
ln -s ../proc/self/mounts "$etc/mtab"
ln -s /usr/share/zoneinfo/Etc/UTC "$etc/localtime"
echo Etc/UTC >"$etc/timezone"
cp "$root/usr/share/readline/inputrc" "$etc/inputrc"
touch "$etc"/{environment,subuid,subgid}
printf '%s\n' /bin/sh /bin/bash /usr/bin/sh /usr/bin/bash >"$etc/shells"

# -- users and groups --------------------------------------------------------------------------------
for name in passwd group; do cp "$root/usr/share/base-passwd/$name.master" "$etc/$name"; done
inside pwconv
inside grpconv
inside systemd-sysusers 2>/dev/null
for group in _ssh input kvm render sgx; do inside groupadd --system "$group"; done
inside useradd --system --gid nogroup --home-dir /run/sshd --shell /usr/sbin/nologin sshd
inside chown root:shadow /etc/shadow /etc/gshadow
chmod 640 "$etc"/{shadow,gshadow}
inside chown root:mail /var/mail
chmod 2775 "$root/var/mail"
inside chown root:messagebus /usr/lib/dbus-1.0/dbus-daemon-launch-helper
chmod 4754 "$root/usr/lib/dbus-1.0/dbus-daemon-launch-helper"
for name in wtmp btmp lastlog; do touch "$root/var/log/$name"; done
inside chown root:utmp /var/log/wtmp /var/log/btmp /var/log/lastlog
chmod 664 "$root"/var/log/{wtmp,lastlog}
chmod 660 "$root/var/log/btmp"

# -- logins ------------------------------------------------------------------------------------------
for kind in account auth password session; do
  echo "$kind required pam_unix.so" >"$etc/pam.d/common-$kind"
done
cp "$etc/pam.d/common-session" "$etc/pam.d/common-session-noninteractive"
cp "$root/usr/share/openssh/sshd_config" "$etc/ssh/sshd_config"
chmod 440 "$etc/sudoers"
mkdir -p "$etc/systemd/system/multi-user.target.wants"
for unit in ssh.service remote-fs.target; do
  ln -s "/lib/systemd/system/$unit" "$etc/systemd/system/multi-user.target.wants/$unit"
done

# -- one program under several names, which Debian calls alternatives --------------------------------
alternative() { # alternative PROGRAM NAME…
  local program=$1 name
  shift
  for name in "$@"; do ln -s "${program##*/}" "$root${program%/*}/$name"; done
}
for family in iptables ip6tables ebtables arptables; do
  for part in "" -save -restore; do
    alternative "/usr/sbin/$family-nft$part" "$family$part"
  done
done
alternative /usr/bin/mawk awk nawk
alternative /usr/bin/which.debianutils which
alternative /usr/bin/vim.tiny vi view ex editor
alternative /usr/bin/less pager
alternative /usr/bin/xz lzma unlzma lzcat

# -- certificates and libraries ----------------------------------------------------------------------
mkdir -p "$etc/ssl/certs"
cat "$root"/usr/share/ca-certificates/mozilla/*.crt >"$etc/ssl/certs/ca-certificates.crt"
inside ldconfig
