# shellcheck shell=sh
# Restart or reload a service. If that fails, put back its former files and start it with them.
#
# Variables: unit, how ("restart" or "reload"), marks (start of the path of its marks).
: "${unit:?}" "${how:?}" "${marks:?}"

done_with_marks() { rm -rf "$marks.restart" "$marks.reload" "$marks.old"; }
# systemd refuses to start a service that failed too often until its counter is cleared.
systemctl reset-failed "$unit" 2>/dev/null || :
if systemctl "$how" "$unit"; then done_with_marks; exit; fi
systemctl status --no-pager --full --lines=15 "$unit" || :
if [ -d "$marks.old" ]; then
  # shellcheck disable=SC2016
  ( cd "$marks.old" && find . -type f ! -name '*.absent' -exec sh -c \
      'for f; do cp -p "$f" "/${f#./}"; done' sh {} + )
  # shellcheck disable=SC2016
  ( cd "$marks.old" && find . -type f -name '*.absent' -exec sh -c \
      'for f; do f=${f#./}; rm -f "/${f%.absent}"; done' sh {} + )
  done_with_marks
  echo 'its former files were put back'
  systemctl reset-failed "$unit" 2>/dev/null || :
  systemctl restart "$unit" && echo 'it runs again, with its former files'
fi
exit 1
