# shellcheck shell=sh
# Print how a node is: lines "name value", then an empty one. Runs without sudo and starts few
# programs, because an emulated node takes 0.05 s for each.
echo "since $(uptime -s 2>/dev/null)"
echo "clock $(date +%s)"
echo "processors $(nproc)"
read -r seconds _ </proc/uptime && echo "uptime $seconds"
read -r load _ </proc/loadavg && echo "load $load"
while read -r name size _; do
  case $name in
    MemTotal:) echo "memory $size" ;;
    MemAvailable:) echo "memory-free $size" ;;
  esac
done </proc/meminfo
df -Pk / /var/lib/docker 2>/dev/null | while read -r _ size _ free _ place; do
  echo "disk $size $free $place"
done
if [ -r /etc/profile.d/labctl-proxy.sh ]; then
  read -r _ proxy </etc/profile.d/labctl-proxy.sh && echo "proxy $proxy"
fi
pid=
[ ! -r /var/run/docker.pid ] || read -r pid </var/run/docker.pid
if [ -z "$pid" ] || [ ! -d "/proc/$pid" ]; then
  if command -v dockerd >/dev/null; then
    echo "docker $(systemctl is-active docker 2>/dev/null)"
  else
    echo "docker missing"
  fi
  if [ -r /etc/docker/daemon.json ]; then
    echo "daemon-json $(head -c 65536 /etc/docker/daemon.json | base64 | tr -d '\n')"
  fi
fi 2>/dev/null
echo
