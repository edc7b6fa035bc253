# shellcheck shell=sh
# Bring a project up and keep the digest of its files with the ids of its containers. Needs
# project_containers.sh.
#
# Variables: project, folder, digest, kept (path).
: "${project:?}" "${folder:?}" "${digest:?}" "${kept:?}"

set -e
cd "$folder"
docker-compose --project-name "$project" up --detach --build --remove-orphans 2>&1
sleep 1
mkdir -p "$(dirname "$kept")"
{ echo "$digest"; containers; } >"$kept.new"
mv -f "$kept.new" "$kept"
for id in $(containers); do
  [ "$(docker inspect --format '{{.State.Status}}' "$id")" = running ] ||
    docker logs --tail 10 "$id" 2>&1
done
