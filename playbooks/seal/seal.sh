# shellcheck shell=sh
# Remove what makes this system one machine, and what its users leave behind: ids, keys, addresses,
# leases, logs and histories. The next boot makes new ids and host keys.
#
# Variables: user (who logs in).
: "${user:?}"

# -- logins: Vagrant's well-known key, which Vagrant replaces on the first boot of each machine.
# A box with another key would have to hold the private part too (vagrant#5186).
insecure='ssh-rsa AAAAB3NzaC1yc2EAAAABIwAAAQEA6NF8iallvQVp22WDkTkyrtvp9eWW6A8YVr+kz4TjGYe7gHzIw+niNltGEFHzD8+v1I2YJ6oXevct1YeS0o9HZyN1Q9qgCgzUFtdOKLv6IedplqoPkcmF0aYet2PkEDo3MlTBckFXPITAMzF8dJSIFo9D8HfdOV0IAdx4O7PtixWKn5y2hMNG0zQPyUecp4pzC6kivAIhyfHilFR61RGL+GPXQ2MWZWFYbAGjyiYJnAmCP3NOTd0jMZEnDkbUvxhMmBYSdETk1rRgm+R4LOzFUGaHqHDLKLX+FIPKcF96hrucXzcWyLbIbEgE98OHlnVYCzRdK8jlqm8tehUc9c9WhQ== vagrant insecure public key'
for home in /root /home/*; do
  [ -d "$home" ] || continue
  rm -f "$home"/.ssh/authorized_keys* "$home"/.ssh/known_hosts* "$home"/.ssh/id_* "$home"/.ssh/config
  rm -f "$home"/.*_history "$home/.lesshst" "$home/.viminfo" "$home/.netrc" "$home/.git-credentials"
  rm -rf "$home/.cache" "$home/.gnupg" "$home/.local/share/recently-used.xbel"
done
home=$(getent passwd "$user" | cut -d: -f6)
mkdir -p "$home/.ssh"
printf '%s\n' "$insecure" >"$home/.ssh/authorized_keys"
chmod 700 "$home/.ssh"
chmod 600 "$home/.ssh/authorized_keys"
chown -R "$user:" "$home/.ssh"

# -- host keys, only if the boot makes new ones
if ! ls /usr/lib/systemd/system/sshd-keygen* /lib/systemd/system/sshd-keygen* >/dev/null 2>&1; then
  cat >/etc/systemd/system/new-host-keys.service <<'END'
[Unit]
Description=Make host keys for sshd
ConditionPathExists=!/etc/ssh/ssh_host_rsa_key
Before=sshd.service ssh.service
[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -A
[Install]
WantedBy=multi-user.target
END
  systemctl enable --quiet new-host-keys.service
fi
rm -f /etc/ssh/ssh_host_*

# -- ids. The file must stay: systemd fills an empty one, and boots badly without it.
: >/etc/machine-id
[ -L /var/lib/dbus/machine-id ] || rm -f /var/lib/dbus/machine-id
rm -f /var/lib/systemd/random-seed /var/lib/random-seed

# -- network: what Vagrant configures on the first boot, and what belongs to this machine's cards
name=$(uname -n)
rm -f /etc/sysconfig/network-scripts/ifcfg-eth[1-9]* /etc/udev/rules.d/70-persistent-*
rm -f /etc/NetworkManager/system-connections/eth[1-9]* /etc/NetworkManager/system-connections/vagrant*
for file in /etc/sysconfig/network-scripts/ifcfg-*; do
  [ ! -f "$file" ] || sed -i '/^HWADDR=/d; /^UUID=/d; /^DHCP_HOSTNAME=/d' "$file"
done
rm -rf /var/lib/dhclient/* /var/lib/dhcp/* /var/lib/NetworkManager/* /var/lib/systemd/network/*
sed -i "/localhost/!{/^127\\.[0-9.]*[[:blank:]].*\\b$name\\b/d}" /etc/hosts
echo localhost.localdomain >/etc/hostname

# -- traces: logs, mail, temporary files, the package manager's cache
for unit in rsyslog.service syslog.socket auditd.service chronyd.service crond.service; do
  systemctl stop "$unit" 2>/dev/null || :
done
rm -rf /var/log/journal/* /run/log/journal/* /var/lib/cloud/* /var/cache/yum/* /var/cache/dnf/*
find /var/log -type f \( -name '*.gz' -o -name '*-[0-9]*' -o -name '*.old' -o -name '*.[0-9]' \) \
  -exec rm -f {} +
find /var/log /var/spool/mail /var/mail -type f -exec sh -c 'for file; do : >"$file"; done' sh {} + \
  2>/dev/null || :
rm -rf /var/lib/labctl/pending
rm -rf /var/lib/rsyslog/* /var/db/sudo/* /var/lib/sudo/* /var/lib/systemd/coredump/* /var/crash/*
find /tmp /var/tmp -mindepth 1 -xdev -delete 2>/dev/null || :
