# shellcheck shell=sh
# Print the runtimes that the containers of a stopped or running engine ask for.

for root in /var/lib/docker $(grep -ho '"\(data-root\|graph\)"[[:space:]]*:[[:space:]]*"[^"]*"' \
    /etc/docker/daemon.json 2>/dev/null | grep -o '/[^"]*'); do
  cat "$root"/containers/*/hostconfig.json 2>/dev/null
done | grep -o '"Runtime":"[^"]*"' | sort -u | while IFS=: read -r _ name; do
  name=${name#?}
  echo "runtime ${name%?}"
done
