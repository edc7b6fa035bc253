# shellcheck shell=sh
# A function that starts a member without data.
#
# Variables: wal, first_start.
: "${wal:?}" "${first_start:?}"

start() { # CLUSTER STATE: values for ETCD_INITIAL_CLUSTER and ETCD_INITIAL_CLUSTER_STATE
  printf 'ETCD_INITIAL_CLUSTER="%s"\nETCD_INITIAL_CLUSTER_STATE="%s"\n' "$1" "$2" >"$first_start"
  systemctl daemon-reload
  systemctl reset-failed etcd 2>/dev/null || :
  systemctl restart etcd || :
  waited=0
  until [ -d "$wal" ]; do
    if [ "$waited" -ge 30 ]; then
      rm -f "$first_start"
      systemctl status --no-pager --full --lines=15 etcd
      exit 1
    fi
    sleep 1; waited=$((waited + 1))
  done
  rm -f "$first_start"
}
