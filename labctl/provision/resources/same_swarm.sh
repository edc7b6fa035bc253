# shellcheck shell=sh
# A function that compares the swarm of this node with the swarm of its manager.
#
# Variables: manager (address), port.
: "${manager:?}" "${port:?}"

same_swarm() { # fail if the manager is in another swarm than this node, or in none
  authority=$(docker info --format '{{.DockerRootDir}}')/swarm/certificates/swarm-root-ca.crt
  [ -e "$authority" ] || return 1
  # curl returns 60 if the authority of this swarm has not signed the certificate of the other end,
  # and 7 if nothing accepts the connection. It also fails because the manager asks for a client
  # certificate, which does not matter here.
  curl --silent --noproxy '*' --output /dev/null --max-time 10 --cacert "$authority" \
    --resolve "swarm-manager:$port:$manager" "https://swarm-manager:$port/"
  case $? in 7|60) return 1;; esac
}
