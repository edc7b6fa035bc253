# shellcheck shell=sh
# Fail if the store has members that are no longer in the lab and can be removed. Needs former.sh.
: "${own:?}"

if ! former >/dev/null; then exit 0; fi
if healthy "$own" || is_last; then former; exit 1; fi
