# shellcheck shell=sh
# Fail if etcd still runs on a node that the store's members have removed. Needs store.sh.
#
# While the members still list this node, etcd goes on: it may be part of their majority.
#
# Variables: config, mark (a line of labctl's own etcd.conf), own_url, members (addresses).
: "${config:?}" "${mark:?}" "${own_url:?}" "${members:?}"

if ! grep -qF "$mark" "$config" 2>/dev/null || ! systemctl is-enabled --quiet etcd; then exit 0; fi
for at in $members; do
  if healthy "$at" && ! members "$at" | grep -qF "\"$own_url\""; then exit 1; fi
done
