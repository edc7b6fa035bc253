# shellcheck shell=sh
# Print "forwarding off" if an engine runs and the kernel does not forward its packets. An engine
# turns it on when it starts.

pid=
[ ! -r /var/run/docker.pid ] || read -r pid </var/run/docker.pid
if [ -n "$pid" ] && [ -d "/proc/$pid" ] && read -r forwards </proc/sys/net/ipv4/ip_forward; then
  [ "$forwards" = 1 ] || echo "forwarding off"
fi
