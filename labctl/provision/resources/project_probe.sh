# shellcheck shell=sh
# Print what was kept when the project was last brought up, and the state of its containers now.
# Needs project_containers.sh.
#
# Variables: kept (path).
: "${kept:?}"

cat "$kept" 2>/dev/null; echo '='
for id in $(containers); do
  docker inspect --format '{{.Id}} {{.State.Status}} {{.State.ExitCode}}' "$id"
done
