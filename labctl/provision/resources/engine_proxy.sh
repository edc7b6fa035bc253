# shellcheck shell=sh
# Print in one line whether the engine's unit sets a proxy of its own ("own" or "none"), and whether
# labctl's drop-in is "present" or "absent"; then the drop-in.
#
# Variables: path (of the drop-in), folders (of units).
: "${path:?}" "${folders:?}"

seen=none
for folder in $folders; do
  for file in "$folder/docker.service" "$folder/docker.service.d"/*.conf; do
    if [ "$file" = "$path" ] || [ ! -r "$file" ]; then continue; fi
    while IFS= read -r line || [ -n "$line" ]; do
      case $line in
        [#\;]*) ;;
        *[hH][tT][tT][pP]_[pP][rR][oO][xX][yY]=* | *[hH][tT][tT][pP][sS]_[pP][rR][oO][xX][yY]=*)
          seen=own ;;
      esac
    done <"$file"
  done
done
if [ -e "$path" ]; then echo "$seen present"; cat "$path"; else echo "$seen absent"; fi
