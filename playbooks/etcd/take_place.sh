# shellcheck shell=sh
# Join the store that the other members keep, or begin one. Needs store.sh, placed.sh and start.sh.
#
# A member that is listed and has never run has a name if it is one of the store's first members,
# and then starts as such; without a name, an interrupted run has added it. A member that has run
# was recreated: it is removed and added again, because it lost its votes together with its data.
#
# Data of another store that does not work is moved aside. If both stores work, a person has to
# decide which one is the lab's.
#
# Variables: those of placed.sh and start.sh, node (name), data, cluster.
: "${node:?}" "${own:?}" "${own_url:?}" "${others?}" "${data:?}" "${wal:?}" "${cluster:?}"

if placed; then exit 0; fi
from=
for one in $others; do if healthy "$one"; then from=$one; break; fi; done
if [ -z "$from" ]; then
  for one in $others; do if [ -n "$(members "$one")" ]; then from=$one; break; fi; done
fi
if [ -z "$from" ]; then start "$cluster" new; exit; fi
if [ -d "$wal" ]; then
  if healthy "$own"; then
    echo "this node has one network store and ${at-another node} has another one; a lab has only one"
    echo "to use the other one, run on this node: systemctl stop etcd; mv $data $data.old"
    exit 1
  fi
  systemctl stop etcd
  mv "$data" "$data.$(date +%Y%m%d-%H%M%S)" || exit 1
fi
listed() { members "$from" | grep -F "\"$own_url\""; }
removed() {
  for id in $(member_ids "$from" -e "\"$own_url\""); do
    members_api "$from" "/$id" --request DELETE || :
  done
  ! listed >/dev/null
}
added() {
  listed >/dev/null && return
  members_api "$from" '' --header 'Content-Type: application/json' \
    --data "{\"peerURLs\": [\"$own_url\"]}" >/dev/null || :
  listed >/dev/null
}
lost() { echo "the network store has lost its majority"; exit 1; }
state=existing
case $(listed) in
  *'"clientURLs":["'*) within 30 removed || lost;;
  *'"name":"'*) state=new;;
esac
within 30 added || lost
all=$(members "$from" |
  sed -n -e 's/.*"peerURLs":\["\([^"]*\)"\].*"name":"\([^"]*\)".*/\2=\1/p' -e t \
    -e 's/.*"peerURLs":\["\([^"]*\)"\].*/unnamed=\1/p' |
  sed "s|^unnamed=$own_url\$|$node=$own_url|" | paste -s -d , -)
start "$all" "$state"
[ "$state" = new ] || within 60 healthy "$own" || {
  systemctl status --no-pager --full --lines=15 etcd
  exit 1
}
