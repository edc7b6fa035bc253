# shellcheck shell=sh
# Push an image to the registry of the lab, and pull it first if it is not here.
#
# Variables: image, source (name to pull it by; empty if it is here), kept (its name in the
# registry).
: "${image:?}" "${source?}" "${kept:?}"

set -e
if [ -n "$source" ]; then
  docker pull --quiet "$source"
  [ "$source" = "$image" ] || docker tag "$source" "$image"
fi
docker tag "$image" "$kept"
docker push "$kept" >/dev/null
docker image rm "$kept" >/dev/null
