# shellcheck shell=sh
# Remove members that are no longer in the lab from the store. Needs former.sh.
#
# If only this member is left and the majority went with the others, this member continues alone.
# If other members are left, the majority may come back with them.
: "${own:?}" "${known:?}"

if ! within 15 healthy "$own" && is_last; then continue_alone "$own" || exit 1; fi
removed() {
  for id in $(member_ids "$own" -v "$known"); do
    members_api "$own" "/$id" --request DELETE || :
  done
  ! former >/dev/null
}
within 30 removed
