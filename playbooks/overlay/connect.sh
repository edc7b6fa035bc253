# shellcheck shell=sh
# Wait until the store has its majority and the engine has found it. Needs etcd's store.sh and
# ended_by_restart.sh.
#
# Variables: own (address of the member on this node; empty if there is none), port (where an engine
# with a store listens for the other engines).
: "${own?}" "${port:?}"

connected() { ss --listening --tcp --numeric | grep -q ":$port "; }
or_fail() { # SECONDS COMMAND…
  within "$@" || { echo "not within $1 s: $2"; exit 1; }
}
# A member needs some time to see that there is a majority. A node without a member has waited for
# one that sees it.
[ -z "$own" ] || or_fail 30 healthy "$own" 10
# The unit allows three starts a minute, and there were two already.
if [ -z "$(ended_by_restart)" ]; then
  systemctl reset-failed docker; systemctl restart docker || exit 1
fi
# An engine looks for the store three times a minute.
or_fail 120 connected
