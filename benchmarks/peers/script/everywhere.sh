#!/bin/sh
# everywhere.sh SSH_CONFIG SCRIPT HOST…: run a script as root on every host at once.
config=$1 script=$2
shift 2
pids=
for host in "$@"; do
  ssh -F "$config" "$host" 'sudo -n sh -s' <"$script" &
  pids="$pids $!"
done
code=0
for pid in $pids; do wait "$pid" || code=1; done
exit $code
