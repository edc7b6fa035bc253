# shellcheck shell=sh
# Remove this member of the network store, and its settings, which name the nodes of the lab.

config=/etc/etcd/etcd.conf
grep -qF '# Written by labctl' "$config" 2>/dev/null || exit 0
systemctl disable --now etcd 2>/dev/null || :
rm -rf /var/lib/etcd/labctl.etcd /etc/systemd/system/etcd.service.d/labctl.conf
if [ -e "$config.before-labctl" ]; then
  mv "$config.before-labctl" "$config"
else
  rm -f "$config"
fi
