# shellcheck shell=sh
# Print the state of a systemd unit, and which of its files are not loaded yet.
#
# A node accepts ssh before its boot has ended. So a service that is starting, or whose start is
# queued, is given a minute to start, and is not reported as stopped.
#
# Variables: unit, marks (start of the path of its marks).
: "${unit:?}" "${marks:?}"

look() { systemctl show -p UnitFileState -p ActiveState -p NeedDaemonReload -p Job "$unit"; }
seen=$(look); waited=0
while [ "$waited" -lt 60 ]; do
  case "$seen" in *ActiveState=activating*|*Job=[1-9]*) ;; *) break;; esac
  sleep 1; waited=$((waited + 1)); seen=$(look)
done
printf '%s\n' "$seen"
for how in restart reload; do
  if [ -e "$marks.$how" ]; then echo "Pending=$how"; fi
done
