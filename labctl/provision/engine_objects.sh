# shellcheck shell=sh
# Print what an engine on the node has made: its version, its containers and volumes, and packages
# that docker-ce conflicts with. Prints little, and starts few programs, where nothing is there.
#
# Variables: unit, packages (names).
: "${unit:?}" "${packages:?}"

pid=$(systemctl show -p MainPID "$unit" 2>/dev/null); pid=${pid#MainPID=}
if [ "${pid:-0}" != 0 ]; then echo "program $(readlink "/proc/$pid/exe")"; fi
if [ -S /var/run/docker.sock ]; then
  timeout 20 docker info --format 'engine {{.ServerVersion}} {{.DockerRootDir}} {{.Driver}} {{.Containers}} {{.ContainersRunning}} {{.Swarm.LocalNodeState}}' 2>/dev/null
fi
count() { if [ -d "$1" ]; then find "$1" -mindepth 1 -maxdepth 1 -type d | wc -l; else echo 0; fi; }
# The engine may be stopped: then its folder tells.
for root in /var/lib/docker $(grep -ho '"\(data-root\|graph\)"[[:space:]]*:[[:space:]]*"[^"]*"' \
    /etc/docker/daemon.json 2>/dev/null | grep -o '/[^"]*'); do
  [ -d "$root" ] || continue
  # shellcheck disable=SC2012 # the names are those of storage drivers
  driver=$(ls "$root/image" 2>/dev/null | head -n 1)
  swarm=inactive; [ ! -s "$root/swarm/docker-state.json" ] || swarm=active
  echo "root $root ${driver:--} $(count "$root/containers") $(count "$root/volumes") $swarm"
done
conflicting=
for program in dockerd-current docker-current docker-runc podman docker-containerd; do
  if [ -e "/usr/bin/$program" ]; then conflicting=yes; fi
done
if [ -e /usr/bin/runc ] && [ ! -e /usr/bin/containerd ]; then conflicting=yes; fi
if [ -n "$conflicting" ]; then
  # shellcheck disable=SC2086
  rpm -q --qf 'package %{NAME} %{VERSION}-%{RELEASE}\n' $packages 2>/dev/null | grep '^package [^ ]* [0-9]'
fi
exit 0
