# shellcheck shell=sh
# Print the state of a worker, and "stranger" if its manager is in another swarm. Needs
# same_swarm.sh.
#
# Variables: format (for `docker info`).
: "${format:?}"

docker info --format "$format" || exit 1
same_swarm || echo stranger
