# shellcheck shell=sh
# Restart an engine with threads in network namespaces of removed networks. Print "restarted"; print
# "busy" instead if that would end containers. Needs ended_by_restart.sh.

pid=$(pidof dockerd) || exit 0
# Docker mounts the namespaces of networks in use; a thread may be in one of those.
known=" $(stat -L -c %i /proc/1/ns/net /var/run/docker/netns/* 2>/dev/null | tr '\n' ' ')"
stale=
for task in /proc/"$pid"/task/*; do
  seen=$(stat -L -c %i "$task/ns/net" 2>/dev/null) || continue
  case $known in *" $seen "*) ;; *) stale=1;; esac
done
[ -n "$stale" ] || exit 0
[ -z "$(ended_by_restart)" ] || { echo busy; exit 0; }
# The unit allows three starts a minute, of which a provisioning may have used two.
systemctl reset-failed docker
systemctl restart docker && echo restarted
