# shellcheck shell=sh
# Print the addresses that the node must keep reaching, and the networks that it has a route to.
#
# docker's own networks are left out. sudo removes SSH_CONNECTION, so it is read from the process
# that sudo started from.

ip -4 -o addr show docker0 2>/dev/null | while read -r _ _ _ address _; do echo "bridge $address"; done
ip -4 route show | while read -r network rest; do
  case $rest in *'dev docker'* | *'dev br-'*) continue ;; esac
  echo "route $network $rest"
done
while read -r word address _; do
  if [ "$word" = nameserver ]; then echo "address $address"; fi
done </etc/resolv.conf
pid=$$
while [ "$pid" -gt 1 ]; do
  connection=$(tr '\0' '\n' <"/proc/$pid/environ" 2>/dev/null | while IFS= read -r line; do
    case $line in SSH_CONNECTION=*) echo "${line#*=}" ;; esac
  done)
  if [ -n "$connection" ]; then echo "ssh $connection"; break; fi
  parent=
  while read -r word value; do
    if [ "$word" = PPid: ]; then parent=$value; fi
  done <"/proc/$pid/status"
  pid=${parent:-0}
done
