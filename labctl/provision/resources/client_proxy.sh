# shellcheck shell=sh
# Print "USER MODE FILE RECORD" for each user whose client file labctl changes or has changed: the
# file's mode, the file and labctl's record of it in base64, or "-" for one that does not exist.
#
# The user reads the file, not root: what it links to would go to labctl.
#
# Variables: users (words), kept (folder of the records).
: "${users?}" "${kept:?}"

whole() { if [ -e "$1" ]; then base64 -w0 <"$1"; else printf -; fi; }
for record in "$kept"/*; do
  if [ -e "$record" ]; then
    case " $users " in *" ${record##*/} "*) ;; *) users="$users ${record##*/}" ;; esac
  fi
done
for user in $users; do
  id "$user" >/dev/null 2>&1 || continue
  # shellcheck disable=SC2016
  file=$(sudo -n -H -u "$user" sh -c \
    'cd ~/.docker 2>/dev/null && [ -e config.json ] || { printf "%s" "- -"; exit; }
    printf "%s " "$(stat -L -c %a config.json)"; base64 -w0 <config.json') ||
    { echo "the file ~$user/.docker/config.json cannot be read"; exit 1; }
  echo "$user $file $(whole "$kept/$user")"
done
