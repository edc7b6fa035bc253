# shellcheck shell=sh
# Functions that tell whether this member has data of the lab's store. Needs store.sh.
#
# Variables: own (address), own_url, others (addresses), urls (of all members), wal.
: "${own:?}" "${own_url:?}" "${others?}" "${urls:?}" "${wal:?}"

lists_all() { # succeed if this member knows every member of the lab
  seen=$(members "$own") || return 1
  for url in $urls; do
    case $seen in *"\"$url\""*) ;; *) return 1;; esac
  done
}

placed() {
  [ -d "$wal" ] || return 1
  # If all is well, no other node is queried.
  works=; if healthy "$own"; then works=1; lists_all && return 0; fi
  # Another store is one that works, and has another id or does not list this member. The latter may
  # only be an old address of a store that works. $at stays that member's address.
  for at in $others; do
    healthy "$at" || continue
    there=$(cluster_id "$at"); here=$(cluster_id "$own")
    if [ -n "$here" ] && [ -n "$there" ] && [ "$here" != "$there" ]; then return 1; fi
    [ -n "$works" ] || members "$at" | grep -qF "\"$own_url\"" || return 1
  done
}

unknown_to_others() { # succeed if no other member has a store
  for at in $others; do
    [ -z "$(members "$at")" ] || return 1
  done
}
