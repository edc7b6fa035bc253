# shellcheck shell=sh
# Restart or reload a service. If that fails, print why, put back its former files, and start it
# with them.
#
# Variables:
#   unit, how ("restart" or "reload"), marks (start of the path of its marks)
#   proof  words in the unit's journal that prove a reload; empty: the exit code is enough
#   engine "yes": the unit is a Docker engine; containers that a restart ends are started again
: "${unit:?}" "${how:?}" "${marks:?}" "${proof?}" "${engine?}"

set +e
done_with_marks() { rm -rf "$marks.restart" "$marks.reload" "$marks.old"; }

journal() { journalctl --unit "$1" --no-pager --output cat --lines "${2:-12}" 2>/dev/null; }

# Why a start failed is in the journal of the unit, or of a unit that it needs.
explain() {
  echo "the end of the journal of $unit:"
  journal "$unit"
  for other in $(systemctl show -p Requires -p BindsTo -p Wants "$unit" 2>/dev/null); do
    other=${other#*=}
    case $other in *.service | *.socket) ;; *) continue ;; esac
    case $(systemctl is-active "$other" 2>/dev/null) in failed | activating | inactive)
      echo "the end of the journal of $other, which $unit needs:"
      journal "$other" ;;
    esac
  done
}

running() {
  if [ -n "$engine" ] && [ -S /var/run/docker.sock ]; then
    timeout 20 docker ps --quiet --no-trunc 2>/dev/null
  fi
}

start_again() {
  [ -n "$ran" ] || return 0
  now=$(running)
  for id in $ran; do
    case $now in *"$id"*) ;; *) docker start "$id" >/dev/null 2>&1 || : ;; esac
  done
}

put_back() {
  [ -d "$marks.old" ] || return 1
  # shellcheck disable=SC2016
  ( cd "$marks.old" && find . -type f ! -name '*.absent' -exec sh -c \
      'for f; do cp -p "$f" "/${f#./}"; done' sh {} + )
  # shellcheck disable=SC2016
  ( cd "$marks.old" && find . -type f -name '*.absent' -exec sh -c \
      'for f; do f=${f#./}; rm -f "/${f%.absent}"; done' sh {} + )
  done_with_marks
  echo 'its former files were put back'
}

# The signal of a reload says nothing about how it ended.
reloaded() {
  tries=0
  while [ "$tries" -lt 50 ]; do
    if [ -n "$cursor" ]; then
      said=$(journalctl --unit "$unit" --no-pager --output cat --after-cursor "$cursor" 2>/dev/null)
    else
      said=$(journalctl --unit "$unit" --no-pager --output cat --since "@$since" 2>/dev/null)
    fi
    case $said in *"$proof"*) return 0 ;; esac
    if printf '%s\n' "$said" | grep -i 'level=\(error\|fatal\).*\(config\|reload\)'; then
      return 1
    fi
    tries=$((tries + 1))
    sleep 0.2
  done
  # At a high log level the engine writes no such line. Its events have the reload too.
  if [ -n "$engine" ] && [ -n "$(timeout 20 docker events --since "$since" \
      --until "$(($(date +%s) + 1))" --filter type=daemon --filter event=reload 2>/dev/null)" ]; then
    return 0
  fi
  echo "the journal of $unit has no \"$proof\""
  return 1
}

# systemd refuses to start a service that failed too often until its counter is cleared.
systemctl reset-failed "$unit" 2>/dev/null || :
ran=
if [ "$how" = restart ]; then
  ran=$(running)
  if systemctl restart "$unit"; then start_again; done_with_marks; exit; fi
  systemctl status --no-pager --full --lines=0 "$unit" || :
  explain
  if put_back; then
    systemctl reset-failed "$unit" 2>/dev/null || :
    if systemctl restart "$unit"; then start_again; echo 'it runs again, with its former files'; fi
  fi
  exit 1
fi
since=$(date +%s)
cursor=$(journalctl --unit "$unit" --no-pager --output cat --lines 1 --show-cursor 2>/dev/null | tail -n 1)
case $cursor in '-- cursor: '*) cursor=${cursor#-- cursor: } ;; *) cursor= ;; esac
if systemctl reload "$unit" && { [ -z "$proof" ] || reloaded; }; then done_with_marks; exit; fi
echo "$unit refused to reload, and goes on with its former settings"
explain
# It still runs with its former files: nothing has to be restarted.
put_back || :
exit 1
