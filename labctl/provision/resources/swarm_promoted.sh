# shellcheck shell=sh
# Wait until this node is a manager of its swarm, after another manager has promoted it.

waited=0
until docker info --format '{{.Swarm.ControlAvailable}}' | grep -q true; do
  [ "$waited" -lt 60 ] || exit 1
  sleep 1; waited=$((waited + 1))
done
