# shellcheck shell=sh
# Print the names that don't answer over TLS with their own certificate. Needs lookup.sh.
#
# Variables: names.
: "${names?}" "${pinned?}"

for name in $names; do
  ( case $pinned in
    *" $name "*)
      for address in $(resolved "$name"); do
        if answers "$name" "$address"; then exit 0; fi
      done;;
    *) if answers "$name"; then exit 0; fi;;
    esac
    echo "$name" ) &
done
wait
