# shellcheck shell=sh
# Print what is wrong with the running engine: a program that is not the one that would start now, and
# firewall rules that are gone. Prints nothing for an engine that does not run.
#
# Variables: unit.
: "${unit:?}"

pid=$(systemctl show -p MainPID "$unit" 2>/dev/null); pid=${pid#MainPID=}
[ "${pid:-0}" != 0 ] || exit 0
program=$(readlink "/proc/$pid/exe")
start=$(systemctl show -p ExecStart "$unit" 2>/dev/null); start=${start#*path=}; start=${start%% *}
case $program in
*' (deleted)') echo program ;;
"$(readlink -f "$start")") ;;
# The unit was changed, and the engine not restarted since.
*) [ ! -e "$start" ] || echo program ;;
esac
# The engine may be told to make no rules, or no bridge.
case $(tr '\0' ' ' <"/proc/$pid/cmdline") in *--iptables=false* | *--bridge=none* | *--ip-masq=false*) exit 0 ;; esac
if grep -qs '"iptables"[[:space:]]*:[[:space:]]*false' /etc/docker/daemon.json; then exit 0; fi
grep -qs '^ *docker0:' /proc/net/dev || exit 0
command -v iptables >/dev/null || exit 0
rules=$(iptables -w -t nat -S 2>/dev/null) || exit 0
case $rules in *'-A PREROUTING'*'-j DOCKER'*) ;; *) echo 'rules nat' ;; esac
# A new network brings back the rules that all share, but not the one of the default bridge.
if ! grep -qs '"ip-masq"[[:space:]]*:[[:space:]]*false' /etc/docker/daemon.json; then
  case $rules in *'! -o docker0 -j MASQUERADE'*) ;; *) echo 'rules nat' ;; esac
fi
rules=$(iptables -w -S FORWARD 2>/dev/null) || exit 0
case $rules in *'-j DOCKER'*) ;; *) echo 'rules filter' ;; esac
