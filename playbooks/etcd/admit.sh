# shellcheck shell=sh
# On the only other member: make its store able to add the member that asks. Needs store.sh.
#
# If a store had two members and one was recreated, the other has no majority and can neither remove
# nor add it. Half of the store is lost for good, so the other member continues alone with its data.
#
# Variables: own (address of this member), new_url (of the member that asks).
: "${own:?}" "${new_url:?}"

if healthy "$own"; then exit 0; fi
members "$own" | grep -F "\"$new_url\"" | grep -q '"clientURLs":\["' || exit 0
continue_alone "$own"
