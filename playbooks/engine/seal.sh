# shellcheck shell=sh
# Remove what makes this engine that of one lab: identity, swarm, certificates and logins. Unless
# they are kept, remove containers, volumes and networks. Images stay.
#
# Variables: daemon (daemon.json without what belongs to the lab; empty: none), owned (which of it
# labctl wrote), keep (not empty: keep containers, volumes and networks).
: "${daemon?}" "${owned?}" "${keep?}"

command -v dockerd >/dev/null || exit 0
root=/var/lib/docker

replace() { # FILE TEXT
  if [ -n "$2" ]; then printf '%s\n' "$2" >"$1"; else rm -f "$1"; fi
}

stop() {
  systemctl stop docker.socket docker.service containerd.service 2>/dev/null || :
}

forget() { # what the engine makes again
  rm -rf "$root/swarm" "$root/engine-id" /etc/docker/key.json /etc/docker/certs.d
  [ -n "$keep" ] || rm -rf "$root/network/files" "$root"/tmp/*
  replace /etc/docker/daemon.json "$daemon"
  replace /var/lib/labctl/daemon-keys.json "$owned"
}

empty() { # Only the engine removes a container with its layers.
  docker ps --all --quiet | xargs -r docker rm --force --volumes >/dev/null
  docker volume ls --quiet | xargs -r docker volume rm --force >/dev/null
  docker network prune --force >/dev/null
  docker builder prune --all --force >/dev/null 2>&1 || :
}

if ! root=$(timeout 120 docker info --format '{{.DockerRootDir}}' 2>/dev/null); then
  # It waits for its swarm or its store, so it starts again without them.
  root=/var/lib/docker
  stop
  forget
  if [ -z "$keep" ]; then
    systemctl reset-failed docker.service 2>/dev/null || :
    systemctl start docker.service
  fi
fi
if [ -z "$keep" ]; then
  docker swarm leave --force >/dev/null 2>&1 || :
  empty
fi
stop
forget
for home in /root /home/*; do
  rm -rf "$home/.docker"
done
