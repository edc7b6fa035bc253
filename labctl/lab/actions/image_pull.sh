# shellcheck shell=sh
# Pull an image if it is missing, and give it its local name.
#
# Variables: local (repository and tag), source (what it is pulled by).
: "${local:?}" "${source:?}"

docker image inspect "$local" >/dev/null 2>&1 && exit 0
docker pull "$source" && if [ "$source" != "$local" ]; then docker tag "$source" "$local"; fi
