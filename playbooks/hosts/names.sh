# shellcheck shell=sh
# Print the nameservers, and the names that the node cannot look up.
#
# Variables: names.
: "${names?}"

while read -r word server _; do
  if [ "$word" = nameserver ]; then echo "nameserver $server"; fi
done </etc/resolv.conf 2>/dev/null
for name in $names; do
  ( timeout 10 getent hosts "$name" >/dev/null || echo "unknown $name" ) &
done
wait
exit 0
