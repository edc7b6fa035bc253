# shellcheck shell=sh
# Create a swarm, and leave another one first.
#
# Variables: own (address), inside ("yes" if this node is in a swarm).
: "${own:?}" "${inside?}"

[ -z "$inside" ] || docker swarm leave --force >/dev/null || exit
# It prints the join token, which belongs in no log.
docker swarm init --advertise-addr "$own" --data-path-addr "$own" >/dev/null
