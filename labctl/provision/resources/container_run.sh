# shellcheck shell=sh
# Functions that replace a container and wait until it answers.
#
# Variables: name, ready (sh that succeeds as soon as the container answers), seconds.
: "${name:?}" "${ready:?}" "${seconds:?}"

replace() { # COMMAND…: remove the container and run the command, which starts the new one
  docker container rm --force "$name" >/dev/null 2>&1 || :
  "$@" || exit
}

wait_until_ready() {
  waited=0
  until ( eval "$ready" ); do
    if [ "$waited" -ge "$seconds" ]; then
      docker logs --tail 20 "$name"
      echo "it does not answer after $seconds seconds"; exit 1
    fi
    sleep 1; waited=$((waited + 1))
  done
}
