# shellcheck shell=sh
# Functions about members of the store that are no longer in the lab. Needs store.sh.
#
# Variables: own (address), known (lines for `grep -F`: the lab's members by name and by URL).
: "${own:?}" "${known:?}"

former() { members "$own" | grep -vF "$known"; }

is_last() { # succeed if this member is the only one that is left of the lab's
  [ "$(members "$own" | wc -l)" -eq "$(($(former | wc -l) + 1))" ]
}
