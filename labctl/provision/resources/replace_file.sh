# shellcheck shell=sh
# Replace a file: whole or not at all.
#
# The new text goes to a temporary file in the same folder, which one rename gives the final name.
# So a full disk, a kill or a failing check leave the old file as it was.
#
# Variables:
#   path     absolute; a link is followed, so that the link itself stays
#   content  the whole new text
#   mode     octal; empty keeps the mode of the file that is there, else 0644
#   owner    user:group; empty keeps the owner of the file that is there
#   check    sh that accepts or refuses the new file, which is "$new"; empty accepts it
#   backup   path of a copy of the first file found there; empty keeps none
#   kept     path of a copy of the old file until its service has loaded the new one; empty: none
#   pending  file that marks the restart or reload which is due then
: "${path:?}" "${content?}" "${mode?}" "${owner?}" "${check?}" "${backup?}" "${kept?}" "${pending?}"

set -eu
new=
ended() {
  code=$?
  set +e
  rm -f "$new"
  [ "$code" != 0 ] || exit 0
  # "Operation not permitted" does not say that somebody has run chattr +i.
  for one in "$target" "$(dirname "$target")"; do
    flags=$(lsattr -d "$one" 2>/dev/null)
    case ${flags%% *} in *i*) echo "$one is immutable" ;; esac
  done
  exit "$code"
}
trap ended EXIT
target=$path
mkdir -p "$(dirname "$path")"
target=$(readlink -m "$path")
new=$(mktemp "$target.XXXXXX")
printf %s "$content" >"$new"
if [ -n "$owner" ]; then
  chown "$owner" "$new"
elif [ -e "$target" ]; then
  chown --reference="$target" "$new"
fi
# After the owner, because chown removes set-id bits.
if [ -n "$mode" ]; then
  chmod "$mode" "$new"
else
  chmod 0644 "$new"
  if [ -e "$target" ]; then chmod --reference="$target" "$new"; fi
fi
if [ -n "$check" ]; then
  # Not `( … ) || …`, because a shell would then ignore a `set -e` of the check.
  set +e
  ( eval "$check" )
  status=$?
  set -e
  [ "$status" = 0 ] || { echo 'the new file was refused by its check'; exit 1; }
fi
if [ -n "$backup" ] && [ -e "$target" ] && [ ! -e "$backup" ]; then cp -p "$target" "$backup"; fi
if [ -n "$kept" ]; then
  mkdir -p "$(dirname "$kept")"
  if [ ! -e "$path" ]; then : >"$kept.absent"
  elif [ ! -e "$kept" ]; then cp -p "$path" "$kept"; fi
  : >"$pending"
fi
# -T: if a folder is in the way, fail instead of moving the file into it.
mv -fT "$new" "$target"
trap - EXIT
# mktemp gives the file the SELinux type of the folder, which is not always that of the file.
if command -v restorecon >/dev/null 2>&1; then restorecon "$target" || :; fi
