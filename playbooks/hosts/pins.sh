# shellcheck shell=sh
# Print "NAME ADDRESS" for each name that another resolver knows by a better address. Needs lookup.sh.
#
# A better address is one that the node's own resolver doesn't have and that answers over TLS. If the
# node's own resolver has no address at all, the other resolver's first one is printed even if it
# does not answer: the network may recover later, the lookup will not.
#
# Variables: names, resolver.
: "${names?}" "${resolver:?}"

for name in $names; do
  own=$(resolved "$name" | tr '\n' ' ')
  first=
  for address in $(dig +short +time=3 +tries=2 "@$resolver" "$name" A); do
    case $address in *[!0-9.]*) continue;; esac
    # An address that the node's own resolver has too needs no pin; it was the network that failed.
    case " $own " in *" $address "*) continue;; esac
    [ -n "$first" ] || first=$address
    if answers "$name" "$address"; then echo "$name $address"; continue 2; fi
  done
  if [ -z "$own" ] && [ -n "$first" ]; then echo "$name $first"; fi
done
