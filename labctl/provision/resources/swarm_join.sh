# shellcheck shell=sh
# Join the swarm of a manager as a worker. Needs same_swarm.sh.
#
# A node that is in the swarm already, as far as it knows, first waits for its manager: the engine
# there may be restarting, or may just have become a manager again. A node learns of a new manager
# within seconds.
#
# Variables: own (address), manager, port, answer (join token), inside ("yes" if this node is in a
# swarm), known ("yes" if it is there by its address in the lab).
: "${own:?}" "${manager:?}" "${port:?}" "${answer?}" "${inside?}" "${known?}"

at=$manager:$port
if [ -n "$known" ]; then
  waited=0
  while same_swarm; do
    if docker info --format '{{range .Swarm.RemoteManagers}} {{.Addr}} {{end}}' | grep -qF " $at "
    then exit 0; fi
    if [ "$waited" -ge 60 ]; then echo "this node does not see its manager $at"; exit 1; fi
    sleep 1; waited=$((waited + 1))
  done
fi
[ -z "$inside" ] || docker swarm leave --force >/dev/null || exit
docker swarm join --token "$answer" --advertise-addr "$own" --data-path-addr "$own" "$at"
