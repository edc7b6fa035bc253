# shellcheck shell=sh
# Print how the node's engine is set: daemon.json, the keys that labctl wrote last, and the unit.
#
# Files go out in base64, so that every byte and every line end arrives.
#
# Variables: path (of daemon.json), owned (file with labctl's keys), unit.
: "${path:?}" "${owned:?}" "${unit:?}"

whole() { printf '%s %s\n' "$1" "$(base64 -w0 <"$2")"; }
if [ -e "$path" ]; then whole file "$path" || exit; fi
if [ -e "$owned" ]; then whole owned "$owned" || exit; fi
text=$(systemctl cat "$unit" 2>/dev/null) || text=
printf 'unit %s\n' "$(printf '%s\n' "$text" | base64 -w0)"
printf '%s\n' "$text" | while IFS= read -r line; do
  case $line in EnvironmentFile=*) ;; *) continue ;; esac
  name=${line#EnvironmentFile=}; name=${name#-}
  if [ -r "$name" ] && [ -f "$name" ]; then whole "environment $name" "$name"; fi
done
