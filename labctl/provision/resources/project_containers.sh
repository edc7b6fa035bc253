# shellcheck shell=sh
# A function about a project of docker-compose.
#
# Variables: project.
: "${project:?}"

containers() { # print the ids of the containers of its services
  # docker-compose takes a second to start, docker does not. Containers of `docker-compose run`
  # belong to no service.
  docker ps --all --quiet --no-trunc --filter "label=com.docker.compose.project=$project" \
    --filter label=com.docker.compose.oneoff=False
}
