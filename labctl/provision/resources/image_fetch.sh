# shellcheck shell=sh
# Pull an image from the registry of the lab and accept it only with the expected id.
#
# Variables: image, kept (its name in the registry), node (which pulled it first), answer (its id
# there).
: "${image:?}" "${kept:?}" "${node:?}" "${answer?}"

set -e
docker pull --quiet "$kept"
seen=$(docker image inspect --format '{{.Id}}' "$kept")
if [ "$seen" != "$answer" ]; then
  docker image rm "$kept" >/dev/null
  echo "$node has the image $answer, and its registry has $seen"; exit 1
fi
docker tag "$kept" "$image"
docker image rm "$kept" >/dev/null
