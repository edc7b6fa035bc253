# shellcheck shell=sh
# Functions that query and change etcd's store. Each member is given by its address.

healthy() { # ADDRESS [SECONDS]: succeed if the store has its majority, seen from this member
  curl --silent --max-time "${2:-4}" "http://$1:2379/health" | grep -q '"health": *"true"'
}

members() { # ADDRESS: print a line of JSON for each member of the store
  # This is the one question that a member without a majority answers, at the port for members.
  curl --silent --max-time 4 "http://$1:2380/members" | tr '{' '\n' | grep '"id"'
}

cluster_id() { # ADDRESS: print the id of the member's store
  curl --silent --max-time 4 --output /dev/null --dump-header - "http://$1:2380/members" |
    sed -n 's/^[Xx]-[Ee]tcd-[Cc]luster-[Ii][Dd]: *\([0-9a-f]*\).*/\1/p'
}

members_api() { # ADDRESS PATH [OPTION…]: call the API that changes the members
  whom=$1; path=$2; shift 2
  curl --silent --fail --max-time 8 "$@" "http://$whom:2379/v2/members$path"
}

member_ids() { # ADDRESS OPTION PATTERNS: print the ids of members whose line `grep -F` selects
  members_api "$1" '' | tr '{' '\n' | grep '"id"' | grep -F "$2" "$3" |
    sed -n 's/.*"id":"\([0-9a-f]*\)".*/\1/p'
}

within() { # SECONDS COMMAND…: repeat the command until it succeeds; fail after that time
  limit=$1; shift
  waited=0
  until "$@"; do
    [ "$waited" -lt "$limit" ] || return 1
    sleep 1; waited=$((waited + 1))
  done
}

continue_alone() { # ADDRESS: make this node's member the only one; its data stays
  systemctl set-environment ETCD_FORCE_NEW_CLUSTER=true && systemctl restart etcd
  systemctl unset-environment ETCD_FORCE_NEW_CLUSTER
  within 15 healthy "$1"
}
