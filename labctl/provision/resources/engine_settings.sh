# shellcheck shell=sh
# Print how the node's engine is set: daemon.json, the keys that labctl wrote last, and the unit.
#
# Files go out in base64, so that every byte and every line end arrives.
#
# The unit's files are read from the disk, because that is what the next boot does; systemd itself
# does not know files that changed since it last read them.
#
# Variables: path (of daemon.json), owned (file with labctl's keys), unit, folders (of units, the one
# that wins first).
: "${path:?}" "${owned:?}" "${unit:?}" "${folders:?}"

whole() { printf '%s %s\n' "$1" "$(base64 -w0 <"$2")"; }
if [ -e "$path" ]; then whole file "$path" || exit; fi
if [ -e "$owned" ]; then whole owned "$owned" || exit; fi

first() {
  for folder in $folders; do
    if [ -e "$folder/$1" ]; then printf '# %s\n' "$folder/$1"; cat "$folder/$1"; echo; return; fi
  done
}
text=$(
  first "$unit"
  for folder in $folders; do
    for file in "$folder/$unit.d"/*.conf; do if [ -e "$file" ]; then echo "${file##*/}"; fi; done
  done | sort -u | while IFS= read -r name; do first "$unit.d/$name"; done
)
printf 'unit %s\n' "$(printf '%s\n' "$text" | base64 -w0)"
printf '%s\n' "$text" | while IFS= read -r line; do
  case $line in EnvironmentFile=*) ;; *) continue ;; esac
  name=${line#EnvironmentFile=}; name=${name#-}
  # The variables of the proxy are no flags, and have a password.
  case $name in */labctl-proxy.env) continue ;; esac
  if [ -r "$name" ] && [ -f "$name" ]; then whole "environment $name" "$name"; fi
done
pid=$(systemctl show -p MainPID "$unit" 2>/dev/null); pid=${pid#MainPID=}
if [ "${pid:-0}" != 0 ] && [ -r "/proc/$pid/cmdline" ]; then whole running "/proc/$pid/cmdline"; fi
