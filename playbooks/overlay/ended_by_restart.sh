# shellcheck shell=sh
# A function about the containers of this node.

ended_by_restart() { # print the running containers that a restart of the engine would end
  for id in $(docker ps --quiet); do
    case $(docker inspect --format '{{.HostConfig.RestartPolicy.Name}}' "$id") in
      always|unless-stopped) ;;
      *) echo "$id";;
    esac
  done
}
